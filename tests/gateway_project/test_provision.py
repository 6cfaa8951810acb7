"""A file becomes the configuration: once, wholly, and as often as one likes."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.hashers import check_password

from accounts.credentials import SCOPES, by_key
from accounts.models import Account, ApiClient, ApiKey, AuditEntry, PermissionGroup, SmppClient, User, WebhookEndpoint
from billing.models import LedgerEntry, Reason, Wallet
from connectors.models import Connector
from routing.models import MtRoute, ProfileAssignment, RoutingProfile, SenderId
from tests.gateway_project.provisioned import EXAMPLE, all_rows, run, run_json, written
from tests.support.cast import forget_snapshots

pytestmark = [pytest.mark.django_db, pytest.mark.both]


@pytest.fixture
def example(tmp_path: Path) -> Path:
    return written(tmp_path, EXAMPLE)


def test_the_example_of_the_specification_becomes_a_working_configuration(example: Path) -> None:
    lines = run(example)
    assert "+ account acme" in lines and "+ connector smpp1" in lines and "+ credits acme 100000" in lines
    account = Account.objects.get(name="acme")
    assert (account.company, account.tps, account.over_limit) == ("Acme Ltd", 0, "queue")
    assert account.wallet.balance == Decimal(100_000) and not account.wallet.unlimited
    assert account.profile_assignment.profile.name == "default"
    client = ApiClient.objects.get(username="acme_api")
    assert client.account == account and client.url_credentials and client.rate_limit == 0 and client.otp_allowed
    assert check_password("a-password", client.password)
    esme = SmppClient.objects.get(system_id="acme")
    assert check_password("smpppass", esme.password) and (esme.max_binds, esme.window) == (4, 100)
    user = User.objects.get(username="acme_admin")
    assert user.check_password("short") and user.account == account and user.permission_group.name == "full"
    route = MtRoute.objects.get()
    assert (route.prefix, route.rate) == ("", Decimal("0.55")) and route.profile.is_default
    assert [hop.connector.name for hop in route.hops.all()] == ["smpp1"]
    line = Connector.objects.get()
    assert (line.port, line.bind_mode, line.password) == (2776, "transceiver", "pw")
    assert line.profile.cost_per_message == Decimal("0.01")


def test_the_given_key_opens_the_api(example: Path) -> None:
    run(example)
    forget_snapshots()
    caller = by_key("httpapi_0123456789abcdef", address="127.0.0.1")
    assert caller.client.username == "acme_api" and caller.scopes == SCOPES


def test_the_second_run_changes_nothing_at_all(example: Path) -> None:
    run(example)
    before = all_rows()
    assert run(example) == ["= nothing to do"]
    assert all_rows() == before


def test_a_plan_prints_the_same_lines_and_changes_nothing(example: Path) -> None:
    before = all_rows()
    planned = run(example, "--plan")
    assert all_rows() == before
    assert run(example)[: len(planned)] == planned


def test_a_plan_shows_no_secret_because_it_keeps_none(tmp_path: Path) -> None:
    path = written(tmp_path, "accounts: [{name: acme, smpp_clients: [{system_id: acme, password: generate}]}]")
    assert run_json(path, "--plan")["generated"] == []
    assert not any("generated" in line for line in run(path, "--plan"))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("binds: 1, window: 100, tps: 0", "binds: 1, window: 100, tps: 50", "~ connector smpp1: tps 0 -> 50"),
        ('cost: "0.0100"', "cost: 0.02", "~ connector smpp1: cost 0.01 -> 0.02"),
        ("password: pw,", "password: other,", "~ connector smpp1: password changed"),
        ("company: Acme Ltd", "company: Acme & Sons", "~ account acme: company Acme Ltd -> Acme & Sons"),
        ("unlimited: false", "unlimited: true", "~ account acme: unlimited false -> true"),
        ("over_limit: queue", "over_limit: reject", "~ account acme: over_limit queue -> reject"),
        ('"a-password"', '"b-password"', "~ api_client acme_api: password changed"),
        ('"smpppass"', '"smpppas2"', "~ smpp_client acme: password changed"),
        ('password: "short"', 'password: "longer"', "~ user acme_admin: password changed"),
        ("httpapi_0123456789abcdef", "httpapi_another_key_of_16", "~ api_client acme_api: api_key changed"),
        ("max_binds: 4", "max_binds: 5", "~ smpp_client acme: max_binds 4 -> 5"),
        ('rate: "0.5500"', 'rate: "0.6"', "~ route default all: rate 0.55 -> 0.6"),
        ("sender: INFO", "sender: 'NO'", "~ routing_profile default: sender INFO -> NO"),
        ("routing_profile: default", "routing_profile: null", "~ account acme: routing_profile default -> none"),
    ],
)
def test_a_change_of_one_field_changes_only_that(tmp_path: Path, old: str, new: str, line: str) -> None:
    run(written(tmp_path, EXAMPLE))
    changed = EXAMPLE.replace(old, new)
    assert changed != EXAMPLE
    assert run(written(tmp_path, changed), "--plan") == [line]
    assert run(written(tmp_path, changed)) == [line]
    assert run(written(tmp_path, changed)) == ["= nothing to do"]


def test_every_change_has_an_audit_line_of_provision_without_secrets(tmp_path: Path) -> None:
    run(written(tmp_path, EXAMPLE))
    run(written(tmp_path, EXAMPLE.replace("tps: 0, cost", "tps: 7, cost").replace('"a-password"', '"b-password"')))
    entries = AuditEntry.objects.all()
    assert {entry.actor for entry in entries} == {"provision"}
    assert entries.filter(entity="connector", action="change").get().details == {"tps": [0, 7]}
    told = str(list(entries.values_list("details", flat=True)))
    for secret in ("a-password", "b-password", "smpppass", "httpapi_0123456789abcdef", "argon2"):
        assert secret not in told


def test_opening_credits_come_once_and_never_for_an_account_that_exists(tmp_path: Path) -> None:
    run(written(tmp_path, EXAMPLE))
    run(written(tmp_path, EXAMPLE.replace('credits: "100000"', 'credits: "999"')))
    entry = LedgerEntry.objects.get()
    assert (entry.amount, entry.reason, entry.actor) == (Decimal(100_000), Reason.TOP_UP, "provision")
    assert entry.key == f"top:{entry.account_id}:provision:acme"
    assert Wallet.objects.get().balance == Decimal(100_000)


def test_objects_that_the_file_does_not_name_are_left_alone(tmp_path: Path) -> None:
    run(written(tmp_path, EXAMPLE))
    before = all_rows()
    assert run(written(tmp_path, "accounts: [{name: acme}]\nconnectors: [{name: smpp1}]")) == ["= nothing to do"]
    assert all_rows() == before


def test_a_credential_missing_from_its_account_stays(tmp_path: Path) -> None:
    run(written(tmp_path, EXAMPLE))
    run(written(tmp_path, "accounts: [{name: acme, api_clients: [], smpp_clients: [], users: []}]"))
    assert (ApiClient.objects.count(), SmppClient.objects.count(), User.objects.count()) == (1, 1, 1)


def test_routes_missing_from_a_named_profile_are_removed(tmp_path: Path) -> None:
    routes = "connectors: [{name: a, host: h}, {name: b, host: h}]\nrouting_profiles: [{name: p, routes: [%s]}]"
    both = '{prefix: "971", connectors: [a, b]}, {prefix: 44, connectors: [b]}'
    run(written(tmp_path, routes % both))
    lines = run(written(tmp_path, routes % '{prefix: "971", connectors: [b, a]}'))
    assert lines == ['~ route p 971: connectors ["a", "b"] -> ["b", "a"]', "- route p 44"]
    assert [hop.connector.name for hop in MtRoute.objects.get().hops.order_by("position")] == ["b", "a"]


def test_a_profile_named_without_routes_keeps_them(tmp_path: Path) -> None:
    run(written(tmp_path, EXAMPLE))
    run(written(tmp_path, "routing_profiles: [{name: default, sender: OTHER}]"))
    assert MtRoute.objects.count() == 1


def test_a_new_default_profile_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    run(written(tmp_path, EXAMPLE))
    lines = run(written(tmp_path, "routing_profiles: [{name: second, default: true}]"))
    assert lines == ["+ routing_profile second", "~ routing_profile default: default true -> false"]
    assert RoutingProfile.objects.get(is_default=True).name == "second"


def test_senders_of_an_account_are_what_the_file_lists(tmp_path: Path) -> None:
    run(written(tmp_path, "accounts: [{name: acme, senders: [ACME, 'NO', 1234]}]"))
    lines = run(written(tmp_path, "accounts: [{name: acme, senders: ['NO', 1234]}]"))
    assert lines == ['~ account acme: senders ["1234", "ACME", "NO"] -> ["1234", "NO"]']
    assert set(SenderId.objects.filter(active=True).values_list("value", flat=True)) == {"NO", "1234"}
    assert not SenderId.objects.get(value="ACME").active


def test_every_optional_key_reaches_its_column(tmp_path: Path) -> None:
    text = """
