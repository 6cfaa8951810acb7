"""Every queue name, in one place. Queues carry hints (ids); the tables are the record."""

from enum import StrEnum

from django.conf import settings


class Lane(StrEnum):
    """Priority classes of traffic on one connector."""

    OTP = "otp"
    TRANSACTIONAL = "transactional"
    BULK = "bulk"


class Work(StrEnum):
    """Queues of the Celery workers."""

    EVENTS = "events"
    DELIVERIES = "deliveries"
    SCHEDULE = "schedule"
    CAMPAIGNS = "campaigns"
    HOUSEKEEPING = "housekeeping"


def _named(name: str) -> str:
    return f"{settings.GATEWAY_QUEUE_PREFIX}{name}"


def submit_queue(connector: str, lane: str) -> str:
    """`submit_smpp1` for transactional, `submit_smpp1.otp`, `submit_smpp1.bulk`."""
    suffix = "" if lane == Lane.TRANSACTIONAL else f".{lane}"
    return _named(f"submit_{connector}{suffix}")


def work_queue(work: Work) -> str:
    """The broker's name of a Celery queue."""
    return _named(f"work.{work}")
