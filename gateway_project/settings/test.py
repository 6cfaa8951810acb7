"""The suite: real PostgreSQL, RabbitMQ and Redis; GATEWAY_TEST_STORE=sqlite repeats the marked part on SQLite."""

import atexit
import os
import shutil
import tempfile


def _take_a_place() -> None:
    """Files, queues and keys of this process alone: other runs, and gateways, may use the same services.

    A worker of `pytest -n` takes its own; the child process of a test meets its parent in the parent's.
    """
    who = os.environ.get("PYTEST_XDIST_WORKER", "pytest")
    if os.environ.get("GATEWAY_TEST_PLACE_OF") == who:
        return
    place = tempfile.mkdtemp(prefix="gateway-test-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    os.environ.update(
        GATEWAY_TEST_PLACE_OF=who,
        GATEWAY_VAR=place,
        GATEWAY_QUEUE_PREFIX=f"test{os.getpid()}.",
    )


_take_a_place()
os.environ.setdefault("SECRET_KEY", "only-for-tests")
os.environ.setdefault("FIELD_ENCRYPTION_KEYS", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
os.environ.setdefault("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
os.environ.setdefault("BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//")
os.environ.setdefault("CACHE_URL", "redis://127.0.0.1:6379/9")

STORE = os.environ.get("GATEWAY_TEST_STORE", "postgresql")
if STORE == "sqlite":
    os.environ.pop("BROKER_URL")
    os.environ.pop("CACHE_URL")
    from gateway_project.settings.embedded import *  # noqa: F403
    from gateway_project.settings.embedded import DATABASES, GATEWAY_VAR

    # A file, not :memory:, because threads and child processes must see the same rows.
    DATABASES["default"]["TEST"] = {"NAME": str(GATEWAY_VAR / "test.sqlite3")}
    DATABASES["default"]["CONN_MAX_AGE"] = 0
else:
    from gateway_project.settings.production import *  # noqa: F403
    from gateway_project.settings.production import DATABASES, GATEWAY_VAR

    # pytest-django adds the name of the worker of `pytest -n`.
    DATABASES["default"]["TEST"] = {"NAME": os.environ.get("GATEWAY_TEST_DB_NAME", "test_gateway")}
    DATABASES["default"]["CONN_MAX_AGE"] = 0

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_ROOT = GATEWAY_VAR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
ALLOWED_HOSTS = ["*"]
OUTBOUND_HTTP_ALLOW = ["127.0.0.0/8"]
# The real hash, at its cheapest: the suite hashes hundreds of passwords.
PASSWORD_HASHERS = ["tests.support.passwords.CheapArgon2"]
