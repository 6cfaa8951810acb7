"""Slow ticks: receipts that never came, counters, old rows, partitions."""

from functools import partial

from celery import shared_task

from billing import seals
from billing.audit import patience
from common import partitions, planner
from common.alerts import purge_alerts
from common.clock import utc_now
from connectors import answer_counts
from inbound.models import InboundMessage
from messaging import sweep, wirelog
from messaging.models import Attempt, Delivery, Message, MessageEvent, Part, Receipt
from messaging.receipts import doctor
from workers import retention
from workers.tasks.schedule import each

LIMITS = {"time_limit": 280, "soft_time_limit": 240}
PARTITIONED = (Message, Part, Attempt, MessageEvent, Receipt, Delivery, InboundMessage)


@shared_task(name="housekeeping.close_unreceipted", **LIMITS)
def close_unreceipted() -> None:
    """Submitted parts without a receipt in validity + 72 h become UNKNOWN."""
    sweep.close_unreceipted()


@shared_task(name=doctor.DOCTOR.name, **LIMITS)
def dlr_doctor() -> None:
    """Rules for the ids of receipts that meet no message; receipts of accepted ones come home."""
    doctor.look_over()


@shared_task(name="housekeeping.squash_traffic", **LIMITS)
def squash_traffic() -> None:
    """Traffic deltas become one row per key."""
    sweep.squash_traffic()


@shared_task(name="housekeeping.purge", **LIMITS)
def purge() -> None:
    """Idempotency keys and counted answers after 24 h, seen receipts after 72 h, the wire log after a week, alerts
    90 days after their end."""
    each(sweep.purge, wirelog.purge, answer_counts.purge, purge_alerts)


@shared_task(name="housekeeping.partitions", **LIMITS)
def ensure_partitions() -> None:
    """This month's partitions and three more; those that are older than RETENTION_DAYS go."""
    now = utc_now()
    # Each by itself: a table that somebody holds does not keep the others from their months.
    makes = [partial(partitions.ensure_months, model._meta.db_table, now=now) for model in PARTITIONED]
    each(*makes, retention.apply_setting)


@shared_task(name="housekeeping.planner", **LIMITS)
def tell_planner() -> None:
    """Tables that have grown much since PostgreSQL last looked are analysed: a new month, a new installation."""
    planner.look_again()


@shared_task(name="housekeeping.seal_days", **LIMITS)
def seal_days() -> None:
    """The days of the ledger that have ended are closed; the nightly audit does the same, and looks at all of them."""
    with patience():
        seals.seal_what_is_due(utc_now())
