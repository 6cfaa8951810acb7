"""Ticks over rows whose time has come; every one may run twice at once."""

from celery import shared_task

from inbound import receive
from messaging import leases, outbox, receipts, sweep, webhooks

LIMITS = {"time_limit": 60, "soft_time_limit": 50}


@shared_task(name="schedule.dispatch_due", **LIMITS)
def dispatch_due() -> None:
    """Scheduled, over-rate and retried parts become QUEUED."""
    sweep.dispatch_due()


@shared_task(name="schedule.resolve_uncertain", **LIMITS)
def resolve_uncertain() -> None:
    """Parts in doubt are sent again or given up, by policy."""
    sweep.resolve_uncertain()


@shared_task(name="schedule.relay_outbox", **LIMITS)
def relay_outbox() -> None:
    """Hints that a crash left behind are published."""
    outbox.relay()


@shared_task(name="schedule.pending_lines", **LIMITS)
def pending_lines() -> None:
    """Stored carrier lines whose hint was lost are recorded."""
    ids = sweep.pending_line_batches()
    if ids:
        receipts.record_line_events(ids, on_text=receive.store)


@shared_task(name="schedule.rematch_parked", **LIMITS)
def rematch_parked() -> None:
    """Receipts without a part look for it again."""
    sweep.rematch_parked()


@shared_task(name="schedule.expire_due", **LIMITS)
def expire_due() -> None:
    """Parts whose validity ended before they were sent."""
    sweep.expire_due()


@shared_task(name="schedule.release_deliveries", **LIMITS)
def release_deliveries() -> None:
    """Deliveries of a process that died are due again."""
    webhooks.release_stale()


@shared_task(name="schedule.abandon_dead_binds", **LIMITS)
def abandon_dead_binds() -> None:
    """What a dead bind had claimed becomes UNCERTAIN."""
    leases.sweep_ended()
