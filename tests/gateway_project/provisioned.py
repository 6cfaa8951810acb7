"""Files for provisioning, and what the database holds besides: every row that a refusal must leave alone."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management import call_command

# The file of the specification, word for word.
EXAMPLE = """\
accounts:
  - name: acme                 # unique; the EA username
    company: Acme Ltd
    credits: "100000"          # opening top-up, only when the account is created
    unlimited: false
    tps: 0                     # 0 = no limit
    routing_profile: default
    over_limit: queue          # or reject
    api_clients: [{username: acme_api, password: "a-password", api_key: "httpapi_0123456789abcdef", \
url_credentials: true, rate_limit: 0, daily_limit: 0, traffic_class: transactional, otp_allowed: true, \
dlr_url: "http://127.0.0.1:9000/dlr"}]
    smpp_clients: [{system_id: acme, password: "smpppass", max_binds: 4, ip_whitelist: [], tps: 0, window: 100, \
traffic_class: transactional, otp_allowed: true}]
    users: [{username: acme_admin, password: "short", permission_group: full}]
connectors:
  - {name: smpp1, kind: smpp, host: 127.0.0.1, port: 2776, system_id: gw, password: pw, bind: transceiver, binds: 1, \
window: 100, tps: 0, cost: "0.0100"}
routing_profiles:
  - {name: default, default: true, sender: INFO, routes: [{prefix: "", connectors: [smpp1], rate: "0.5500"}]}
"""
_CONFIGURATION = ("accounts", "connectors", "routing", "billing", "common")


def written(directory: Path, text: str) -> Path:
    """The text as a file."""
    path = directory / "gateway.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def run(path: Path, *options: str) -> list[str]:
    """Lines that `provision` prints."""
    out = StringIO()
    call_command("provision", str(path), *options, stdout=out)
    return out.getvalue().splitlines()


def run_json(path: Path, *options: str) -> dict[str, Any]:
    """What `provision --json` answers."""
    return json.loads("\n".join(run(path, "--json", *options)))


def exported(*options: str) -> str:
    """What `export_config` prints."""
    out = StringIO()
    call_command("export_config", *options, stdout=out)
    return out.getvalue()


def all_rows() -> dict[str, list[Any]]:
    """Every configuration row, audit line, ledger line and wallet, value for value."""
    found = {}
    for label in _CONFIGURATION:
        for model in apps.get_app_config(label).get_models():
            found[model.__name__] = list(model.objects.order_by("pk").values_list())
    return found
