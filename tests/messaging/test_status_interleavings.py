"""Random interleavings of everything that may happen to a message, on the real tables.

After each step: no part made an illegal move, what has ended stays so, refunds never exceed the charge. At the end
the ledger, the messages and the callbacks tell one story.
"""

import os
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.models import LedgerEntry
from common.errors import Rejected, SendKind
from connectors.models import BindLease
from messaging import leases, sweep
from messaging.audit import charged_messages_check
from messaging.cancel import cancel
from messaging.models import Message, Part, Receipt, Status
from messaging.outcomes import SUBMITTED
from messaging.status import FINAL, all_final, roll_up
from smpp.constants import MessageState
from tests.messaging.test_status_moves import LEGAL
from tests.messaging.underway import accepted, bind, now, past, receipt_for, told
from tests.support.cast import Cast, customer

RUNS = int(os.environ.get("GATEWAY_TEST_INTERLEAVINGS", "120"))
PARTS = [(0, 1), (1, 1), (1, 2), (1, 3)]  # one message of one part, one of three
KINDS = [SUBMITTED, SUBMITTED, SUBMITTED, *SendKind]
STATES = [
    MessageState.DELIVERED,
    MessageState.DELIVERED,
    MessageState.UNDELIVERABLE,
    MessageState.EXPIRED,
    MessageState.ENROUTE,
    MessageState.UNKNOWN,
]
binds = st.sampled_from([0, 1])
parts = st.sampled_from(PARTS)
STEPS = st.one_of(
    st.tuples(st.just("claim"), binds, st.integers(1, 4)),
    # What usually happens, so that the rest meets messages in every state.
    st.tuples(st.just("go"), binds),
    st.tuples(st.just("hear_all"), st.lists(st.sampled_from(STATES), min_size=4, max_size=4)),
    st.tuples(st.just("answer"), parts, st.sampled_from(KINDS), st.booleans()),
    st.tuples(st.just("answer"), parts, st.sampled_from(KINDS), st.just(False)),
    st.tuples(st.just("receipts"), st.lists(st.tuples(parts, st.sampled_from(STATES)), min_size=1, max_size=3)),
    st.tuples(st.just("cancel"), st.sampled_from([0, 1])),
    st.tuples(st.just("crash"), binds),
    st.tuples(st.just("sweep"), st.sampled_from(["due", "uncertain", "parked", "silence", "expired"])),
)


