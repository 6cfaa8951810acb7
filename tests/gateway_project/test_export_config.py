"""What is exported goes back in without a change, and holds no secret."""

import json
from pathlib import Path

import pytest
import yaml

from accounts.models import Account, ApiClient, SmppClient, User, WebhookEndpoint
from connectors.models import Connector
from routing.models import MtRoute, ProfileAssignment, RouteConnector, RoutingProfile
from tests.gateway_project.provisioned import EXAMPLE, all_rows, exported, run, run_json, written
from tests.support.cast import customer, make_endpoint, make_key, make_smpp_client, make_user

pytestmark = pytest.mark.django_db

RICH = EXAMPLE + (
    "permission_groups: [{name: readers, description: 'Ünïcode: yes', permissions: [view_logs]}]\n"
    "senders: [EVERYONE, 'NO', '0123']\n"
    "staff: [{username: boss, role: superadmin, password: boss-password, email: b@example.com}]\n"
)
SECRETS = ("a-password", "httpapi_01234", "smpppass", "short", "boss-password", "argon2", "pw")


def test_the_export_of_a_file_gives_no_change(tmp_path: Path) -> None:
    run(written(tmp_path, RICH))
    before = all_rows()
    text = exported()
    assert run(written(tmp_path, text)) == ["= nothing to do"]
    assert all_rows() == before
    assert exported() == text


def test_which_parts_a_carrier_reports_on_goes_in_and_out_of_a_file(tmp_path: Path) -> None:
    line = "  - {name: smpp1, kind: smpp"
    assert line in EXAMPLE
    run(written(tmp_path, EXAMPLE))
    assert (Connector.objects.get().dlr_parts, "dlr_parts: each" in exported()) == ("each", True)
    run(written(tmp_path, EXAMPLE.replace(line, "  - {dlr_parts: last, name: smpp1, kind: smpp")))
    assert Connector.objects.get().dlr_parts == "last"
    text = exported()
    assert "dlr_parts: last" in text
    Connector.objects.update(dlr_parts="any")
    run(written(tmp_path, text))
    assert Connector.objects.get().dlr_parts == "last"


def test_rows_that_no_file_made_are_exported_too(tmp_path: Path) -> None:
    cast = customer(default_sender="ACME", client={"webhook_secret": "whsec_AAAA", "dlr_url": "https://example.com/x"})
    make_key(cast.client, scopes=["send"])
    make_smpp_client(cast.account)
    make_user(cast.account)
    make_user()
    make_endpoint(cast.account, "https://example.com/hook")
    Account.objects.create(name="no-wallet")
    text = exported()
    # a wallet is opened where none was; nothing else is to do
    assert run(written(tmp_path, text)) == ["= nothing to do"]
    assert exported().replace("\n  unlimited: false\n  credit_limit: '0.0000'", "") == text.replace(
        "\n  unlimited: false\n  credit_limit: '0.0000'", ""
    )


def test_an_empty_gateway_exports_a_file_that_goes_back_in(tmp_path: Path) -> None:
    assert run(written(tmp_path, exported())) == ["= nothing to do"]


@pytest.mark.parametrize("option", [(), ("--json",)], ids=["yaml", "json"])
def test_no_secret_is_exported(tmp_path: Path, option: tuple[str, ...]) -> None:
    run(written(tmp_path, RICH))
    hook = make_endpoint(Account.objects.get(), "https://example.com/hook", secret="whsec_secretofhook")
    ApiClient.objects.update(webhook_secret="secret-of-client")
    Connector.objects.get()
    hashes = [ApiClient.objects.get().password, SmppClient.objects.get().password, *_keys()]
    text = exported(*option)
    values = set(_words(json.loads(text) if option else yaml.safe_load(text)))
    assert not values & {*SECRETS, *hashes, hook.secret, "secret-of-client"}
    for secret in (*SECRETS[:-1], *hashes, hook.secret, "secret-of-client"):
        assert secret not in text


def _keys() -> list[str]:
    return [key.key_hash for client in ApiClient.objects.all() for key in client.api_keys.all()]


def _words(value: object) -> list[str]:
    if isinstance(value, dict):
        return [word for inner in value.values() for word in _words(inner)]
    if isinstance(value, list):
        return [word for inner in value for word in _words(inner)]
    return [str(value)]


def test_an_export_rebuilds_the_configuration_on_an_empty_gateway(tmp_path: Path) -> None:
    run(written(tmp_path, RICH.replace('credits: "100000"', "credits: 0")))  # a ledger cannot be emptied
    text = exported()
    for model in (ProfileAssignment, MtRoute, RoutingProfile, RouteConnector, Connector, User):
        model.objects.all().delete()
    Account.objects.get().wallet.delete()
    Account.objects.all().delete()
    answer = run_json(written(tmp_path, text))
    assert exported() == text
    drawn = {(one["kind"], one["key"]) for one in answer["generated"]}
    assert drawn == {
        ("api_client", "password"),
        ("api_client", "api_key"),
        ("api_client", "webhook_secret"),
        ("smpp_client", "password"),
        ("user", "password"),
        ("staff", "password"),
    }


def test_only_the_serving_one_of_two_equal_routes_is_exported(tmp_path: Path) -> None:
    run(written(tmp_path, EXAMPLE))
    profile = RoutingProfile.objects.get()
    MtRoute.objects.create(profile=profile, prefix="", rate=9)
    assert run(written(tmp_path, exported())) == ["- route default all"]
    assert MtRoute.objects.get().rate != 9


def test_webhooks_of_one_name_do_not_stop_the_way_back(tmp_path: Path) -> None:
    run(written(tmp_path, EXAMPLE))
    for url in ("https://example.com/1", "https://example.com/2"):
        make_endpoint(Account.objects.get(), url, name="same")
    assert run(written(tmp_path, exported())) == ["= nothing to do"]
    assert WebhookEndpoint.objects.count() == 2
