import pytest
from django.core.exceptions import ValidationError

from accounts.addresses import admits, canonical, neighbourhood, parse, stored


@pytest.mark.parametrize(
    ("entries", "address", "admitted"),
    [
        ([], "203.0.113.9", True),
        (["203.0.113.9"], "203.0.113.9", True),
        (["203.0.113.9"], "203.0.113.10", False),
        (["203.0.113.0/24"], "203.0.113.77", True),
        (["203.0.113.0/24"], "203.0.114.1", False),
        (["203.0.113.9"], "::ffff:203.0.113.9", True),
        (["2001:db8::/32"], "2001:db8::1", True),
        (["2001:db8::/32"], "203.0.113.9", False),
        (["203.0.113.9"], "", False),
        (["203.0.113.9"], "not an address", False),
        ([" 203.0.113.9 "], "203.0.113.9", True),
    ],
)
def test_a_list_admits_what_it_names(entries: list[str], address: str, admitted: bool) -> None:
    assert admits(parse(entries), address) is admitted


@pytest.mark.parametrize("entry", ["", "10.0.0", "10.0.0.5/24", "10.0.0.0/33", "example.com", 1, None, ["10.0.0.1"]])
def test_what_is_no_network_is_refused(entry: object) -> None:
    with pytest.raises(ValidationError):
        parse(["10.0.0.1", entry])


def test_a_list_that_is_no_list_is_refused() -> None:
    with pytest.raises(ValidationError):
        parse("10.0.0.1")


def test_a_stored_list_of_nonsense_admits_nobody_instead_of_all(caplog: pytest.LogCaptureFixture) -> None:
    networks = stored(["nonsense"], owner="acme")
    assert not admits(networks, "203.0.113.9")
    assert "acme" in caplog.text


def test_a_guesser_is_an_ipv4_address_or_a_64_of_ipv6() -> None:
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff") != neighbourhood("2001:db8:0:1::1")
    assert neighbourhood("203.0.113.1") != neighbourhood("203.0.113.2")


def test_addresses_are_logged_in_their_usual_form_or_not_at_all() -> None:
    assert canonical("::ffff:203.0.113.9") == "203.0.113.9"
    assert canonical("unix:/socket") is None
