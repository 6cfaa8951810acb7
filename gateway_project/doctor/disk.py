"""The disk under GATEWAY_VAR."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from gateway_project.doctor.findings import Finding, fail, ok, warn

LEAST_OCTETS, FULL, NEARLY = 200 * 1024**2, 0.02, 0.10


def look() -> Iterator[Finding]:
    """Whether the directory is there, can be written, and has room."""
    path = Path(settings.GATEWAY_VAR)
    if not path.is_dir():
        yield fail(f"GATEWAY_VAR {path} is no directory", f"mkdir -p {path}")
        return
    if not os.access(path, os.W_OK | os.X_OK):
        yield fail(f"GATEWAY_VAR {path} cannot be written", f"chown the directory to the user of the gateway: {path}")
    usage = shutil.disk_usage(path)
    free, share = usage.free, usage.free / usage.total if usage.total else 0.0
    words = f"{free / 1024**3:.1f} GB free ({share:.0%}) under {path}"
    if free < LEAST_OCTETS or share < FULL:
        yield fail(words, "free or add disk space")
    elif share < NEARLY:
        yield warn(words, "free or add disk space")
    else:
        yield ok(words)
