"""A bad file is refused with its line, and nothing is written."""

from pathlib import Path

import pytest
from django.core.management.base import CommandError

from gateway_project.provisioning import document
from gateway_project.provisioning.document import Problem, parse_tree
from tests.gateway_project.provisioned import EXAMPLE, all_rows, run, written

BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + level)}: &{chr(98 + level)} [{','.join([f'*{chr(97 + level)}'] * 10)}]\n" for level in range(8)
)
# text of the file, line, part of the message
BAD = {
    "unknown key at the top": ("acounts: []", 1, "unknown key 'acounts' in the file; did you mean 'accounts'?"),
    "unknown key in an account": (
        "accounts:\n  - name: a\n    compny: x",
        3,
        "unknown key 'compny' in an account; did you mean 'company'?",
    ),
    "unknown key in a route": (
        "routing_profiles:\n - name: p\n   routes:\n   - connectors: []\n     prefx: '1'",
        5,
        "unknown key 'prefx' in a route; did you mean 'prefix'?",
    ),
    "unknown key in a client": ("accounts:\n- name: a\n  api_clients:\n  - {usrname: x}", 4, "in an API client"),
    "key twice": ("accounts:\n- name: a\n  tps: 1\n  tps: 2", 4, "'tps' stands here twice; first at line 3"),
    "words for a number": ("accounts:\n- name: a\n  tps: fast", 3, "tps must be a whole number, not 'fast'"),
    "quoted number": ("connectors:\n- {name: a, host: h, port: '2775'}", 2, "port must be a whole number"),
    "fraction": ("accounts:\n- name: a\n  tps: 1.5", 3, "tps must be a whole number, not '1.5'"),
    "below zero": ("accounts:\n- name: a\n  tps: -1", 3, "tps"),
    "beyond the column": ("accounts:\n- name: a\n  tps: 99999999999", 3, "tps"),
    "port": ("connectors:\n- name: a\n  host: h\n  port: 70000", 4, "port"),
    "timer of nothing": ("connectors:\n- {name: a, host: h,\n   bind_timeout: 0}", 3, "bind_timeout: 1 to 3600"),
    "host with a blank": ("connectors:\n- {name: a, host: a b}", 2, "host: One host name or address"),
    "type of number": ("connectors:\n- {name: a, host: h, dest_ton: 999}", 2, "dest_ton: -1 to 6"),
    "authority": ("connectors:\n- {name: a, host: h, tls_ca: x}", 2, "tls_ca: One certificate or more in PEM"),
    "list for text": ("accounts:\n- name: [a]", 2, "name must be text, not a list"),
    "nothing for text": ("accounts:\n- name: a\n  company:", 3, "company must be text, not nothing"),
    "text for a list": ("accounts: acme", 1, "accounts must be a list, not 'acme'"),
    "text for an object": ("accounts:\n- acme", 2, "an account must be an object with keys, not 'acme'"),
    "text for a flag": ("accounts:\n- name: a\n  unlimited: 'yes'", 3, "unlimited must be true or false"),
    "choice": ("accounts:\n- name: a\n  over_limit: que", 3, "over_limit knows no 'que'; did you mean 'queue'?"),
    "parts that no carrier reports on": (
        "connectors:\n- name: a\n  host: h\n  dlr_parts: frist",
        4,
        "dlr_parts knows no 'frist'; did you mean 'first'?",
    ),
    "no name": ("accounts:\n- company: x", 2, "an account needs the key 'name'"),
    "name with a space": ("accounts:\n- name: a b", 2, "name"),
    "connector in capitals": ("connectors:\n- {name: SMPP, host: h}", 2, "name"),
    "new connector without host": ("connectors:\n- name: a", 2, "a connector that is new needs the key 'host'"),
    "account twice": ("accounts:\n- name: a\n- name: a", 3, "account 'a' was named before, at line 2"),
    "client twice in two accounts": (
        "accounts:\n- name: a\n  api_clients: [{username: c}]\n- name: b\n  api_clients: [{username: c}]",
        5,
        "api_client 'c' was named before, at line 3",
    ),
    "user and staff of one name": (
        "accounts:\n- name: a\n  users: [{username: u}]\nstaff:\n- {username: u, role: admin}",
        5,
        "'u' was named before",
    ),
    "route twice": (
        "connectors: [{name: c, host: h}]\nrouting_profiles:\n- name: p\n  routes:\n  - {prefix: 1, connectors: [c]}\n"
        "  - {prefix: 1, connectors: [c]}",
        6,
        "prefix '1' with order 100 was named before, at line 5",
    ),
    "connector twice in a route": (
        "connectors: [{name: c, host: h}]\nrouting_profiles:\n- name: p\n  routes:\n"
        "  - {prefix: 1, connectors: [c, c]}",
        5,
        "connectors names 'c' twice",
    ),
    "two default profiles": (
        "routing_profiles:\n- {name: p, default: true}\n- {name: q, default: true}",
        3,
        "only one profile may be the default; 'p' is already",
    ),
    "missing connector": (
        "connectors: [{name: smpp1, host: h}]\nrouting_profiles:\n- name: p\n  routes:\n"
        "  - prefix: ''\n    connectors: [smpp2]",
        6,
        "no connector 'smpp2'; did you mean 'smpp1'?",
    ),
    "missing profile": ("accounts:\n- name: a\n  routing_profile: gold", 3, "no routing profile 'gold'"),
    "missing group": ("accounts:\n- name: a\n  users: [{username: u, permission_group: x}]", 3, "no permission group"),
    "missing parent": ("accounts:\n- name: a\n  parent: b", 3, "no account 'b'"),
    "own parent": (
        "accounts:\n- {name: a, parent: b}\n- {name: b, parent: a}",
        2,
        "account 'a' would be its own parent",
    ),
    "prefix with letters": (
        "routing_profiles:\n- name: p\n  routes:\n  - {prefix: '+971', connectors: []}",
        4,
        "prefix: Digits only.",
    ),
    "route without connectors": (
        "routing_profiles:\n- name: p\n  routes:\n  - prefix: '1'",
        4,
        "a route needs the key 'connectors'",
    ),
    "amount": ("accounts:\n- name: a\n  credits: ten", 3, "credits must be an amount"),
    "amount with an exponent": ("accounts:\n- name: a\n  credits: 1e5", 3, "credits must be an amount"),
    "amount below zero": ("accounts:\n- name: a\n  credits: '-1'", 3, "credits must be 0 or more"),
    "amount too fine": ("accounts:\n- name: a\n  credits: '0.00001'", 3, "credits has more than 4 digits"),
    "amount not finite": ("accounts:\n- name: a\n  credits: .inf", 3, "credits must be an amount"),
    "rate below zero": (
        "routing_profiles:\n- name: p\n  routes:\n  - {prefix: 1, connectors: [], rate: '-0.5'}",
        4,
        "rate must be 0 or more",
    ),
    "sender": ("accounts:\n- name: a\n  default_sender: far too long a sender", 3, "is not a sender: too_long"),
    "sender as true or false": ("accounts:\n- name: a\n  company: yes", 3, "put yes in quotes"),
    "network": ("accounts:\n- name: a\n  ip_whitelist: [10.0.0.300]", 3, "Not an address or CIDR network"),
    "web address": (
        "accounts:\n- name: a\n  api_clients:\n  - username: c\n    dlr_url: ftp://example.com",
        5,
        "dlr_url cannot be called",
    ),
    "time zone": ("accounts:\n- name: a\n  time_zone: Asia/Dubay", 3, "did you mean 'Asia/Dubai'?"),
    "permission": ("permission_groups:\n- {name: g, permissions: [send_sm]}", 2, "did you mean 'send_sms'?"),
    "superadmin in an account": (
        "accounts:\n- name: a\n  users:\n  - {username: u, role: superadmin}",
        4,
        "role knows no 'superadmin'; known: enterprise",
    ),
    "short key": ("accounts:\n- name: a\n  api_clients:\n  - {username: c, api_key: short}", 4, "16 to 200 characters"),
    "key of two clients": (
        "accounts:\n- name: a\n  api_clients:\n  - {username: c, api_key: a-key-of-sixteen-chars}\n"
        "  - {username: d, api_key: a-key-of-sixteen-chars}",
        5,
        "this api_key is 'c''s already",
    ),
    "scopes without a key": (
        "accounts:\n- name: a\n  api_clients:\n  - {username: c, scopes: [send]}",
        4,
        "scopes belong to an api_key",
    ),
    "long SMPP password": (
        "accounts:\n- name: a\n  smpp_clients:\n  - {system_id: s, password: ninechars}",
        4,
        "password must have 1 to 8 characters",
    ),
    "webhook secret": (
        "accounts:\n- name: a\n  api_clients:\n  - {username: c, webhook_secret: '12345'}",
        4,
        "webhook_secret must be base64",
    ),
    "empty password": ("accounts:\n- name: a\n  users: [{username: u, password: ''}]", 3, "password must have"),
    "NUL in text": ('accounts:\n- name: a\n  company: "x\\0y"', 3, "a character that no text may have"),
    "lone surrogate": ('accounts:\n- name: a\n  company: "\\ud800"', 3, ""),
    "policy": ("connectors:\n- {name: c, host: h, uncertain_policy: {otp: again}}", 2, "uncertain_policy.otp knows no"),
    "not YAML": ("accounts:\n- name: a\n  company: [x", 3, "not YAML"),
    "tab": ("accounts:\n\t- name: a", 2, "not YAML"),
    "two documents": ("accounts: []\n---\naccounts: []", 2, "a second document"),
    "empty": ("", 1, "the file is empty"),
    "only a comment": ("# nothing\n", 1, "the file is empty"),
    "a list": ("- accounts", 1, "the file must be an object"),
    "Python object": ("accounts:\n- !!python/object/apply:os.system ['true']", 2, "the tag !!python/object/apply"),
    "own tag": ("accounts:\n- name: !secret x", 2, "the tag !secret is not allowed"),
    "alias bomb": (BOMB, 6, "more than 500000 values"),
    "alias to itself": ("accounts: &a\n- *a", 2, "the anchor &a contains itself"),
    "alias to nothing": ("accounts: *a", 1, ""),
    "too deep": ("accounts: " + "[" * 5000, 1, "nested deeper than 20 levels"),
    "merge key": ("accounts:\n- &a {name: a}\n- <<: *a", 3, "unknown key '<<'"),
    "control character": ("accounts:\n- name: a\x07", 2, "control character"),
}


