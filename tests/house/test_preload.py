"""What gunicorn forks with --preload has nothing open that the workers would share: threads, sockets, sessions."""

import json
import os
import subprocess
import sys

from tests.support.embedded import ROOT

# Production, with services that nobody could reach.
SETTINGS = {
    "DATABASE_URL": "postgres://gateway:secret@127.0.0.1:1/gateway",
    "BROKER_URL": "amqp://gateway:secret@127.0.0.1:1//",
    "CACHE_URL": "redis://127.0.0.1:1/0",
    "SECRET_KEY": "only-for-the-house-0123456789",
    "FIELD_ENCRYPTION_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "DJANGO_SETTINGS_MODULE": "gateway_project.settings",
}
LOOK = """
import gateway_project.asgi
import json, os, stat, threading
import psutil
from django.conf import settings
from django.db import connections
def is_socket(number):
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False
print(json.dumps({
    "production": not settings.DEBUG and settings.DATABASES["default"]["ENGINE"],
    "threads": [thread.name for thread in threading.enumerate()],
    "threads of the system": psutil.Process().num_threads(),
    "sockets": [number for number in range(1024) if is_socket(number)],
    "databases": [one.alias for one in connections.all()],
    "opened": [one.alias for one in connections.all() if one.connection is not None],
}))
"""


def loaded(tmp_path, *, after=""):
    """What is open in a process of production once it has loaded the web, and has run `after`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "GATEWAY_"))}
    code = LOOK.replace("import json", f"{after}\nimport json", 1)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean | SETTINGS | {"GATEWAY_VAR": str(tmp_path)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_nothing_is_open_before_the_fork(tmp_path):
    found = loaded(tmp_path)
    assert "postgresql" in found.pop("production")
    assert found.pop("databases") == ["default"]
    assert found == {"threads": ["MainThread"], "threads of the system": 1, "sockets": [], "opened": []}


def test_a_thread_and_a_socket_would_be_seen(tmp_path):
    found = loaded(tmp_path, after="import socket, common.bus; left = socket.socket(); common.bus.publisher()")
    assert found["threads"] == ["MainThread", "publisher"] and found["threads of the system"] > 1
    assert len(found["sockets"]) == 1
