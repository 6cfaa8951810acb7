"""What carriers said: receipts and texts that a bind has stored."""

from uuid import UUID

from celery import shared_task

from inbound import receive
from messaging import receipts


@shared_task(name=receipts.RECORD.name, time_limit=60, soft_time_limit=50)
def record_line_events(ids: list[str]) -> None:
    """Record the batches with these ids and those that wait beside them."""
    receipts.record_waiting([UUID(text) for text in ids], on_text=receive.store)
