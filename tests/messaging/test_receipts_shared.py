"""Carriers that report on the first, the last or any part of a long message: every part ends once, and rightly."""

from itertools import permutations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from common.errors import SendKind
from common.ids import derive
from messaging import sweep
from messaging.models import MessageEvent, Part, Receipt, Status
from messaging.trace import trace
from smpp.constants import MessageState
from tests.messaging.sharing import PARTS, SHARED, SPEAKER, D, U, answer_all, matched, paying_on_delivery, states
from tests.messaging.underway import (
    accepted,
    bind,
    past,
    receipt,
    receipt_for,
    sent,
    shown,
    state_of,
    stored_receipts,
    told,
)
from tests.support.cast import customer, make_connector
from tests.support.money import assert_money_is_exact

pytestmark = [pytest.mark.both, pytest.mark.django_db]

# Mode, batches of receipts as (part, says) in the order in which they come, the parts afterwards, conflicts.
CASES = [
    ("each", [[(1, D)]], "D--", 0),
    ("each", [[(3, D)], [(1, D)], [(2, U)]], "DUD", 0),
    ("first", [], "---", 0),
    ("first", [[(1, D)]], "DDD", 0),
    ("first", [[(1, U)]], "UUU", 0),
    ("first", [[(2, D)]], "-D-", 0),
    ("first", [[(3, D), (2, U)]], "-UD", 0),
    ("first", [[(3, U)], [(1, D)]], "DDU", 0),
    ("first", [[(1, D)], [(3, U)]], "DDD", 1),
    ("first", [[(1, D)], [(3, U), (2, U)]], "DDD", 2),
    ("first", [[(1, U)], [(2, D)]], "UUU", 1),
    ("first", [[(1, D), (3, U)]], "DDU", 0),
    ("first", [[(3, U), (1, D)]], "DDU", 0),
    ("first", [[(1, D)], [(1, U)]], "DDD", 1),
    ("last", [], "---", 0),
    ("last", [[(3, D)]], "DDD", 0),
    ("last", [[(3, U)]], "UUU", 0),
    ("last", [[(1, D), (2, D)]], "DD-", 0),
    ("last", [[(1, U)], [(3, D)]], "UDD", 0),
    ("last", [[(3, D)], [(1, U)]], "DDD", 1),
    ("last", [[(3, U), (2, D), (1, D)]], "DDU", 0),
    ("any", [], "---", 0),
    ("any", [[(1, D)]], "DDD", 0),
    ("any", [[(2, U)]], "UUU", 0),
    ("any", [[(3, D)]], "DDD", 0),
    ("any", [[(2, U)], [(1, D)]], "UUU", 1),
    ("any", [[(2, U), (1, D)]], "DUU", 0),
    ("any", [[(1, D), (2, U)]], "DUD", 0),
]


@pytest.mark.parametrize(("mode", "batches", "expected", "conflicts"), CASES)
def test_which_parts_a_receipt_settles(mode, batches, expected, conflicts):
    cast = paying_on_delivery(mode)
    line = bind(cast)
    message = sent(cast, line, parts=3)
    for batch in batches:
        line.hear(*(receipt_for(message, says, seq=seq, err="000" if says is D else "011") for seq, says in batch))
    assert states(message) == expected
    assert cast.balance == 97 + expected.count("U")
    assert len(told(message)) == ("-" not in expected)
    kept = MessageEvent.objects.filter(kind="dlr_conflict")
    assert len(kept) == conflicts
    if "-" not in expected:
        whole = shown(message)
        assert whole.status == (Status.UNDELIVERED if "U" in expected else Status.DELIVERED)
        assert whole.error_code == ("011" if "U" in expected else "")
    assert_money_is_exact()


@pytest.mark.parametrize("mode", SHARED)
@pytest.mark.parametrize("says", [D, U])
@pytest.mark.parametrize("order", list(permutations(PARTS)))
def test_a_receipt_before_the_answers_settles_each_part_when_its_answer_is_recorded(mode, says, order):
    cast = paying_on_delivery(mode)
    line = bind(cast)
    message = accepted(cast, parts=3)
    line.claim()
    line.hear(receipt_for(message, says, seq=SPEAKER[mode]))
    answer_all(line, message, order)
    assert states(message) == ("DDD" if says is D else "UUU")
    assert cast.balance == (97 if says is D else 100)
    assert len(told(message)) == 1
    assert sorted(matched(message)) == ["id", "sibling", "sibling"]
    assert_money_is_exact()


@pytest.mark.parametrize("mode", SHARED)
def test_answers_of_one_batch_are_settled_by_the_receipt_that_waited(mode):
    cast = paying_on_delivery(mode)
    line = bind(cast)
    message = accepted(cast, parts=3)
    line.claim()
    line.hear(receipt_for(message, seq=SPEAKER[mode]))
    results = [line.result(derive(message.id, seq), provider_id=f"{message.id.hex[:24]}-{seq}") for seq in PARTS]
    line.record(*results)
    assert (states(message), len(told(message))) == ("DDD", 1)
    line.record(*results)  # the same answers again
    assert (states(message), len(told(message))) == ("DDD", 1)


