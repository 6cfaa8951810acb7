"""The demo of the embedded run: provisions demo.yaml and keeps its secrets in one file that is always right."""

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.hashers import check_password

from accounts.models import ApiClient, ApiKey, SmppClient, User
from accounts.services import KEY_PREFIX, SMPP_PASSWORD_OCTETS, revoke_key
from common.secrets import digest, random_password, random_token
from gateway_project.provisioning.apply import apply_document
from gateway_project.provisioning.items import Document, Item, read_document
from gateway_project.provisioning.secrets import KEY_NAME, draw_user_password

FILE: Final = Path(__file__).with_name("demo.yaml")
FACTS_NAME: Final = "demo.json"
RECEIVER_PATH: Final = "/demo/dlr"
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104 - told, not bound


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of the demo in plain letters."""

    api_key: str
    api_password: str
    smpp_password: str
    admin_password: str


def provision_demo() -> dict[str, Any]:
    """Apply demo.yaml with this installation's ports; returns what demo.json holds (see `write_demo_json`).

    Secrets of an existing demo.json stay while they still open something; others are drawn anew and set, so that
    what is returned always works. Wants the embedded run's settings; raises provisioning's Problem and Conflict.
    """
    document = read_document(FILE)
    account, staff, connector = document.of("accounts")[0], document.of("staff")[0], document.of("connectors")[0]
    client, smpp_client = account.children["api_clients"][0], account.children["smpp_clients"][0]
    secrets = _secrets(client.name, smpp_client.name, staff.name)
    client.values |= {
        "dlr_url": f"{base_url()}{RECEIVER_PATH}",
        "api_key": secrets.api_key,
        "password": secrets.api_password,
    }
    connector.values["port"] = settings.GATEWAY_SIMULATOR_PORT
    smpp_client.values["password"] = secrets.smpp_password
    staff.values["password"] = secrets.admin_password
    apply_document(document)
    _retire_other_keys(client.name, secrets.api_key)
    return _facts(document, client, smpp_client, secrets)


def base_url() -> str:
    """Where this machine reaches the web door."""
    return f"http://{_host()}:{settings.GATEWAY_HTTP_PORT}"


def write_demo_json(path: Path, facts: dict[str, Any]) -> None:
    """Write the facts for their owner's eyes only (mode 0600); a reader sees the old file or the new, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(facts, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def _facts(document: Document, client: Item, smpp_client: Item, secrets: Secrets) -> dict[str, Any]:
    return {
        "base_url": base_url(),
        "api_key": secrets.api_key,
        "username": client.name,
        "password": secrets.api_password,
        "smpp": {
            "host": _host().strip("[]"),
            "port": settings.GATEWAY_SMPP_PORT,
            "system_id": smpp_client.name,
            "password": secrets.smpp_password,
        },
        "admin": {
            "url": f"{base_url()}/admin/",
            "username": document.of("staff")[0].name,
            "password": secrets.admin_password,
        },
    }


def _host() -> str:
    host = _ANY_ADDRESS.get(settings.GATEWAY_BIND, settings.GATEWAY_BIND)
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _secrets(username: str, system_id: str, admin: str) -> Secrets:
    kept = _stored()
    client = ApiClient.objects.filter(username=username).first()
    smpp_client = SmppClient.objects.filter(system_id=system_id).first()
    user = User.objects.filter(username=admin).first()
    return Secrets(
        api_key=_kept(kept.get("api_key"), lambda key: _key_works(client, key), lambda: KEY_PREFIX + random_token(32)),
        api_password=_kept(kept.get("password"), _opens(client), lambda: random_token(18)),
        smpp_password=_kept(_inner(kept, "smpp"), _opens(smpp_client), lambda: random_password(SMPP_PASSWORD_OCTETS)),
        admin_password=_kept(_inner(kept, "admin"), _opens(user), draw_user_password),
    )


def _stored() -> dict[str, Any]:
    """What demo.json says; nothing when it is missing or spoiled, then everything is drawn anew."""
    try:
        found = json.loads((Path(settings.GATEWAY_VAR) / FACTS_NAME).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _inner(kept: dict[str, Any], name: str) -> Any:
    part = kept.get(name)
    return part.get("password") if isinstance(part, dict) else None


def _kept(value: Any, works: Callable[[str], bool], draw: Callable[[], str]) -> str:
    return value if isinstance(value, str) and value and works(value) else draw()


def _opens(row: ApiClient | SmppClient | User | None) -> Callable[[str], bool]:
    return lambda plain: row is not None and check_password(plain, row.password)


def _key_works(client: ApiClient | None, plain: str) -> bool:
    return client is not None and ApiKey.objects.filter(api_client=client, key_hash=digest(plain), active=True).exists()


def _retire_other_keys(username: str, current: str) -> None:
    """Switch off keys of former demo files: nobody can read them any more."""
    former = ApiKey.objects.filter(api_client__username=username, name=KEY_NAME, active=True)
    for key in former.exclude(key_hash=digest(current)):
        revoke_key(key=key)
