"""The demo's file is always right, and its secrets outlive restarts."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import check_password

from accounts.models import Account, ApiClient, ApiKey, SmppClient, User
from accounts.services import revoke_key, set_password
from billing.models import LedgerEntry
from common.secrets import digest
from connectors.models import Connector
from gateway_project.demo import FILE, provision_demo, write_demo_json
from routing.models import MtRoute
from tests.gateway_project.provisioned import all_rows

pytestmark = [pytest.mark.django_db, pytest.mark.both]


@pytest.fixture(autouse=True)
def installation(settings: Any, tmp_path: Path) -> Path:
    settings.GATEWAY_VAR = tmp_path
    settings.GATEWAY_BIND = "0.0.0.0"
    settings.GATEWAY_HTTP_PORT, settings.GATEWAY_SMPP_PORT, settings.GATEWAY_SIMULATOR_PORT = 18080, 12775, 12776
    return tmp_path


def _start(directory: Path) -> dict[str, Any]:
    facts = provision_demo()
    write_demo_json(directory / "demo.json", facts)
    return json.loads((directory / "demo.json").read_text())


def _assert_right(facts: dict[str, Any]) -> None:
    client = ApiClient.objects.get(username=facts["username"])
    assert check_password(facts["password"], client.password)
    assert ApiKey.objects.get(key_hash=digest(facts["api_key"])).active
    esme = SmppClient.objects.get(system_id=facts["smpp"]["system_id"])
    assert check_password(facts["smpp"]["password"], esme.password)
    assert User.objects.get(username=facts["admin"]["username"]).check_password(facts["admin"]["password"])


def test_the_first_start_makes_a_customer_who_can_send(installation: Path) -> None:
    facts = _start(installation)
    assert list(facts) == ["base_url", "api_key", "username", "password", "smpp", "admin"]
    assert facts["base_url"] == "http://127.0.0.1:18080"
    assert list(facts["smpp"]) == ["host", "port", "system_id", "password"]
    assert (facts["smpp"]["host"], facts["smpp"]["port"]) == ("127.0.0.1", 12775)
    assert facts["admin"]["url"] == "http://127.0.0.1:18080/admin/" and list(facts["admin"]) == [
        "url",
        "username",
        "password",
    ]
    _assert_right(facts)
    line = Connector.objects.get()
    assert (line.name, line.host, line.port, line.window) == ("smpp1", "127.0.0.1", 12776, 100)
    client = ApiClient.objects.get()
    assert client.dlr_url == "http://127.0.0.1:18080/demo/dlr" and client.url_credentials
    assert Account.objects.get().wallet.balance == 100_000
    assert str(MtRoute.objects.get().rate) == "0.550000" and MtRoute.objects.get().profile.sender == "INFO"


def test_the_file_is_for_its_owner_only(installation: Path) -> None:
    _start(installation)
    _start(installation)
    assert stat.S_IMODE((installation / "demo.json").stat().st_mode) == 0o600
    assert [path.name for path in installation.iterdir()] == ["demo.json"]


def test_a_restart_keeps_every_secret_and_writes_no_row(installation: Path) -> None:
    first = _start(installation)
    before = all_rows()
    assert _start(installation) == first
    assert all_rows() == before


def test_a_restart_on_other_ports_follows_them(installation: Path, settings: Any) -> None:
    first = _start(installation)
    settings.GATEWAY_HTTP_PORT, settings.GATEWAY_SIMULATOR_PORT = 28080, 22776
    second = _start(installation)
    assert second["base_url"] == "http://127.0.0.1:28080" and second["api_key"] == first["api_key"]
    assert Connector.objects.get().port == 22776
    assert ApiClient.objects.get().dlr_url == "http://127.0.0.1:28080/demo/dlr"


@pytest.mark.parametrize(
    "spoil", [Path.unlink, lambda path: path.write_text("{half"), lambda path: path.write_text("[]")]
)
def test_a_lost_file_gets_fresh_secrets_that_work(installation: Path, spoil: Any) -> None:
    first = _start(installation)
    spoil(installation / "demo.json")
    second = _start(installation)
    _assert_right(second)
    assert not {first["api_key"], first["password"]} & {second["api_key"], second["password"]}
    assert ApiKey.objects.filter(active=True).count() == 1, "a key that nobody can read any more is switched off"
    assert LedgerEntry.objects.count() == 1


def test_a_secret_that_was_changed_elsewhere_is_drawn_anew_the_others_stay(installation: Path) -> None:
    first = _start(installation)
    set_password(client=ApiClient.objects.get())
    revoke_key(key=ApiKey.objects.get())
    second = _start(installation)
    _assert_right(second)
    assert second["smpp"] == first["smpp"] and second["admin"] == first["admin"]
    assert second["api_key"] != first["api_key"] and second["password"] != first["password"]


def test_no_secret_stands_in_the_demo_file() -> None:
    secrets = [line for line in FILE.read_text().splitlines() for word in ("password:", "api_key:") if word in line]
    assert secrets and all("generate" in line for line in secrets)
