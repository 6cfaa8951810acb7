"""Rates and daily limits (requirements 1C): a message over a limit is sent later, or refused, as its account chose.

Each client's and each account's limits are asked once a batch, before the transaction: no network call may
happen while rows are locked.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from django.conf import settings

from accounts.models import OverLimit
from accounts.snapshot import AccountView
from common.errors import Code, Rejected
from common.pacer import Pacer
from messaging.preparation import Prepared

log = structlog.get_logger(__name__)

HORIZON: Final = 600.0  # seconds; a slot further ahead is refused
_DAYS_AHEAD: Final = 30  # a daily limit fills at most so many days to come


@dataclass(frozen=True, slots=True)
class Admitted:
    """A message and when it may go: `send_at` None is now; `over_limit`: a limit put it off."""

    message: Prepared
    send_at: datetime | None
    over_limit: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """One holder's limits; a rate in messages a second, 0: none. `refuses`: whatever its account chose."""

    key: str
    rate: int
    daily: int
    refuses: bool = False


@dataclass(slots=True)
class _Slot:
    """What the limits have said of a message so far."""

    message: Prepared
    not_before: datetime | None = None
    over: bool = False
    refused: Rejected | None = None


def admit(messages: Sequence[Prepared], now: datetime, pacer: Pacer) -> list[Admitted | Rejected]:
    """One answer per message, in order; tokens are used up in that order too."""
    slots = [_Slot(message) for message in messages]
    for limit, group in _groups(slots, _client_limit):
        _apply(limit, group, now, pacer)
    for limit, group in _groups(slots, _account_limit):
        _apply(limit, group, now, pacer)
    return [_verdict(slot) for slot in slots]


def _verdict(slot: _Slot) -> Admitted | Rejected:
    if slot.refused:
        return slot.refused
    wanted, slot_at = slot.message.send_at, slot.not_before
    later = max(filter(None, (wanted, slot_at)), default=None)
    return Admitted(slot.message, later, slot.over and later != wanted)


def _client_limit(message: Prepared) -> Limit | None:
    client, esme = message.command.api_client, message.command.smpp_client
    if esme is not None and esme.tps:
        return Limit(f"smpp:{esme.id}", esme.tps, 0, refuses=True)  # an ESME is told ESME_RTHROTTLED
    if client is None or not (client.rate_limit or client.daily_limit):
        return None
    return Limit(f"api:{client.id}", client.rate_limit, client.daily_limit)


def _account_limit(message: Prepared) -> Limit | None:
    account = message.command.account
    if not (account.tps or account.daily_limit):
        return None
    return Limit(f"account:{account.id}", account.tps, account.daily_limit)


def _groups(slots: Iterable[_Slot], find: Callable[[Prepared], Limit | None]) -> list[tuple[Limit, list[_Slot]]]:
    """Messages that are not refused yet, by the limit that holds for them."""
    found: dict[Limit, list[_Slot]] = {}
    for slot in slots:
        limit = None if slot.refused else find(slot.message)
        if limit:
            found.setdefault(limit, []).append(slot)
    return list(found.items())


def _apply(limit: Limit, slots: list[_Slot], now: datetime, pacer: Pacer) -> None:
    account = slots[0].message.command.account
    rejects = limit.refuses or account.over_limit == OverLimit.REJECT
    if limit.daily:
        slots = _today(limit, slots, _Calendar(account, now), pacer, rejects=rejects)
    # What the customer or the daily limit dated later needs no slot of this second.
    slots = [slot for slot in slots if slot.not_before is None and slot.message.send_at is None]
    if limit.rate and slots:
        (_refuse_over_rate if rejects else _queue_over_rate)(limit, slots, now, pacer)


def _refuse_over_rate(limit: Limit, slots: list[_Slot], now: datetime, pacer: Pacer) -> None:
    grant = pacer.take(limit.key, limit.rate, len(slots))
    for slot in slots[grant.granted :]:
        slot.refused = _too_fast(grant.retry_after)


def _queue_over_rate(limit: Limit, slots: list[_Slot], now: datetime, pacer: Pacer) -> None:
    delays = pacer.reserve(limit.key, limit.rate, len(slots), horizon=HORIZON)
    for slot, delay in zip(slots, delays, strict=False):
        if delay > 0:
            slot.not_before, slot.over = now + timedelta(seconds=delay), True
    for slot in slots[len(delays) :]:
        slot.refused = _too_fast(1.0 / limit.rate)


def _too_fast(retry_after: float) -> Rejected:
    return Rejected(Code.RATE_LIMITED, "Rate limit exceeded", retry_after=max(retry_after, 0.001))


@dataclass(frozen=True, slots=True)
class _Calendar:
    """Days as the account sees them."""

    account: AccountView
    now: datetime

    def day(self, ahead: int) -> datetime:
        """Midnight of today (0), tomorrow (1) … in the account's zone, or the site's."""
        here = self.now.astimezone(zone(self.account.time_zone))
        return (here + timedelta(days=ahead)).replace(hour=0, minute=0, second=0, microsecond=0)


@lru_cache(maxsize=500)
def zone(name: str) -> ZoneInfo:
    """The zone of that name; the site's when the name is blank or nobody knows it."""
    try:
        return ZoneInfo(name or settings.TIME_ZONE)
    except (ZoneInfoNotFoundError, ValueError):
        log.warning("unknown_time_zone", name=name)
        return ZoneInfo(settings.TIME_ZONE)


def _today(limit: Limit, slots: list[_Slot], calendar: _Calendar, pacer: Pacer, *, rejects: bool) -> list[_Slot]:
    """The messages that today still holds; the others are refused, or dated on the following days."""
    fit, rest = _count(limit, slots, calendar.day(0), pacer)[0:2]
    if rejects:
        wait = (calendar.day(1) - calendar.now).total_seconds()
        for slot in rest:
            slot.refused = Rejected(Code.RATE_LIMITED, "Daily limit exceeded", retry_after=wait)
        return fit
    for ahead in range(1, _DAYS_AHEAD + 1):
        if not rest:
            return fit
        midnight = calendar.day(ahead)
        dated, rest, taken = _count(limit, rest, midnight, pacer)
        for place, slot in enumerate(dated, taken):
            spread = timedelta(seconds=place / limit.rate if limit.rate else 0)
            slot.not_before, slot.over = (midnight + spread).astimezone(UTC), True
    for slot in rest:
        slot.refused = Rejected(Code.RATE_LIMITED, "Daily limit exceeded", retry_after=86_400.0)
    return fit


def _count(limit: Limit, slots: list[_Slot], midnight: datetime, pacer: Pacer) -> tuple[list[_Slot], list[_Slot], int]:
    """(those that fit into the day, those that do not, messages that the day held before)."""
    day = midnight.date().isoformat()
    total = pacer.count_day(limit.key, day, len(slots))
    over = min(len(slots), max(0, total - limit.daily))
    if over:
        pacer.count_day(limit.key, day, -over)
    fits = len(slots) - over
    return slots[:fits], slots[fits:], total - len(slots)
