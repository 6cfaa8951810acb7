"""Ticks over rows whose time has come; every one may run twice at once.

What is looked at equally often is one task: a task costs more than the short statement that finds nothing.
"""

from collections.abc import Callable

from celery import shared_task

from inbound import receive
from messaging import failover, leases, outbox, receipts, sweep, webhooks

LIMITS = {"time_limit": 60, "soft_time_limit": 50}


@shared_task(name="schedule.dispatch", **LIMITS)
def dispatch() -> None:
    """Scheduled, over-rate and retried parts become QUEUED; parts in doubt are sent again or given up, by policy."""
    each(sweep.dispatch_due, sweep.resolve_uncertain)


@shared_task(name="schedule.recover", **LIMITS)
def recover() -> None:
    """What lost its hint, its turn or its line: outbox rows, receipts, stored carrier lines, failover."""
    each(
        outbox.relay,
        _parked_receipts,
        _pending_lines,
        failover.leave_down_lines,
        failover.resend_without_receipt,
    )


@shared_task(name="schedule.expire", **LIMITS)
def expire() -> None:
    """What is over: validity before sending, leases of dead binds and of dead webhook loops."""
    each(sweep.expire_due, leases.sweep_ended, webhooks.release_stale)


def _parked_receipts() -> None:
    sweep.rematch_parked(on_text=receive.store)


def _pending_lines() -> None:
    ids = sweep.pending_line_batches()
    if ids:
        receipts.record_line_events(ids, on_text=receive.store)


def each(*steps: Callable[[], object]) -> None:
    """Take all steps, also after one that fails; raises what failed as one group."""
    errors = []
    for step in steps:
        try:
            step()
        except Exception as error:  # raised below, with the others
            errors.append(error)
    if errors:
        raise ExceptionGroup("steps of a tick failed", errors)
