"""PostgreSQL, RabbitMQ and Redis as the environment names them; each part its own process."""

from typing import Any

from gateway_project.settings.base import *  # noqa: F403
from gateway_project.settings.base import env

EMBEDDED = False
SECRET_KEY = env.str("SECRET_KEY")
FIELD_ENCRYPTION_KEYS = env.list("FIELD_ENCRYPTION_KEYS")

DATABASES = {"default": env.database("DATABASE_URL")}
DATABASES["default"].update(CONN_MAX_AGE=60, CONN_HEALTH_CHECKS=True)
if DATABASES["default"]["ENGINE"].endswith("postgresql"):
    DATABASES["default"]["ENGINE"] = "common.postgresql"
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        connect_timeout=2,  # libpq's least; a host that is a black hole must not hold an answer
        # No wait without an end: locks 2 s, statements 5 s, a forgotten transaction 10 s. TCP keepalives find a
        # dead server within 10 s.
        options="-c lock_timeout=2s -c statement_timeout=5s -c idle_in_transaction_session_timeout=10s",
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        tcp_user_timeout=5000,
        # Only what asks for it is prepared (common.sql.hot). Off behind a pooler that
        # gives each transaction another connection.
        prepare_threshold=1_000_000 if env.bool("PREPARED_STATEMENTS", default=True) else None,
    )
BROKER_URL = env.address("BROKER_URL", like="amqp://user:password@host:5672//")
CACHE_URL = env.address("CACHE_URL", like="redis://host:6379/0")
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": CACHE_URL,
        "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 1, "SOCKET_TIMEOUT": 1, "IGNORE_EXCEPTIONS": True},
    }
}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
# What is compressed already, as whitenoise has it (not imported: processes without pages do not load it), and source
# maps: a third of the octets, and no browser asks for them until somebody debugs.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (
    "jpg", "jpeg", "png", "gif", "webp", "zip", "gz", "tgz", "bz2", "tbz", "xz", "br", "swf", "flv", "woff", "woff2",
    "3gp", "3gpp", "asf", "avi", "m4v", "mov", "mp4", "mpeg", "mpg", "webm", "wmv", "map",
)  # fmt: skip
SESSION_COOKIE_SECURE = env.bool("COOKIES_SECURE", default=True)
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE
SECURE_SSL_REDIRECT = env.bool("SSL_REDIRECT", default=False)  # the proxy in front usually does it
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=0)
# Subdomains and the browsers' preload list are promises about a whole domain, which is not ours to make.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
