"""Secrets are drawn once, shown once and kept."""

from pathlib import Path

import pytest
from django.contrib.auth.hashers import check_password

from accounts.models import ApiClient, ApiKey, SmppClient, User
from accounts.services import issue_key, revoke_key
from common.secrets import digest
from connectors.models import Connector
from tests.gateway_project.provisioned import all_rows, run, run_json, written

pytestmark = pytest.mark.django_db

DRAWN = """
connectors: [{name: line, host: h, password: generate}]
accounts:
  - name: acme
    api_clients: [{username: c, password: generate, api_key: generate}]
    smpp_clients: [{system_id: s, password: generate}]
    users: [{username: u, password: generate}]
"""
SILENT = DRAWN.replace(", password: generate", "").replace(", api_key: generate", "")


def _generated(path: Path) -> dict[str, str]:
    return {f"{one['name']}.{one['key']}": one["value"] for one in run_json(path)["generated"]}


def test_drawn_secrets_open_what_they_were_drawn_for(tmp_path: Path) -> None:
    drawn = _generated(written(tmp_path, DRAWN))
    assert set(drawn) == {"line.password", "c.password", "c.api_key", "s.password", "u.password"}
    assert check_password(drawn["c.password"], ApiClient.objects.get().password)
    assert check_password(drawn["s.password"], SmppClient.objects.get().password) and len(drawn["s.password"]) == 8
    assert User.objects.get().check_password(drawn["u.password"])
    assert ApiKey.objects.get().key_hash == digest(drawn["c.api_key"]) and drawn["c.api_key"].startswith("httpapi_")
    assert Connector.objects.get().password == drawn["line.password"]


@pytest.mark.parametrize("again", [DRAWN, SILENT], ids=["generate again", "no word of it"])
def test_drawn_secrets_are_kept_by_later_runs(tmp_path: Path, again: str) -> None:
    run(written(tmp_path, DRAWN))
    before = all_rows()
    answer = run_json(written(tmp_path, again))
    assert answer["changes"] == [] and answer["generated"] == []
    assert all_rows() == before


def test_the_text_output_names_each_drawn_secret_once(tmp_path: Path) -> None:
    lines = run(written(tmp_path, DRAWN))
    told = lines[lines.index("generated (shown this once):") + 1 :]
    assert len(told) == 5 and any(line.startswith("  api_client c api_key: httpapi_") for line in told)


def test_a_new_credential_without_a_password_gets_one_drawn(tmp_path: Path) -> None:
    drawn = _generated(written(tmp_path, SILENT))
    assert set(drawn) == {"c.password", "s.password", "u.password"}


def test_a_revoked_key_is_not_brought_back(tmp_path: Path) -> None:
    text = "accounts: [{name: acme, api_clients: [{username: c, api_key: a-key-of-sixteen-letters}]}]"
    run(written(tmp_path, text))
    revoke_key(key=ApiKey.objects.get())
    assert run(written(tmp_path, text)) == ["= nothing to do"]
    assert not ApiKey.objects.get().active


def test_generate_draws_no_second_key_for_a_client_that_has_one(tmp_path: Path) -> None:
    run(written(tmp_path, "accounts: [{name: acme, api_clients: [{username: c}]}]"))
    issue_key(client=ApiClient.objects.get(), name="by hand")
    run(written(tmp_path, "accounts: [{name: acme, api_clients: [{username: c, api_key: generate}]}]"))
    assert ApiKey.objects.count() == 1


def test_scopes_of_the_file_change_only_its_own_key(tmp_path: Path) -> None:
    text = "accounts: [{name: acme, api_clients: [{username: c, api_key: generate, scopes: [%s]}]}]"
    run(written(tmp_path, text % "send"))
    other, _ = issue_key(client=ApiClient.objects.get(), name="by hand", scopes=["read"])
    assert run(written(tmp_path, text % "send, balance")) == ['~ api_client c: scopes ["send"] -> ["send", "balance"]']
    other.refresh_from_db()
    assert other.scopes == ["read"]
