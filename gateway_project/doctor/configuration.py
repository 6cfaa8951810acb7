"""Settings: keys, names and addresses that contradict each other."""

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from gateway_project import env_file
from gateway_project.doctor.findings import Finding, fail, ok, warn
from workers.retention import LEAST_DAYS

_NEW_SECRET = "SECRET_KEY: python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"  # noqa: S105 - a command
_NEW_FIELD_KEY = (
    "FIELD_ENCRYPTION_KEYS: python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'"
)


def look() -> Iterator[Finding]:
    """Every contradiction, or that there is none."""
    found = [*_file(), *_secret_key(), *_field_keys(), *_hosts(), *_forms(), *_stores(), *_reach(), *_numbers()]
    yield from found
    if not found:
        yield ok("keys, names and addresses agree")


def _file() -> Iterator[Finding]:
    if env_file.is_passed_over():
        yield fail(".env names DATABASE_URL, and this command was started without it", "make doctor")


def _secret_key() -> Iterator[Finding]:
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:  # Django gives out no empty one
        key = ""
    if len(key) < 32 or len(set(key)) < 8 or "change-me" in key:
        yield fail("SECRET_KEY is short enough to be guessed: sessions can be forged", f"set a new {_NEW_SECRET}")


def _field_keys() -> Iterator[Finding]:
    if not settings.FIELD_ENCRYPTION_KEYS:
        yield fail("FIELD_ENCRYPTION_KEYS is empty: no credential can be stored or read", f"set {_NEW_FIELD_KEY}")
    for number, key in enumerate(settings.FIELD_ENCRYPTION_KEYS, 1):
        try:
            Fernet(key)
        except ValueError:
            yield fail(f"key {number} of FIELD_ENCRYPTION_KEYS is none", f"take it out, or set {_NEW_FIELD_KEY}")


def _hosts() -> Iterator[Finding]:
    allowed = settings.ALLOWED_HOSTS
    public = urlsplit(settings.PUBLIC_BASE_URL)
    if "*" in allowed:
        yield warn("ALLOWED_HOSTS accepts every host name", "name the hosts that requests may ask for")
    if settings.PUBLIC_BASE_URL and (public.scheme not in ("http", "https") or not public.hostname):
        yield fail(f"PUBLIC_BASE_URL is no address: {settings.PUBLIC_BASE_URL}", "write it as https://sms.example.com")
    elif public.hostname and not _is_allowed(public.hostname, allowed):
        yield fail(
            f"customers are told {public.hostname}, which ALLOWED_HOSTS refuses",
            f"add {public.hostname} to ALLOWED_HOSTS",
        )


def _is_allowed(host: str, allowed: list[str]) -> bool:
    return any(
        name in ("*", host) or name == f"[{host}]" or (name.startswith(".") and f".{host}".endswith(name))
        for name in allowed
    )


def _forms() -> Iterator[Finding]:
    """Whether somebody can log in through PUBLIC_BASE_URL."""
    public = urlsplit(settings.PUBLIC_BASE_URL)
    origin = f"{public.scheme}://{public.netloc}"
    if public.scheme == "http" and settings.SESSION_COOKIE_SECURE:
        yield warn(
            f"{origin} is plain HTTP, but cookies travel over HTTPS only: nobody can log in there",
            "serve it over HTTPS; for a trial set COOKIES_SECURE=false",
        )
    if public.scheme == "https" and not settings.SESSION_COOKIE_SECURE:
        yield warn("cookies may travel over plain HTTP", "set COOKIES_SECURE=true")
    if public.scheme == "https" and origin not in settings.CSRF_TRUSTED_ORIGINS:
        yield warn(f"behind a proxy forms of {origin} are refused", f"set CSRF_TRUSTED_ORIGINS={origin}")
    if settings.DEBUG:
        yield fail("DEBUG shows settings to strangers", "take DEBUG out of the settings")


def _stores() -> Iterator[Finding]:
    """One process needs no store, many need all three."""
    on_sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    in_memory = settings.BROKER_URL.startswith("memory")
    if on_sqlite and not in_memory:
        yield fail("BROKER_URL names a broker, but DATABASE_URL no PostgreSQL", "set DATABASE_URL, or unset BROKER_URL")
    if not on_sqlite and in_memory:
        yield fail(
            "DATABASE_URL names PostgreSQL, but the broker is in memory: no process hears another", "set BROKER_URL"
        )
    if not on_sqlite and not settings.CACHE_URL:
        yield fail("without CACHE_URL each process has limits of its own", "set CACHE_URL")


def _reach() -> Iterator[Finding]:
    for name in ("TRUSTED_PROXIES", "OUTBOUND_HTTP_ALLOW"):
        for text in getattr(settings, name):
            try:
                network = ipaddress.ip_network(text, strict=False)
            except ValueError:
                yield fail(f"{name} has {text}, which is no network", "write networks as 10.0.0.0/8")
                continue
            if network.prefixlen == 0:
                yield fail(f"{name} has {text}: that is everybody", f"name the networks that you mean in {name}")


def _numbers() -> Iterator[Finding]:
    if 0 < settings.RETENTION_DAYS < LEAST_DAYS:
        yield fail(
            f"RETENTION_DAYS={settings.RETENTION_DAYS} is too short: receipts and webhooks may take {LEAST_DAYS} days",
            f"set RETENTION_DAYS to 0 or at least {LEAST_DAYS}",
        )
    if settings.DELIVERY_SCHEDULE_SCALE != 1:
        yield warn(
            f"webhooks are tried at {settings.DELIVERY_SCHEDULE_SCALE:g} times the usual waits",
            "set DELIVERY_SCHEDULE_SCALE=1.0 outside of trials",
        )
