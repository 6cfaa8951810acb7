"""What is known of a connector without asking the network, as JSON values; never a secret."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from common.money import quantize
from common.sql import dialect
from connectors.models import BindLease, BindState, Connector, CredentialCheck
from messaging.rows import database_now
from smpp.constants import status_name

SILENT = timedelta(seconds=30)  # binds report every 3 s
COUNTED = 10_000  # beyond that the exact number of what waits tells nobody more


def overviews(rows: QuerySet[Connector] | None = None) -> list[dict[str, Any]]:
    """All connectors, or those of the query, by name."""
    found = (Connector.objects.all() if rows is None else rows).order_by("name")
    found = found.select_related("profile", "credential_check").prefetch_related("states", "leases")
    now, waiting = database_now(), queued([row.pk for row in found])
    return [_facts(row, now, waiting[row.pk]) for row in found]


def overview(name: str) -> dict[str, Any] | None:
    """One connector; None when there is none of this name."""
    return next(iter(overviews(Connector.objects.filter(name=name))), None)


def status_of(row: Connector) -> str:
    """started, stopped, draining, drained; off when it is switched off."""
    return row.desired if row.active else "off"


def _facts(row: Connector, now: datetime, waiting: int) -> dict[str, Any]:
    states = {state.bind_no: state for state in row.states.all()}
    leases = {lease.bind_no: lease for lease in row.leases.all()}
    numbers = range(1, row.binds + 1)
    binds = [_bind(number, states.get(number), leases.get(number), row, now) for number in numbers]
    live = [states[number] for number in numbers if number in states]
    return {
        "name": row.name,
        "provider": row.provider,
        "host": row.host,
        "port": row.port,
        "more_hosts": row.more_hosts,
        "tls": row.use_tls,
        "username": row.system_id,
        "bind_mode": row.bind_mode,
        "status": status_of(row),
        "bound": sum(bind["state"] == "bound" for bind in binds),
        "binds": binds,
        "throughput": {
            "now": round(sum(bind["rate"] for bind in binds), 1),
            "limit": row.tps,
            "learned_ceiling": min((b["learned_ceiling"] for b in binds if b["learned_ceiling"]), default=None),
        },
        "window": {"used": sum(bind["window_used"] for bind in binds), "limit": row.window * row.binds},
        "queued": {"parts": min(waiting, COUNTED), "or_more": waiting > COUNTED},
        "last_submit_at": _latest(state.last_submit_at for state in live),
        "last_receipt_at": _latest(state.last_receipt_at for state in live),
        "credentials": _credentials(getattr(row, "credential_check", None)),
        "billing": _billing(row),
    }


def queued(connector_ids: Sequence[int]) -> dict[int, int]:
    """How many parts wait in line for each, by one statement; counting ends with the one after COUNTED."""
    if not connector_ids:
        return {}
    source, params = dialect().rows("v", (("v_id", "bigint"),), [(pk,) for pk in connector_ids])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT v_id, (SELECT count(*) FROM (SELECT 1 FROM messaging_part WHERE connector_id = v_id "
            f"AND status = 'QUEUED' LIMIT %s) AS q) FROM {source}",
            [COUNTED + 1, *params],
        )
        return {int(pk): int(count) for pk, count in cursor.fetchall()}


def _bind(
    number: int, state: BindState | None, lease: BindLease | None, row: Connector, now: datetime
) -> dict[str, Any]:
    held = lease is not None and lease.expires_at is not None and lease.expires_at > now
    fresh = state is not None and now - state.updated_at < SILENT
    live = state if fresh else None
    return {
        "bind": number,
        "state": _state(state, fresh=fresh, held=held),
        "since": state.since if state else None,
        "host": state.host if state else "",
        "owner": lease.owner.partition("|")[0] if held and lease else "",
        "current": bool(state) and state.generation == row.generation if state else False,
        "last_error": state.last_error if state else "",
        "bind_status": _named(state.bind_status if state else None),
        "next_try_at": live.next_try_at if live else None,
        "window_used": live.window_used if live else 0,
        # Its last report before it closed: nothing goes out any more.
        "rate": live.rate if live and live.state == "bound" else 0.0,
        "learned_ceiling": live.ceiling if live else None,
        "enquire_link_ms": live.probe_ms if live else None,
        "reported_at": state.updated_at if state else None,
    }


def _state(state: BindState | None, *, fresh: bool, held: bool) -> str:
    """The bind's own word while it is heard; `unserved` without a process, `silent` with one that says nothing."""
    if not held:
        return "stopped" if state is None or state.state == "stopped" else "unserved"
    return state.state if fresh and state is not None else "silent"


def _named(status: int | None) -> str | None:
    return None if status is None else status_name(status)


def _latest(moments: Iterable[datetime | None]) -> datetime | None:
    known: Sequence[datetime] = [moment for moment in moments if moment is not None]
    return max(known, default=None)


def _credentials(check: CredentialCheck | None) -> dict[str, Any]:
    return {
        "refusals": check.refusals if check else 0,
        "last_refusal": _named(check.last_status if check else None),
        "refused_by": check.refused_by if check else "",
        "last_refused_at": check.last_refused_at if check else None,
        "next_try_at": check.next_try_at if check else None,
        "verified_at": check.verified_at if check else None,
    }


def _billing(row: Connector) -> dict[str, Any]:
    profile = getattr(row, "profile", None)
    balance = profile.current_provider_balance if profile else None
    return {
        "cost": str(profile.cost_per_message) if profile else None,
        "currency": profile.currency if profile else None,
        "balance": None if balance is None else str(quantize(balance)),
        "monthly_limit": profile.monthly_limit if profile else 0,
    }