class Journey:
    """A customer with two messages and a connector with two binds."""

    def __init__(self, cast: Cast, lane: str) -> None:
        self.cast = cast
        self.lines = [bind(self.cast, bind_no=number, lane=lane) for number in (1, 2)]
        self.messages = [accepted(self.cast, parts=count, lane=lane) for count in (1, 3)]

    def states(self) -> dict:
        return dict(Part.objects.values_list("id", "status"))

    def do(self, step: tuple) -> None:
        getattr(self, step[0])(*step[1:])
        assert moves_made() <= LEGAL, f"{moves_made() - LEGAL} by {step}"
        assert self.refunds() <= Decimal(4)

    def claim(self, number: int, limit: int) -> None:
        self.lines[number].claim(limit=limit)

    def answer(self, where: tuple[int, int], kind: str, stale: bool) -> None:
        message = self.messages[where[0]]
        part = Part.objects.get(message_id=message.id, seq=where[1])
        line = self.lines[(part.bind_no or 1) - 1]
        line.answer(message, kind, seq=where[1], fence=(part.fence or 1) - stale)

    def go(self, number: int) -> None:
        self.claim(number, 4)
        for where in PARTS:
            self.answer(where, SUBMITTED, False)

    def hear_all(self, states: list) -> None:
        self.receipts(list(zip(PARTS, states, strict=True)))

    def receipts(self, said: list) -> None:
        pdus = [receipt_for(self.messages[m], state, seq=seq) for (m, seq), state in said]
        self.lines[0].hear(*pdus)

    def cancel(self, number: int) -> None:
        before = self.states()
        try:
            cancel(account_id=self.cast.account.pk, message_id=self.messages[number].id)
        except Rejected:
            assert self.states() == before

    def crash(self, number: int) -> None:
        line = self.lines[number]
        BindLease.objects.filter(bind_no=line.bind_no).update(expires_at=past())
        line.fence = leases.acquire(line.connector_id, line.bind_no, "next").fence

    def sweep(self, what: str) -> None:
        if what == "due":
            Part.objects.filter(status=Status.SCHEDULED).update(send_at=past())
            sweep.dispatch_due()
        elif what == "uncertain":
            Part.objects.filter(status=Status.UNCERTAIN).update(uncertain_until=past())
            sweep.resolve_uncertain()
        elif what == "parked":
            Receipt.objects.filter(state=Receipt.State.PARKED).update(next_try_at=past())
            sweep.rematch_parked()
        elif what == "silence":
            Part.objects.filter(status=Status.SUBMITTED).update(expires_at=now() - timedelta(hours=73))
            sweep.close_unreceipted()
        else:
            Part.objects.filter(message_id=self.messages[0].id).update(expires_at=past())
            sweep.expire_due()

    def refunds(self) -> Decimal:
        return sum(LedgerEntry.objects.filter(reason="refund").values_list("amount", flat=True), Decimal(0))

    def end(self) -> None:
        assert list(charged_messages_check()) == []
        assert self.cast.balance == Decimal(96) + self.refunds()
        if self.cast.account.charge_on == "submit":  # what a carrier took is paid, whatever became of it
            taken = [f"ref:{part.id.hex}" for part in Part.objects.exclude(submitted_at=None)]
            assert not LedgerEntry.objects.filter(key__in=taken).exists()
        for message in Message.objects.all():
            states = list(Part.objects.filter(message_id=message.id).values_list("status", flat=True))
            if all_final(states):
                events = len(told(message))
                # After UNKNOWN a message settles once: a worse part that comes later still changes it no more.
                assert message.status == roll_up(states) or (events == 2 and message.status in states)
                assert events in (1, 2)
            else:
                assert message.status not in FINAL
                assert told(message) == []


WATCH = {
    "postgresql": (
        """CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO moves VALUES (OLD.status, NEW.status); RETURN NULL; END $$""",
        """CREATE TRIGGER note_move AFTER UPDATE ON messaging_part FOR EACH ROW
        WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION note_move()""",
    ),
    "sqlite": (
        """CREATE TRIGGER note_move AFTER UPDATE ON messaging_part WHEN OLD.status <> NEW.status
        BEGIN INSERT INTO moves VALUES (OLD.status, NEW.status); END""",
    ),
}


def watch_moves() -> None:
    """Let the database itself note every change of a part's state; rolled back with the test."""
    with connection.cursor() as cursor:
        for statement in ("CREATE TABLE moves (old varchar(11), new varchar(11))", *WATCH[connection.vendor]):
            cursor.execute(statement)


def moves_made() -> set:
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT old, new FROM moves")
        return set(cursor.fetchall())


@pytest.mark.both
@pytest.mark.django_db
@pytest.mark.timeout(600)
def test_no_interleaving_breaks_the_table_or_the_money():
    casts = {charge_on: customer(charge_on=charge_on) for charge_on in ("submit", "delivery")}
    watch_moves()

    @settings(max_examples=RUNS, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(
        st.sampled_from(sorted(casts)),
        st.sampled_from(["transactional", "bulk"]),
        st.lists(STEPS, min_size=4, max_size=16),
    )
    def run(charge_on, lane, steps):
        with transaction.atomic():
            journey = Journey(casts[charge_on], lane)
            for step in steps:
                journey.do(step)
            journey.end()
            transaction.set_rollback(True)

    run()
