"""The database: whether it answers, keeps what it confirms, and has the tables of this version."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from accounts.models import ApiClient, WebhookEndpoint
from common import partitions
from common.clock import utc_now
from connectors.models import Connector
from gateway_project.doctor.findings import Finding, fail, ok, warn
from messaging.rows import database_now
from workers import retention

OLDEST = 150_000  # server_version_num: PostgreSQL 15
SKEW_WARN, SKEW_FAIL = 1.0, 5.0  # seconds; leases and schedules go by the database, log lines by the host
_ENSURE = "python manage.py partitions --ensure"


def look() -> Iterator[Finding]:
    """Whether it answers, and how it was set up."""
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        yield fail(f"{_place()} does not answer: {_reason(error)}", "start PostgreSQL, or correct DATABASE_URL")
        return
    if connection.vendor != "postgresql":
        yield ok(f"SQLite at {settings.DATABASES['default']['NAME']}")
        return
    found = [*_version(), *_durable(), *_room()]
    yield from found or [ok(f"{_place()} answers, keeps what it confirms")]


def migrations() -> Iterator[Finding]:
    """Whether the tables are those of this version."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in plan[:3])
        yield fail(f"{len(plan)} migrations are not applied: {names}", "python manage.py migrate")
    else:
        yield ok("migrations are applied")


def clock() -> Iterator[Finding]:
    """Whether this host and the database agree on the time."""
    before = utc_now()
    theirs = database_now()
    after = utc_now()
    # It was read somewhere between the two; what lies outside of them is skew.
    skew = max((before - theirs).total_seconds(), (theirs - after).total_seconds(), 0.0)
    if skew >= SKEW_FAIL:
        yield fail(f"the clocks of this host and the database are {skew:.1f} s apart", "start chrony on both")
    elif skew >= SKEW_WARN:
        yield warn(f"the clocks of this host and the database are {skew:.1f} s apart", "start chrony on both")
    else:
        yield ok("this host and the database agree on the time")


def months() -> Iterator[Finding]:
    """Whether the next months have their partitions, nothing fell beside them, and old ones may go."""
    if connection.vendor != "postgresql":
        return
    soon = partitions.missing_months(now=utc_now(), ahead=1)
    later = partitions.missing_months(now=utc_now(), ahead=2)
    if soon:
        yield fail(f"{len(soon)} partitions are missing, for example {soon[0]}", _ENSURE)
    elif later:
        yield warn(f"partitions are made late: {later[0]} is missing; housekeeping stands still", _ENSURE)
    stray = [table for table in partitions.tables() if partitions.stray_months(table)]
    if stray:
        yield fail(f"rows fell into DEFAULT of {', '.join(stray)}", _ENSURE)
    held = _held()
    if held:
        yield warn(f"retention is held up: {held}", "python manage.py partitions --plan --drop-older-than DAYS")
    if not (later or stray or held):
        yield ok("partitions are there for the next months")


def secrets() -> Iterator[Finding]:
    """Whether our keys open what is stored."""
    for model, column in ((Connector, "password"), (ApiClient, "webhook_secret"), (WebhookEndpoint, "secret")):
        try:
            list(model._default_manager.values_list(column, flat=True)[:500])
        except (ImproperlyConfigured, ValueError):
            yield fail(
                f"no key opens the stored secrets of {model._meta.verbose_name_plural}",
                "put the key under which they were stored behind the first of FIELD_ENCRYPTION_KEYS",
            )
            return
    yield ok("our keys open the stored secrets")


def _held() -> str:
    """Cheap reasons only: the look at every old message is for the command."""
    if not retention.LEAST_DAYS <= settings.RETENTION_DAYS:
        return ""
    for month, pieces in retention.old_months(settings.RETENTION_DAYS, now=utc_now()).items():
        return retention.why_kept(month, [piece for piece in pieces if piece.table != "messaging_message"])
    return ""


def _version() -> Iterator[Finding]:
    number = int(_shown("server_version_num"))
    if number < OLDEST:
        yield fail(f"PostgreSQL {number // 10_000} is too old", "upgrade to PostgreSQL 15 or later")


def _durable() -> Iterator[Finding]:
    for name, wrong in (("fsync", ("off",)), ("full_page_writes", ("off",)), ("synchronous_commit", ("off",))):
        if _shown(name) in wrong:
            yield fail(
                f"{name} is off: what was acknowledged may be lost in a crash",
                f"ALTER SYSTEM SET {name} = 'on'; SELECT pg_reload_conf();",
            )


def _room() -> Iterator[Finding]:
    limit = int(_shown("max_connections")) - int(_shown("superuser_reserved_connections"))
    used = int(_asked("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"))
    if used > limit * 0.8:
        yield warn(f"{used} of {limit} connections are in use", "raise max_connections, or run fewer processes")


def _shown(name: str) -> str:
    return str(_asked(f"SHOW {name}"))


def _asked(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
    return row[0] if row else ""


def _place() -> str:
    values = settings.DATABASES["default"]
    return f"PostgreSQL at {values.get('HOST') or 'the local socket'}:{values.get('PORT') or 5432}"


def _reason(error: DatabaseError) -> str:
    text = " ".join(str(error).split())
    return text.rpartition("failed: ")[2][:160] or type(error).__name__
