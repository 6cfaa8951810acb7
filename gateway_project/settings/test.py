"""The suite: real PostgreSQL, RabbitMQ and Redis; GATEWAY_TEST_STORE=sqlite repeats the marked part on SQLite."""

import os
import tempfile

os.environ.setdefault("GATEWAY_VAR", tempfile.mkdtemp(prefix="gateway-test-"))
os.environ.setdefault("SECRET_KEY", "only-for-tests")
os.environ.setdefault("FIELD_ENCRYPTION_KEYS", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
os.environ.setdefault("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
os.environ.setdefault("BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//")
os.environ.setdefault("CACHE_URL", "redis://127.0.0.1:6379/9")
os.environ.setdefault("GATEWAY_QUEUE_PREFIX", f"test{os.getpid()}.")

STORE = os.environ.get("GATEWAY_TEST_STORE", "postgresql")
if STORE == "sqlite":
    os.environ.pop("BROKER_URL")
    os.environ.pop("CACHE_URL")
    from gateway_project.settings.embedded import *  # noqa: F403
    from gateway_project.settings.embedded import DATABASES, GATEWAY_VAR

    # A file, not :memory:, because threads and child processes must see the same rows.
    DATABASES["default"]["TEST"] = {"NAME": str(GATEWAY_VAR / "test.sqlite3")}
else:
    from gateway_project.settings.production import *  # noqa: F403
    from gateway_project.settings.production import DATABASES

    DATABASES["default"]["TEST"] = {"NAME": os.environ.get("GATEWAY_TEST_DB_NAME", "test_gateway")}
    DATABASES["default"].update(CONN_MAX_AGE=0)

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
ALLOWED_HOSTS = ["*"]
OUTBOUND_HTTP_ALLOW = ["127.0.0.0/8"]
# The real hash, at its cheapest: the suite hashes hundreds of passwords.
PASSWORD_HASHERS = ["tests.support.passwords.CheapArgon2"]
