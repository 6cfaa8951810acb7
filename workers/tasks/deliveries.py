"""Webhooks: the task hands ids to the loop of its process and returns."""

from uuid import UUID

from celery import shared_task

from messaging.webhooks import DELIVER
from workers.deliveries import process


@shared_task(name=DELIVER.name, time_limit=30, soft_time_limit=20)
def deliver(ids: list[str], token: int | None = None) -> None:
    """These deliveries are due; with a token they were born claimed under it."""
    process.hand_over([UUID(text) for text in ids], token)
