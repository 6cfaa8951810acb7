"""Results of sending, recorded by the batch: one transaction for at most 500 of them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, transaction

from common.clock import utc_now
from common.crash import point
from common.errors import SendKind
from common.transactions import retried
from connectors.models import DlrParts
from connectors.snapshot import ConnectorView
from messaging import retry, rows, status
from messaging.lines import line
from messaging.models import Status
from messaging.outcomes import writing
from messaging.outcomes.planning import SUBMITTED, Fate, Step, SubmitResult, Surroundings, plan
from messaging.receipts import Side, parked, provider_key, shared
from messaging.receipts.matching import BY_ID, Match
from messaging.receipts.matching import parked as parked_with
from messaging.receipts.reading import Fact
from messaging.receipts.settling import Settled

log = structlog.get_logger(__name__)

BATCH = 500
# Results that change nothing but the part itself: no message is locked or read for these, but where one receipt may
# speak for several parts (Connector.dlr_parts) those that have several.
_PLAIN = (SUBMITTED, SendKind.THROTTLED, SendKind.SESSION, SendKind.UNCERTAIN)


def record(*, connector_id: int, bind_no: int, results: Sequence[SubmitResult]) -> None:
    """Write what became of claimed parts: success, retry, next hop or end, with receipts that waited for an id.

    Each at most 500 are one transaction. A batch that fails on its data is halved until the culprit stands alone;
    that one is held as uncertain with an event, and never sent again. Raises what the database raises when it is away;
    recording the same results again then is safe.
    """
    for start in range(0, len(results), BATCH):
        _halving(connector_id, bind_no, results[start : start + BATCH])


def _halving(connector_id: int, bind_no: int, results: Sequence[SubmitResult]) -> None:
    try:
        _record(connector_id, bind_no, results)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if len(results) == 1:
            log.error("result_not_recorded", part=str(results[0].part_id), error=repr(error))
            _hold(results[0], error)
            return
        middle = len(results) // 2
        _halving(connector_id, bind_no, results[:middle])
        _halving(connector_id, bind_no, results[middle:])


@retried()
def _hold(result: SubmitResult, error: Exception) -> None:
    """What cannot be written must not stay claimed for ever: it waits for a receipt, then ends as UNKNOWN."""
    with transaction.atomic():
        now = rows.database_now()
        for part in rows.lock_parts([result.part_id]).values():
            until = part.expires_at or now + retry.HOLD_WITHOUT_VALIDITY
            columns = (("uncertain_until", "timestamptz"), ("attempts", "smallint"))
            held = status.move(Status.UNCERTAIN, {part.id: (until, retry.RESENDS)}, columns=columns)
            data = {"kind": str(result.kind), "provider_id": result.provider_id[:65], "error": repr(error)[:300]}
            if held:
                rows.keep_events([rows.Event(part.message_id, part.id, "result_not_recorded", data)], at=now)


@retried()
def _record(connector_id: int, bind_no: int, results: Sequence[SubmitResult]) -> None:
    connector = line(connector_id)
    if connector is None:
        raise LookupError(f"connector {connector_id} is gone")
    point("before-results")
    with transaction.atomic():
        keys = _write(connector, bind_no, _one_each(results))
    point("after-results")
    _look_again(connector, keys.values())


def _look_again(connector: ConnectorView, keys: Collection[str]) -> None:
    """Receipts parked after we had looked, by a transaction that could not see our answers yet: its second look may
    have come before our commit. Now both sides are visible, so neither can pass the other.

    Raises nothing: the results are committed, must not be recorded again, and what is parked has a date.
    """
    try:
        missed = parked_with(connector.carrier_account, keys, now=utc_now())
        if missed:
            parked.rematch([fact.id for fact in missed])
    except Exception as error:
        log.warning("parked_receipts_wait", connector=connector.name, error=repr(error), exc_info=True)


def _one_each(results: Sequence[SubmitResult]) -> dict[UUID, SubmitResult]:
    """One result a part: two copies in one batch are told by the success, else by the last."""
    chosen: dict[UUID, SubmitResult] = {}
    for result in results:
        known = chosen.get(result.part_id)
        if known is None or known.kind != SUBMITTED:
            chosen[result.part_id] = result
    return chosen


def _write(connector: ConnectorView, bind_no: int, results: dict[UUID, SubmitResult]) -> dict[UUID, str]:
    """Returns the keys under which receipts of the accepted parts will come, by part."""
    now = rows.database_now()
    keys = {
        result.part_id: provider_key(result.provider_id, connector.id_rule, side=Side.ANSWER)
        for result in results.values()
        if result.kind == SUBMITTED
    }
    waiting = parked_with(connector.carrier_account, keys.values(), now=now)
    parts, messages = _lock(connector, results, waiting)
    around = Surroundings(connector, bind_no, now, messages)
    steps = [plan(parts[part_id], results[part_id], around) for part_id in sorted(parts.keys() & results)]
    by_fate: dict[Fate, list[Step]] = defaultdict(list)
    for step in steps:
        by_fate[step.fate].append(step)
    settled = writing.write(by_fate, keys, around)
    if waiting:
        _settle_waiting(waiting, keys, settled, around, parts)
    # The receipt that speaks for these as well may have come before their answer.
    answered = [step.part for fate in (Fate.SUBMITTED, Fate.NAMED) for step in by_fate[fate]]
    settled.ended += shared.settle_siblings(answered, parts, messages)
    returned = [step.part for step in by_fate[Fate.FIRST_COPY]]
    settled = settled.joined(parked.settle_returned(returned, parts, messages, now=now))
    parked.close(settled, messages, now=now)
    return keys


def _lock(
    connector: ConnectorView, results: Mapping[UUID, SubmitResult], waiting: Sequence[Fact]
) -> tuple[dict[UUID, rows.PartRow], dict[UUID, rows.MessageRow]]:
    failed = any(result.kind not in _PLAIN for result in results.values())
    owners: dict[UUID, UUID] = {}
    if connector.dlr_parts != DlrParts.EACH:
        sizes = rows.owners(results)
        owners = {part_id: owner for part_id, (owner, _) in sizes.items()}
        if any(size > 1 for _, size in sizes.values()):
            return rows.lock_with_siblings(owners, owners=owners)
    elif failed and shared.in_use():  # a part may go back to a connector that has such a receipt
        return rows.lock_with_siblings(results)
    return rows.lock(results, owners=owners) if failed or waiting else (rows.lock_parts(results), {})


def _settle_waiting(
    waiting: Sequence[Fact],
    keys: dict[UUID, str],
    settled: Settled,
    around: Surroundings,
    parts: dict[UUID, rows.PartRow],
) -> None:
    """Receipts that came before the answer: the parts are final in the transaction that makes them submitted."""
    owners: dict[str, list[UUID]] = defaultdict(list)
    for part_id, key in keys.items():
        if key and _took(parts.get(part_id), key):
            owners[key].append(part_id)
    matches = {
        fact.id: Match(owners[fact.provider_key][0], BY_ID, tuple(owners[fact.provider_key][1:]))
        for fact in waiting
        if fact.provider_key in owners
    }
    found = [fact for fact in waiting if fact.id in matches]
    more = parked.apply_parked(found, matches, parts, around.messages, now=around.now)
    settled.ended += more.ended
    settled.events += more.events
    settled.underway += more.underway


def _took(part: rows.PartRow | None, key: str) -> bool:
    return part is not None and part.provider_key == key and part.status in (Status.SUBMITTED, Status.UNKNOWN)
