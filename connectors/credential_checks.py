"""Tries with the credentials of a connector, counted for all its binds on all hosts together (spec/smpp.md 5.1).

While nobody knows whether the carrier takes them, one bind tries for all: with n binds a carrier that locks accounts
after three wrong tries would otherwise see n at once. After three refusals one bind tries every 15 minutes.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils.crypto import salted_hmac

from common.sql import dialect
from connectors.models import BindState, CredentialCheck
from connectors.snapshot import ConnectorView

TRIES = 3
PAUSE = 900.0  # seconds between tries after that
LADDER = (1.0, 2.0)  # seconds after the first and the second refusal, at most
FRESH = timedelta(seconds=60)  # since a bind succeeded: the others need not wait for a scout
SCOUT = 5.0  # seconds that a first try may take before another bind tries as well: a carrier that hangs refuses nobody
REPORTED = timedelta(seconds=15)  # binds report every three seconds
LOOK_AGAIN = 0.3  # seconds between looks while another bind tries


@dataclass(frozen=True, slots=True)
class Turn:
    """Whether a bind may try now (`wait` 0), else after how many seconds to ask again, and why."""

    wait: float = 0.0
    refusals: int = 0
    status: int | None = None

    @property
    def go(self) -> bool:
        """Try now."""
        return self.wait <= 0


def fingerprint(view: ConnectorView) -> str:
    """Of what the carrier judges; keyed, so that the row tells nobody the password."""
    facts = (view.places, view.system_id, view.system_type, view.password)
    return salted_hmac("connectors.credential_checks", repr(facts), algorithm="sha256").hexdigest()


@transaction.atomic
def ask(connector_id: int, mark: str, *, patience: float) -> Turn:
    """May a bind try? If so it tries for all others for `patience` seconds, or until it says what it heard."""
    row, now = _locked(connector_id, mark), _now()
    if not row.refusals and row.last_status is None and row.verified_at and now - row.verified_at < FRESH:
        return Turn()
    for moment, longest in ((row.next_try_at, PAUSE), (row.trying_until, LOOK_AGAIN)):
        if moment is not None and moment > now:
            return Turn(min((moment - now).total_seconds(), longest), row.refusals, row.last_status)
    row.trying_until = now + timedelta(seconds=patience if row.refusals else min(SCOUT, patience))
    row.save(update_fields=["trying_until"])
    return Turn()


@transaction.atomic
def refused(connector_id: int, mark: str, status: int, *, counts: bool, host: str, most: int | None = None) -> int:
    """A host of the carrier (host:port) refused a bind with this status; returns how many in a row there are now.

    `counts` False: it counts only if the last answer was the same (a single 0x0D may mean anything), and not while
    another bind is up: then the carrier takes our credentials, and no more binds. It is not counted beyond `most`.
    """
    row, now = _locked(connector_id, mark), _now()
    if not counts and _somebody_is_bound(connector_id, now):
        row.trying_until = None
        row.save(update_fields=["trying_until"])
        return 0
    if (counts or row.last_status == status) and (most is None or row.refusals < most):
        row.refusals += 1
    row.last_status, row.last_refused_at, row.refused_by = status, now, host[:262]
    row.verified_at = row.trying_until = None
    row.next_try_at = now + timedelta(seconds=_pause(row.refusals))
    row.save()
    return row.refusals


def refusals(connector_id: int, mark: str) -> int:
    """How many tries in a row were refused so far."""
    counted = CredentialCheck.objects.filter(pk=connector_id, fingerprint=mark).values_list("refusals", flat=True)
    return counted.first() or 0


def unheard(connector_id: int, mark: str) -> None:
    """A try ended without a word about the credentials: the next bind may try."""
    CredentialCheck.objects.filter(pk=connector_id, fingerprint=mark).update(trying_until=None)


@transaction.atomic
def accepted(connector_id: int, mark: str) -> None:
    """The carrier took our credentials: all binds may come."""
    row = _locked(connector_id, mark)
    row.refusals, row.last_status, row.verified_at = 0, None, _now()
    row.trying_until = row.next_try_at = None
    row.save()


def _pause(refusals: int) -> float:
    if refusals >= TRIES:
        return PAUSE
    return max(0.2, random.uniform(0, LADDER[max(0, refusals - 1)]))  # noqa: S311 - jitter, not a secret


def _locked(connector_id: int, mark: str) -> CredentialCheck:
    CredentialCheck.objects.bulk_create(
        [CredentialCheck(connector_id=connector_id, fingerprint=mark)], ignore_conflicts=True
    )
    row = CredentialCheck.objects.select_for_update().get(pk=connector_id)
    if row.fingerprint != mark:  # address or credentials were changed: what was heard of the former ones is void
        row = CredentialCheck(connector_id=connector_id, fingerprint=mark)
        row.save()
    return row


def _somebody_is_bound(connector_id: int, now: datetime) -> bool:
    rows = BindState.objects.filter(connector_id=connector_id, state="bound", updated_at__gte=now - REPORTED)
    return rows.exists()


def _now() -> datetime:
    sql = dialect()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql.now}", [])
        found = sql.moment(cursor.fetchone()[0])
    assert found is not None
    return found
