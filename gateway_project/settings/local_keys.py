"""Keys of an embedded installation: drawn at the first start, kept beside its database, readable by its owner only."""

import json
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet


def local_keys(path: Path) -> dict[str, str]:
    """Read the keys at `path`, drawing them first when there are none; two starts at once agree."""
    if not path.exists():
        _draw(path)
    keys: dict[str, str] = json.loads(path.read_text())
    return keys


def _draw(path: Path) -> None:
    fresh = {"secret_key": secrets.token_urlsafe(50), "field_key": Fernet.generate_key().decode()}
    draft = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(fresh, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # fails when another start was first: then its keys hold
    except FileExistsError:
        pass
    finally:
        draft.unlink()