permission_groups: [{name: readers, permissions: [view_logs]}]
routing_profiles: [{name: gold}]
senders: [EVERYONE]
accounts:
  - name: parent
  - {name: child, parent: parent, group: vip, daily_limit: 10, billing_mode: rate, charge_on: delivery, max_parts: 3,
     sender_policy: registered, senders: [CHILD], default_sender: CHILD, mask_connector: true, intermediate_dlr: true,
     ip_whitelist: [10.0.0.0/8], credit_limit: "5.5", time_zone: Asia/Dubai,
     webhooks: [{name: main, url: "https://example.com/h", events: [dlr, mo], secret: generate}],
     api_clients: [{username: c, description: d, default_sender: CHILD, spending_cap: "2.5", webhook_secret: generate,
                    active: false, api_key: generate, scopes: [send], routing_profile: gold}],
     smpp_clients: [{system_id: s, default_sender: CHILD, active: false, routing_profile: gold}],
     users: [{username: u, email: u@example.com, must_change_password: true, permission_group: readers,
              role: enterprise}]}
staff: [{username: boss, role: superadmin, password: generate}, {username: clerk, role: admin}]
"""
    path = written(tmp_path, text)
    drawn = {(one["kind"], one["name"], one["key"]): one["value"] for one in run_json(path)["generated"]}
    child = Account.objects.get(name="child")
    assert (child.parent.name, child.group.name, child.time_zone) == ("parent", "vip", "Asia/Dubai")
    assert child.wallet.credit_limit == Decimal("5.5")
    assert WebhookEndpoint.objects.get().secret == drawn["webhook", "child/main", "secret"]
    client = ApiClient.objects.get()
    assert client.spending_cap == Decimal("2.5") and not client.active
    assert client.webhook_secret == drawn["api_client", "c", "webhook_secret"]
    assert ApiKey.objects.get().scopes == ["send"] and client.profile_assignment.profile.name == "gold"
    assert len(drawn["smpp_client", "s", "password"]) == 8
    boss, clerk = User.objects.get(username="boss"), User.objects.get(username="clerk")
    assert boss.is_superuser and boss.check_password(drawn["staff", "boss", "password"])
    assert clerk.is_staff and not clerk.is_superuser
    assert User.objects.get(username="u").must_change_password
    assert SenderId.objects.get(account=None).value == "EVERYONE"
    assert ProfileAssignment.objects.count() == 2
    assert run(path) == ["= nothing to do"]


def test_a_promoted_clerk_may_do_what_the_role_says(tmp_path: Path) -> None:
    run(written(tmp_path, "staff: [{username: clerk, role: admin}]"))
    run(written(tmp_path, "staff: [{username: clerk, role: superadmin}]"))
    assert User.objects.get().is_superuser
    run(written(tmp_path, "staff: [{username: clerk, role: admin}]"))
    assert User.objects.get().is_staff and not User.objects.get().is_superuser


def test_the_permission_group_full_is_made_once_with_every_right(tmp_path: Path) -> None:
    run(written(tmp_path, "permission_groups: [{name: full}]"))
    group = PermissionGroup.objects.get()
    assert "send_sms" in group.permissions and len(group.permissions) == 5


def test_a_form_that_omits_the_rate_limit_differs_from_a_file_that_does(tmp_path: Path) -> None:
    run(written(tmp_path, "accounts: [{name: acme, api_clients: [{username: c}]}]"))
    assert ApiClient.objects.get().rate_limit == 0
    ApiClient.objects.update(rate_limit=10)
    run(written(tmp_path, "accounts: [{name: acme, api_clients: [{username: c}]}]"))
    assert ApiClient.objects.get().rate_limit == 10


def test_an_account_with_a_very_long_name_gets_its_credits(tmp_path: Path) -> None:
    name = "a" * 64
    run(written(tmp_path, f"accounts: [{{name: {name}, credits: 5}}]"))
    assert Wallet.objects.get().balance == 5
