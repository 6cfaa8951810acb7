"""One process, nothing to install: SQLite, in-memory broker, local cache (architecture section 7)."""

from typing import Any

from gateway_project.settings.base import *  # noqa: F403
from gateway_project.settings.base import GATEWAY_VAR, env
from gateway_project.settings.local_keys import local_keys

EMBEDDED = True
GATEWAY_VAR.mkdir(mode=0o700, parents=True, exist_ok=True)
# Static files are found where the packages keep them: there is no collectstatic before `make run`.
WHITENOISE_USE_FINDERS = True
STATIC_ROOT = GATEWAY_VAR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
_keys = local_keys(GATEWAY_VAR / "keys.json")
SECRET_KEY = env.str("SECRET_KEY", default=_keys["secret_key"])
FIELD_ENCRYPTION_KEYS = env.list("FIELD_ENCRYPTION_KEYS", default=[_keys["field_key"]])

DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(GATEWAY_VAR / "gateway.sqlite3"),
        "CONN_MAX_AGE": None,  # opening the file anew and its PRAGMAs cost more than most statements
        "OPTIONS": {
            # DEFERRED lost 799 of 900 concurrent transactions to "database is locked"; IMMEDIATE none.
            "transaction_mode": "IMMEDIATE",
            "timeout": 5,
            # FULL: what was acknowledged survives a power cut.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000;",
        },
    }
}
BROKER_URL = env.str("BROKER_URL", default="memory://")
CACHE_URL = env.str("CACHE_URL", default="")
CACHES: dict[str, dict[str, Any]] = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if CACHE_URL:
    CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": CACHE_URL}}
OUTBOUND_HTTP_ALLOW = env.list("OUTBOUND_HTTP_ALLOW", default=["127.0.0.0/8", "::1/128"])