@pytest.mark.django_db
@pytest.mark.parametrize(("text", "line", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = written(tmp_path, text)
    before = all_rows()
    with pytest.raises(CommandError) as refusal:
        run(path)
    told = str(refusal.value)
    assert told.startswith(f"{path}:{line}: "), told
    assert message in told and "\n" not in told
    assert all_rows() == before


@pytest.mark.django_db
def test_a_fault_in_the_last_object_undoes_all_before_it(tmp_path: Path) -> None:
    before = all_rows()
    path = written(tmp_path, EXAMPLE + "staff:\n  - {username: x, role: admin, email: 'not an address'}\n")
    with pytest.raises(CommandError, match=r":17: email"):
        run(path)
    assert all_rows() == before


@pytest.mark.django_db
def test_what_only_a_service_refuses_undoes_everything_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from common.errors import Code, Rejected
    from gateway_project.provisioning import permits

    def refuse(**_: object) -> None:
        raise Rejected(Code.INVALID_VALUE, "Invalid amount", {"amount": "the balance would pass the limit"})

    monkeypatch.setattr(permits, "top_up", refuse)
    before = all_rows()
    with pytest.raises(CommandError, match=r":2: account 'acme': amount: the balance would pass the limit"):
        run(written(tmp_path, EXAMPLE))
    assert all_rows() == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accounts:\n- name: other\n  api_clients: [{username: acme_api}]", "belongs to account 'acme'"),
        ("accounts:\n- name: other\n  smpp_clients: [{system_id: acme}]", "belongs to account 'acme'"),
        ("accounts:\n- name: other\n  users: [{username: acme_admin}]", "belongs to account 'acme'"),
        ("\n\nstaff: [{username: acme_admin, role: superadmin}]", "belongs to account 'acme'"),
        (
            "accounts:\n- name: other\n  api_clients: [{username: x, api_key: httpapi_0123456789abcdef}]",
            "this api_key is 'acme_api''s already",
        ),
    ],
)
def test_nothing_is_taken_from_its_owner(tmp_path: Path, text: str, message: str) -> None:
    run(written(tmp_path, EXAMPLE))
    before = all_rows()
    with pytest.raises(CommandError, match=r":3: ") as refusal:
        run(written(tmp_path, text))
    assert message in str(refusal.value)
    assert all_rows() == before


@pytest.mark.django_db
def test_no_refusal_repeats_a_secret(tmp_path: Path) -> None:
    text = "accounts:\n- name: a\n  smpp_clients:\n  - {system_id: s, password: hunter2hunter2}"
    with pytest.raises(CommandError) as refusal:
        run(written(tmp_path, text))
    assert "hunter2" not in str(refusal.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nowhere\.yaml: No such file or directory"):
        run(tmp_path / "nowhere.yaml")


def test_a_file_that_is_too_large_is_not_read_to_its_end() -> None:
    with pytest.raises(Problem, match="larger than 5 MB"):
        parse_tree(b"#" * (document.LARGEST_FILE + 1))


def test_a_file_that_is_not_utf_8_names_the_line() -> None:
    with pytest.raises(Problem, match="line 2: the file is not UTF-8"):
        parse_tree(b"accounts: []\nsenders: [\xff]\n")


def test_values_keep_the_letters_in_which_they_are_written() -> None:
    tree = parse_tree(b"{a: NO, b: 0044, c: 1_000}")
    assert [node.text for node in tree.entries.values()] == ["NO", "0044", "1_000"]
