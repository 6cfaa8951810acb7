"""What raises alerts by the clock."""

from celery import shared_task

from workers.alerts import lines

LIMITS = {"time_limit": 60, "soft_time_limit": 40}


@shared_task(name="alerts.watch_lines", **LIMITS)
def watch_lines() -> None:
    """Carrier lines that should be up and are not."""
    lines.watch()
