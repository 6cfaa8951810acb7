"""What every way of running shares. Each number that was measured carries its reason."""

import sys
from pathlib import Path
from typing import Any

from gateway_project.settings.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = Environment()
env.escape_proxy = False

GATEWAY_VAR = Path(env.str("GATEWAY_VAR", default=str(BASE_DIR / "var")))
GATEWAY_BIND = env.str("GATEWAY_BIND", default="127.0.0.1")
GATEWAY_HTTP_PORT = env.int("GATEWAY_HTTP_PORT", default=8080)
GATEWAY_SMPP_PORT = env.int("GATEWAY_SMPP_PORT", default=2775)
# The same over TLS, when there is a certificate (PEM; the key may stand in the same file).
GATEWAY_SMPPS_PORT = env.int("GATEWAY_SMPPS_PORT", default=3550)
SMPP_TLS_CERT = env.str("SMPP_TLS_CERT", default="")
SMPP_TLS_KEY = env.str("SMPP_TLS_KEY", default="")
# Open connections of one address to the SMPP server.
SMPP_CONNECTIONS_PER_ADDRESS = env.int("SMPP_CONNECTIONS_PER_ADDRESS", default=200)
# Database calls that the SMPP server may have under way at once, beside its intake.
SMPP_DATABASE_THREADS = env.int("SMPP_DATABASE_THREADS", default=4)
GATEWAY_SIMULATOR_PORT = env.int("GATEWAY_SIMULATOR_PORT", default=2776)
GATEWAY_QUEUE_PREFIX = env.str("GATEWAY_QUEUE_PREFIX", default="")
# "" is RabbitMQ's classic type; "quorum" for a replicated broker (declare at deploy, see docs).
BROKER_QUEUE_TYPE = env.choice("BROKER_QUEUE_TYPE", ("", "classic", "quorum"), default="")
# Processes that share a rate while Redis is down: each keeps to its share of it.
PACER_PROCESSES = env.int("PACER_PROCESSES", default=env.int("WEB_WORKERS", default=1))
# Database calls that a bind worker may have under way at once.
BINDS_DATABASE_THREADS = env.int("BINDS_DATABASE_THREADS", default=4)
# Months of messages that ended so many days ago are dropped, once they are sealed; 0 keeps them for ever.
RETENTION_DAYS = env.int("RETENTION_DAYS", default=0)
PUBLIC_BASE_URL = env.str("PUBLIC_BASE_URL", default="")

DEBUG = False
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Addresses whose X-Forwarded-For is believed (api.request_gate); none by default.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
# Networks that outbound HTTP may reach although they are not public (webhooks on loopback in a demo).
OUTBOUND_HTTP_ALLOW = env.list("OUTBOUND_HTTP_ALLOW", default=[])

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_structlog",
    "common",
    "accounts",
    "connectors",
    "routing",
    "billing",
    "messaging",
    "inbound",
    "campaigns",
    "api",
    "portal",
    "workers",
    "gateway_project",
]

# Processes that serve no pages: the clock, Celery and the binds start a second sooner and keep 30 MiB less without
# them. They know themselves by their command; whoever is not recognised has everything.
PAGES = {
    "unfold", "unfold.contrib.filters", "django.contrib.admin", "django.contrib.staticfiles", "rest_framework",
    "django_filters", "drf_spectacular", "drf_spectacular_sidecar", "api", "portal",
}  # fmt: skip
if Path(sys.argv[0]).name == "celery" or sys.argv[1:2] in (["run_binds"], ["run_smpp_server"]):
    INSTALLED_APPS = [name for name in INSTALLED_APPS if name not in PAGES]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "gateway_project.urls"
WSGI_APPLICATION = "gateway_project.wsgi.application"
ASGI_APPLICATION = "gateway_project.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = ["common.passwords.Argon2", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
TIME_ZONE = env.zone("TIME_ZONE", default="UTC")  # the zone in which screens show times and daily limits turn
USE_I18N = True
FORMAT_MODULE_PATH = ["gateway_project.formats"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
# Not no-referrer: a browser then sends `Origin: null` with forms, which the CSRF check refuses.
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["api.authentication.CredentialAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["api.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "api.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Gateway Broker API",
    "DESCRIPTION": "Send messages, follow them, read the balance.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": [],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
}

# Webhooks: reliability.md P8; seconds after the former try. The scale shortens a test run.
DELIVERY_SCHEDULE_SECONDS = [0, 5, 300, 1800, 7200, 18000, 36000, 36000, 36000, 36000, 36000, 36000]
DELIVERY_SCHEDULE_SCALE = env.float("DELIVERY_SCHEDULE_SCALE", default=1.0)

LOGIN_REDIRECT_URL = "admin:index"  # of the login page itself, which names no other page to go to

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Gateway Broker",
    "SITE_HEADER": "Gateway Broker",
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "common.unfold.zone_of_times",
    "STYLES": ["common.unfold.stylesheet"],
    "SIDEBAR": {"show_search": True, "show_all_applications": True},
}

LOG_LEVEL = env.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), default="INFO")
LOGGING_CONFIG = "common.logs.configure"
LOGGING = {"level": LOG_LEVEL}
