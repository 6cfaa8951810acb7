"""No spelling of a private address passes (threat S6, fault F13)."""

import pytest

from common.http import OutboundError, check_address, check_url, parse_networks
from common.http.guard import DENIED_PORTS

BLOCKED = [
    "http://127.0.0.1/", "http://127.0.0.1:8080/", "http://127.1/", "http://127.0.1/", "http://2130706433/",
    "http://0x7f000001/", "http://0x7F000001/", "http://0x7f.0.0.1/", "http://0x7f.1/", "http://0177.0.0.1/",
    "http://017700000001/", "http://0177.0x0.0.1/", "http://127.0.0.1./", "http://127.255.255.254/",
    "http://0.0.0.0/", "http://0/", "http://0x0/", "http://127.0.0.1/",
    "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/",
    "http://[::1]/", "http://[::]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/", "http://[::127.0.0.1]/", "http://[64:ff9b::127.0.0.1]/", "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::7f00:1]/", "http://[2002:7f00:1::]/", "http://[2001:0:7f00:1::]/", "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[fc00::1]/", "http://[fd00:ec2::254]/",
    "http://[fec0::1]/", "http://[ff02::1]/", "http://[2001:db8::1]/", "http://[v1.fe80::a]/", "http://[3fff::1]/",
    "http://169.254.169.254/latest/meta-data/", "http://2852039166/", "http://0xa9fea9fe/",
    "http://[::ffff:169.254.169.254]/", "http://100.64.0.1/", "http://100.100.100.200/", "http://192.0.0.192/",
    "http://168.63.129.16/", "http://10.0.0.1/", "http://10.255.255.255/", "http://012.0.0.1/", "http://172.16.0.1/",
    "http://172.31.255.255/", "http://192.168.0.1/", "http://198.18.0.1/", "http://192.0.2.1/", "http://203.0.113.9/",
    "http://224.0.0.1/", "http://239.255.255.250/", "http://240.0.0.1/", "http://255.255.255.255/",
    "http://localhost/", "http://LOCALHOST/", "http://localhost./", "http://foo.localhost/", "http://localhost/",
    "http://user@127.0.0.1/", "http://example.com@127.0.0.1/", "http://127.0.0.1@example.com/",
    "http://user:secret@example.com/", "http://example.com:80@127.0.0.1/", "http://@example.com/",
    "http://example.com\\@127.0.0.1/", "http://127.0.0.1\\.example.com/", "http://exa mple.com/",
    "http://example.com\t/", "http://127.0.0.1\n.example.com/", "http://%31%32%37.0.0.1/", "http://127.0.0.1%00.a.com/",
    "http://256.1.1.1/", "http://1.2.3.4.5/", "http://0x/", "http://1.2.3.0x100/", "http://4294967296/",
    "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "javascript:alert(1)", "//example.com/",
    "example.com", "", "http://", "http:///path", "https://:443/", "http://example..com/", "http://-a.com/",
    "http://[::1/", "http://[]/", "http://[::1]x/", "http://example.com:port/", "http://example.com:99999/",
    "http://example.com:0/", "http://example.com:-1/", "http://8.8.8.8:22/", "http://8.8.8.8:25/",
    "https://example.com:5432/", "https://example.com:6379/", "https://example.com:5672/", "http://a.com:2525/",
    "http://a.com:2775/", "http://" + "a" * 64 + ".com/", "http://" + "a." * 127 + "com/", "http://a.com/" + "x" * 2048,
    "http://ex\u200bample\x00.com/", "http://\u202eexample.com/",
]  # fmt: skip

ALLOWED = [
    ("http://example.com", "http://example.com/", "example.com", 80),
    ("HTTPS://Example.COM:443/Path?q=1#frag", "https://example.com/Path?q=1", "example.com", 443),
    ("http://example.com.:8080/", "http://example.com:8080/", "example.com", 8080),
    ("https://bücher.example/ü?x=ж", "https://xn--bcher-kva.example/%C3%BC?x=%D0%B6", "xn--bcher-kva.example", 443),
    ("http://example.com/a%2Fb?sig=a%3D%26b", "http://example.com/a%2Fb?sig=a%3D%26b", "example.com", 80),
    ("http://8.8.8.8:8000/", "http://8.8.8.8:8000/", "8.8.8.8", 8000),
    ("http://0x08080808/", "http://8.8.8.8/", "8.8.8.8", 80),
    ("http://[2606:4700::1111]:8443/x", "http://[2606:4700::1111]:8443/x", "2606:4700::1111", 8443),
    ("http://my_service.example.com/", "http://my_service.example.com/", "my_service.example.com", 80),
    ("http://example.com/@me:80", "http://example.com/@me:80", "example.com", 80),
]


@pytest.mark.parametrize("url", BLOCKED)
def test_no_spelling_of_a_private_target_passes(url: str) -> None:
    with pytest.raises(OutboundError) as caught:
        check_url(url)
    assert caught.value.kind == "blocked"


@pytest.mark.parametrize(("url", "spelled", "host", "port"), ALLOWED)
def test_public_targets_pass_in_one_spelling(url: str, spelled: str, host: str, port: int) -> None:
    target = check_url(url)
    assert (target.url, target.host, target.port) == (spelled, host, port)
    assert check_url(target.url) == target


@pytest.mark.parametrize("url", ["http://127.0.0.1:5432/", "http://[::ffff:127.0.0.1]:22/", "http://localhost:22/"])
def test_an_allowed_network_skips_address_and_port_checks(url: str) -> None:
    assert check_url(url, parse_networks(["127.0.0.0/8"])).host


def test_an_allowed_network_opens_nothing_else() -> None:
    allowed = parse_networks(["10.1.0.0/16", "fd00:1::/64"])
    check_address("10.1.2.3", 5432, allowed)
    check_address("fd00:1::5", 80, allowed)
    for address, port in [("10.2.0.1", 80), ("127.0.0.1", 80), ("8.8.8.8", 5432), ("fd00:2::5", 80)]:
        with pytest.raises(OutboundError, match="blocked"):
            check_address(address, port, allowed)
    with pytest.raises(OutboundError, match="blocked"):
        check_url("http://localhost/", allowed)


@pytest.mark.parametrize("port", [80, 443, 1024, 8000, 8080, 65535])
def test_web_ports_and_free_high_ports_pass(port: int) -> None:
    check_address("8.8.8.8", port)


@pytest.mark.parametrize("port", [0, 21, 22, 23, 25, 465, 587, 1023, *sorted(DENIED_PORTS)])
def test_other_ports_are_refused(port: int) -> None:
    with pytest.raises(OutboundError, match="port"):
        check_address("8.8.8.8", port)


def test_stores_brokers_and_our_own_services_are_denied() -> None:
    assert {3306, 5432, 6379, 5672, 15672, 9200, 27017, 11211, 2525, 2775, 11434} <= DENIED_PORTS


def test_a_bad_network_in_the_setting_is_an_error() -> None:
    with pytest.raises(ValueError, match="host bits"):
        parse_networks(["10.0.0.1/8"])
