"""Counts of traffic: insert-only rows by hour, account, connector and measure, squashed by beat.

The hour is that of the message's acceptance, so that `accepted` of an hour equals the sum of its final states
once everything has ended.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.db import connection, transaction
from django.db.models import Count

from common.money import to_units
from common.sql import dialect, hot
from messaging.models import TrafficCount

ACCEPTED, BLOCKED = "accepted", "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Something to count; `messages` and `parts` may be negative when a count moves to another measure."""

    at: datetime  # acceptance of the message
    account_id: int
    connector_id: int | None
    measure: str  # accepted, blocked, or a final Status
    messages: int = 1
    parts: int = 1
    amount: Decimal = Decimal(0)


_COLUMNS = ("hour", "account_id", "connector_id", "measure", "messages", "parts", "amount")
_KINDS = ("timestamptz", "bigint", "bigint", "varchar", "bigint", "bigint", "bigint")
_FORMS = list(zip(_COLUMNS, _KINDS, strict=True))
_units = lru_cache(maxsize=1024)(to_units)  # prices are few
_KEY = _COLUMNS[:4]
_Key = tuple[datetime, int | None, int | None, str]


def add(tallies: Iterable[Tally]) -> None:
    """Write one row for each hour, account, connector and measure among the tallies."""
    sums: dict[_Key, list[int]] = defaultdict(lambda: [0, 0, 0])
    for tally in tallies:
        hour = tally.at.replace(minute=0, second=0, microsecond=0)
        total = sums[hour, tally.account_id, tally.connector_id, tally.measure]
        total[0] += tally.messages
        total[1] += tally.parts
        total[2] += _units(tally.amount)
    if sums:
        _insert([(*key, *total) for key, total in sums.items()])


def _insert(counts: Sequence[tuple[Any, ...]]) -> None:
    with hot() as cursor:
        dialect().insert_few(cursor, TrafficCount._meta.db_table, _FORMS, counts)


def squash(*, limit: int = 1000) -> int:
    """Join rows that share a key, at most `limit` rows of a key at a time; returns how many rows were saved."""
    saved = 0
    while crowded := _crowded_keys():
        joined = sum(_join(key, limit) for key in crowded)
        if not joined:  # somebody else holds these rows
            return saved
        saved += joined
    return saved


def _crowded_keys() -> list[_Key]:
    keys = TrafficCount.objects.values_list("hour", "account_id", "connector_id", "measure")
    return list(keys.annotate(rows=Count("id")).filter(rows__gt=1).order_by().values_list(*_KEY)[:100])


def _join(key: _Key, limit: int) -> int:
    with transaction.atomic():
        named = zip(_KEY, key, strict=True)
        same = TrafficCount.objects.filter(
            **{(f"{name}__isnull" if value is None else name): (value is None or value) for name, value in named}
        )
        rows = list(same.order_by("id").select_for_update(skip_locked=_can_skip())[:limit])
        if len(rows) < 2:
            return 0
        TrafficCount.objects.filter(id__in=[row.id for row in rows]).delete()
        hour, account, connector, measure = key
        TrafficCount.objects.create(
            hour=hour,
            account_id=account,
            connector_id=connector,
            measure=measure,
            messages=sum(row.messages for row in rows),
            parts=sum(row.parts for row in rows),
            amount=sum((row.amount for row in rows), Decimal(0)),
        )
        return len(rows) - 1


def _can_skip() -> bool:
    return connection.features.has_select_for_update_skip_locked