@pytest.mark.parametrize("mode", SHARED)
def test_a_receipt_that_meets_its_part_only_later_settles_the_others_too(mode):
    cast = paying_on_delivery(mode)
    line = bind(cast)
    message = sent(cast, line, parts=3)
    line.hear(receipt("known-later"))
    Part.objects.filter(id=derive(message.id, SPEAKER[mode])).update(provider_key="known-later")
    Receipt.objects.update(next_try_at=past())
    assert sweep.rematch_parked() == 1
    assert (states(message), len(told(message)), cast.balance) == ("DDD", 1, 97)


@pytest.mark.parametrize("mode", SHARED)
def test_a_receipt_of_its_own_that_waited_comes_before_that_of_a_sibling(mode):
    other = {"first": 3, "last": 1, "any": 1}[mode]
    cast = paying_on_delivery(mode)
    line = bind(cast)
    message = accepted(cast, parts=3)
    line.claim()
    line.answer(message, seq=SPEAKER[mode])
    line.hear(receipt_for(message, seq=SPEAKER[mode]))
    line.hear(receipt_for(message, U, seq=other))
    for seq in PARTS:
        if seq != SPEAKER[mode]:
            line.answer(message, seq=seq)
    assert state_of(message, other) == Status.UNDELIVERED
    assert (states(message).count("D"), cast.balance, len(told(message))) == (2, 98, 1)


@pytest.mark.parametrize("mode", SHARED)
def test_parts_that_wait_or_are_being_written_are_left_alone_until_they_were_taken(mode):
    cast = paying_on_delivery(mode)
    line = bind(cast)
    message = accepted(cast, parts=3)
    speaker = SPEAKER[mode]
    written, waiting = (seq for seq in PARTS if seq != speaker)
    line.claim([derive(message.id, speaker), derive(message.id, written)])
    line.answer(message, seq=speaker)
    line.hear(receipt_for(message, seq=speaker))
    assert [state_of(message, seq) for seq in (speaker, written, waiting)] == ["DELIVERED", "SUBMITTING", "QUEUED"]
    assert told(message) == []
    line.answer(message, seq=written)
    assert [state_of(message, seq) for seq in (written, waiting)] == ["DELIVERED", "QUEUED"]
    assert [part.part_id for part in line.claim()] == [derive(message.id, waiting)]
    line.answer(message, seq=waiting)
    assert (states(message), len(told(message)), cast.balance) == ("DDD", 1, 97)


def test_a_part_that_the_carrier_refused_keeps_its_failure_and_its_one_refund():
    cast = paying_on_delivery("first")
    line = bind(cast)
    message = accepted(cast, parts=3)
    line.claim()
    line.answer(message, seq=1)
    line.answer(message, SendKind.PERMANENT, seq=2, command_status=0x0B)
    line.answer(message, seq=3)
    line.hear(receipt_for(message, seq=1))
    assert [state_of(message, seq) for seq in PARTS] == ["DELIVERED", "REJECTED", "DELIVERED"]
    assert (shown(message).status, len(told(message)), cast.balance) == (Status.REJECTED, 1, 98)


def test_a_refusal_by_the_carrier_speaks_for_nobody():
    cast = paying_on_delivery("first")
    line = bind(cast)
    message = accepted(cast, parts=3)
    line.claim()
    line.answer(message, SendKind.PERMANENT, seq=1, command_status=0x0B)
    line.answer(message, seq=2)
    line.answer(message, seq=3)
    assert [state_of(message, seq) for seq in PARTS] == ["REJECTED", "SUBMITTED", "SUBMITTED"]


@pytest.mark.parametrize("mode", SHARED)
def test_a_part_in_doubt_is_left_to_its_answer(mode):
    cast = paying_on_delivery(mode)
    line = bind(cast)
    message = accepted(cast, parts=3)
    line.claim()
    doubted = 1 if mode != "first" else 3
    for seq in PARTS:
        line.answer(message, SendKind.UNCERTAIN if seq == doubted else "submitted", seq=seq)
    line.hear(receipt_for(message, seq=SPEAKER[mode]))
    assert (state_of(message, doubted), told(message)) == (Status.UNCERTAIN, [])
    line.answer(message, seq=doubted)
    assert (states(message), len(told(message))) == ("DDD", 1)


def test_a_conflict_with_a_sibling_is_kept_once_says_so_and_changes_nothing():
    cast = paying_on_delivery("last")
    line = bind(cast)
    message = sent(cast, line, parts=3)
    line.hear(receipt_for(message, seq=3))
    other = receipt_for(message, U, seq=1, err="011")
    line.hear(other, other)
    line.hear(other)
    event = MessageEvent.objects.get()
    assert event.part_id == derive(message.id, 1)
    assert (event.kind, event.data["said"], event.data["kept"]) == ("dlr_conflict", "UNDELIVERED", "DELIVERED")
    assert event.data["kept_by"] == "sibling"
    assert (states(message), cast.balance, len(told(message))) == ("DDD", 97, 1)
    assert [found.state for found in stored_receipts()] == ["MATCHED", "MATCHED", "DUPLICATE", "DUPLICATE"]


