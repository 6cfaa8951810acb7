"""After a rule was accepted: receipts without a message find it, however their keys were written.

A part keeps the key of the rule under which its answer came, so the receipts lead: the parts to their numbers are
looked at, the keys of those that belong to them are written anew, and then the ordinary look settles them. In passes
of 500, the oldest first, because the first final receipt of a message counts. What comes later for a message that was
sent before is found the same way by the tick, for as long as receipts may come.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import F

from common.sql import dialect
from common.transactions import retried
from messaging import rows
from messaging.lines import line, siblings
from messaging.models import Attempt, IdRuleProposal, Part, Receipt, Status
from messaging.receipts import parked
from messaging.receipts.doctor import evidence
from messaging.receipts.doctor.diagnosis import LONGEST, Sent, Unmatched, pair
from messaging.receipts.doctor.evidence import Place
from messaging.receipts.keys import Side, provider_key

log = structlog.get_logger(__name__)

PASS = 500
BUDGET = 60.0  # seconds that a tick spends on it; the rest is the next one's
# Answers are recorded under the old rule until every process has heard of the new one: seconds; so long is looked back.
GRACE = timedelta(minutes=2)
_UNSETTLED = frozenset({Status.SUBMITTED, Status.UNCERTAIN, Status.UNKNOWN})


def rehome(proposal: IdRuleProposal, *, budget: float = BUDGET) -> tuple[int, bool]:
    """Bring receipts of an accepted proposal home; returns how many found their message, and whether all had a look.

    Safe to run twice, also at once: a receipt and a part are settled by the one that locks them first.
    """
    until, total = time.monotonic() + budget, 0
    cursor, over = (proposal.looked_to or datetime.min.replace(tzinfo=UTC), UUID(int=0)), False
    while not over and time.monotonic() < until:
        found, last = _pass(proposal.carrier_account, proposal.rule, cursor)
        total += found
        over, cursor = last is None, last or cursor
    _keep(proposal, cursor[0], total)
    return total, over


def _pass(carrier_account: str, rule: str, after: Place) -> tuple[int, Place | None]:
    receipts = evidence.unmatched_after(carrier_account, after, now=rows.database_now(), limit=PASS)
    if not receipts:
        return 0, None
    pairs = pair(rule, receipts, evidence.sent(carrier_account, receipts))
    if pairs:
        _rekey(receipts, pairs, rule)
    ids = [receipt.id for receipt in receipts]
    return parked.rematch(ids, orphans=True, rule=rule), evidence.place(receipts[-1])


@retried()
def _rekey(receipts: Sequence[Unmatched], pairs: Mapping[UUID, tuple[Sent, ...]], rule: str) -> None:
    """Both sides in one transaction, so that an earlier receipt of a message is found by a later one that comes now."""
    paired = [part for found in pairs.values() for part in found]
    sent = {part.id: part for part in paired if not part.is_attempt}
    with transaction.atomic():
        locked, _ = rows.lock(sent)
        _write(
            Part._meta.db_table,
            {
                key: provider_key(part.provider_id, rule, side=Side.ANSWER)
                for key, part in locked.items()
                # Sent again meanwhile it has another id, or none.
                if part.status in _UNSETTLED and part.provider_id == sent[key].provider_id
            },
        )
        _write(  # an attempt has ended: its id is what it was
            Attempt._meta.db_table,
            {part.id: provider_key(part.provider_id, rule, side=Side.ANSWER) for part in paired if part.is_attempt},
        )
        _write(
            Receipt._meta.db_table,
            {
                receipt.id: provider_key(receipt.provider_id, rule, side=Side.RECEIPT)
                for receipt in receipts
                if receipt.id in pairs
            },
        )


def _write(table: str, keys: Mapping[UUID, str]) -> None:
    if not keys:
        return
    sql, ids = dialect(), sorted(keys)
    source, params = sql.rows("v", (("v_id", "uuid"), ("v_key", "varchar")), [(key, keys[key]) for key in ids])
    among, values = sql.keyed("id", ids)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET provider_key = v_key FROM {source} WHERE id = v_id AND {among} "
            "AND provider_key <> v_key",
            [*params, *values],
        )


def _keep(proposal: IdRuleProposal, cursor: datetime, found: int) -> None:
    now = rows.database_now()
    same = IdRuleProposal.objects.filter(pk=proposal.pk)
    same.update(
        looked_to=min(cursor, now - GRACE),
        rehomed=F("rehomed") + found,
        rehoming=_goes_on(proposal, now),
    )
    if found:
        log.info("receipts_rehomed", carrier_account=proposal.carrier_account, rule=proposal.rule, receipts=found)


def _goes_on(proposal: IdRuleProposal, now: datetime) -> bool:
    """Until nothing that was sent before can get a receipt, or the connectors have another rule."""
    if proposal.decided_at is None or now - proposal.decided_at > LONGEST:
        return False
    if now - proposal.decided_at < GRACE:  # this process may not have heard of the rule yet
        return True
    rules = {view.id_rule for number in siblings(proposal.carrier_account) if (view := line(number)) is not None}
    return rules == {proposal.rule}
