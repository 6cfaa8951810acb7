"""Alerts: what an operator must know of, kept as rows until it is over.

A row is the record and the log line its only messenger so far; whoever sends e-mail or SMS later takes rows whose
`told_at` has moved. Everything here may run on several hosts at once.
"""

from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import F, Q, QuerySet

from common.clock import utc_now
from common.models import Alert

log = structlog.get_logger(__name__)

WARN, FAIL = "warn", "fail"
COOLDOWN = timedelta(hours=1)  # between two tellings of an alert that is still open
KEPT = timedelta(days=90)  # after it was resolved


def raise_alert(
    *,
    key: str,
    level: str,
    subject: str,
    words: str,
    advice: str = "",
    cooldown: timedelta = COOLDOWN,
    grace: timedelta = timedelta(0),
) -> bool:
    """Open the alert of this key, or count that it was seen again; whether people were told now.

    They are told when it opens, or when it has been there for `grace` (what is over by then is nobody's business), and
    then once in `cooldown`, however often it is raised.
    """
    now = utc_now()
    said = {"level": level, "subject": subject[:120], "words": words[:500], "advice": advice[:300]}
    with transaction.atomic():
        mine = Alert.objects.filter(key=key[:120], resolved_at=None)
        if not mine.update(count=F("count") + 1, last_seen_at=now, **said):
            row = Alert(key=key[:120], first_seen_at=now, last_seen_at=now, **said)
            Alert.objects.bulk_create([row], ignore_conflicts=True)  # another host may raise it at the same moment
        due = Q(told_at=None, first_seen_at__lte=now - grace) | Q(told_at__lte=now - cooldown)
        told = mine.filter(due).update(told_at=now)
    if told:
        log.error("alert", key=key, **said)
    return bool(told)


def resolve_alert(key: str) -> bool:
    """It is over; False when it was not open."""
    over = Alert.objects.filter(key=key[:120], resolved_at=None).update(resolved_at=utc_now())
    if over:
        log.info("alert_resolved", key=key)
    return bool(over)


def open_alerts() -> QuerySet[Alert]:
    """Those that people were told of and that are not over, the worst and newest first."""
    return Alert.objects.filter(resolved_at=None, told_at__isnull=False).order_by("level", "-last_seen_at")


def purge_alerts() -> int:
    """Drop what was resolved long ago; returns how many."""
    gone, _ = Alert.objects.filter(resolved_at__lt=utc_now() - KEPT).delete()
    return gone