def test_a_conflict_of_the_part_that_spoke_is_not_put_down_to_a_sibling():
    cast = paying_on_delivery("first")
    line = bind(cast)
    message = sent(cast, line, parts=3)
    line.hear(receipt_for(message, seq=1))
    line.hear(receipt_for(message, U, seq=1))
    assert "kept_by" not in MessageEvent.objects.get().data


def test_the_same_from_each_part_afterwards_changes_nothing():
    cast = paying_on_delivery("any")
    line = bind(cast)
    message = sent(cast, line, parts=3)
    for seq in (2, 1, 3):
        line.hear(receipt_for(message, seq=seq))
    assert matched(message) == ["sibling", "id", "sibling"]
    assert not MessageEvent.objects.exists()
    assert (len(told(message)), cast.balance) == (1, 97)


@pytest.mark.parametrize("state", [MessageState.ENROUTE, MessageState.ACCEPTED, MessageState.UNKNOWN])
def test_what_is_not_final_speaks_for_nobody(state):
    cast = paying_on_delivery("first")
    line = bind(cast)
    message = sent(cast, line, parts=3)
    line.hear(receipt_for(message, state, seq=1))
    assert (states(message), told(message)) == ("---", [])


def test_the_trace_says_which_parts_had_no_receipt_of_their_own():
    cast = paying_on_delivery("first")
    line = bind(cast)
    message = sent(cast, line, parts=3)
    line.hear(receipt_for(message, seq=1))
    ended = {entry["part"]: entry.get("by") for entry in trace(None, message.id) if entry["kind"] == "part_ended"}
    assert ended == {1: None, 2: "sibling", 3: "sibling"}


def test_a_batch_with_messages_of_every_kind_ends_each_by_its_own_rule():
    cast = paying_on_delivery("first")
    line = bind(cast)
    several = [sent(cast, line, parts=3) for _ in range(4)]
    single = [sent(cast, line) for _ in range(4)]
    line.hear(
        *(receipt_for(message, says, seq=1) for message, says in zip(several, (D, U, D, U), strict=True)),
        *(receipt_for(message, says) for message, says in zip(single, (D, U, D, U), strict=True)),
    )
    assert [states(message) for message in several] == ["DDD", "UUU", "DDD", "UUU"]
    assert [state_of(message) for message in single] == ["DELIVERED", "UNDELIVERED"] * 2
    assert {len(told(message)) for message in several + single} == {1}
    assert cast.balance == 100 - 16 + 8


def statements(work):
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


def costs(mode, count):
    """Statements that record the answers of messages of three, and then the receipts that end them."""
    cast = customer("1000", connector=make_connector(dlr_parts=mode))
    line = bind(cast)
    line.hear(receipt_for(sent(cast, line)))  # what is read only once is read now
    messages = [accepted(cast, parts=3) for _ in range(count)]
    line.claim()
    results = [line.result(derive(m.id, seq), provider_id=f"{m.id.hex[:24]}-{seq}") for m in messages for seq in PARTS]
    answered = statements(lambda: line.record(*results))
    if mode == "each":
        line.hear(*(receipt_for(message, seq=seq) for message in messages for seq in (2, 3)))
    heard = statements(lambda: line.hear(*(receipt_for(message, seq=1) for message in messages)))
    assert {shown(message).status for message in messages} == {Status.DELIVERED}
    return answered, heard


def test_many_messages_cost_as_few_statements_as_two_and_only_where_parts_share_a_receipt_a_few_more():
    answered, heard = costs("each", 20)
    assert costs("each", 2) == (answered, heard)
    # Owners, lock of the messages, messages; and the parts that follow.
    assert costs("first", 2) == costs("first", 20) == (answered + 3, heard + 1)


def answers_cost(mode, parts, kind="submitted"):
    """Statements that record the answers of five messages of so many parts."""
    cast = customer("1000", connector=make_connector(dlr_parts=mode))
    line = bind(cast)
    line.answer(accepted(cast))  # what is read only once is read now
    messages = [accepted(cast, parts=parts) for _ in range(5)]
    line.claim()
    every = [(message, seq) for message in messages for seq in range(1, parts + 1)]
    results = [line.result(derive(m.id, seq), kind, provider_id=f"{m.id.hex[:24]}-{seq}") for m, seq in every]
    return statements(lambda: line.record(*results))


@pytest.mark.parametrize("mode", SHARED)
def test_answers_to_messages_of_one_part_cost_one_statement_more_where_parts_share_a_receipt(mode):
    assert answers_cost(mode, parts=1) == answers_cost("each", parts=1) + 1
    assert answers_cost(mode, parts=2) == answers_cost("each", parts=2) + 3


@pytest.mark.parametrize("parts", [1, 2])
def test_refusals_cost_the_same_whatever_the_carrier_reports_on(parts):
    assert answers_cost("first", parts, SendKind.PERMANENT) == answers_cost("each", parts, SendKind.PERMANENT)
