"""What carriers answered, by minute and command_status: added by binds every few seconds, read by people."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Sum

from common.clock import utc_now
from common.sql import dialect
from connectors.models import AnswerCount

KEPT = timedelta(hours=24)
NO_ANSWER = -1

_ADD = (
    "INSERT INTO connectors_answercount (connector_id, minute, command_status, count) VALUES (%s, %s, %s, %s) "
    "ON CONFLICT (connector_id, minute, command_status) "
    "DO UPDATE SET count = connectors_answercount.count + excluded.count"
)


def add(counts: Mapping[tuple[int, int], int], *, now: datetime | None = None) -> None:
    """Add what was counted, by (connector id, command_status), to the present minute."""
    minute = (now or utc_now()).replace(second=0, microsecond=0)
    # One statement each, in the order of the key: no two hosts wait for each other in a circle.
    with transaction.atomic(), connection.cursor() as cursor:
        for (connector_id, status), count in sorted(counts.items()):
            cursor.execute(_ADD, [connector_id, dialect().value(minute), status, count])


def histogram(connector_id: int, *, minutes: int = 60) -> dict[int, int]:
    """Answers of the last minutes by command_status, the most frequent first; -1: no answer came."""
    since = utc_now() - timedelta(minutes=minutes)
    rows = AnswerCount.objects.filter(connector_id=connector_id, minute__gt=since)
    summed = rows.values_list("command_status").annotate(Sum("count"))
    return dict(Counter(dict(summed)).most_common())


def purge() -> int:
    """Drop what is older than a day; returns how many rows."""
    gone, _ = AnswerCount.objects.filter(minute__lt=utc_now() - KEPT).delete()
    return gone
