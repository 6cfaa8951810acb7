"""Parts that went over another connector and come back to the first one, which has spoken for them meanwhile."""

import pytest
from django.db import connection, transaction

from common.errors import SendKind
from common.ids import derive
from messaging import failover, rows, sweep
from messaging.models import Part, Receipt, Status
from tests.messaging.sharing import PARTS, SHARED, SPEAKER, D, U, matched, paying_on_delivery, states
from tests.messaging.test_receipts_concurrently import run_together
from tests.messaging.underway import accepted, bind, part_of, past, receipt_for, sent, state_of, told
from tests.support.cast import forget_snapshots, make_connector
from tests.support.money import assert_money_is_exact

pytestmark = [pytest.mark.both, pytest.mark.django_db]


def away(mode="first", **second_line):
    """All parts but the one that speaks wait for the next connector, as no receipt came in time."""
    second = make_connector(**second_line)
    cast = paying_on_delivery(mode, receipt_timeout=30)
    line = bind(cast)
    message = sent(cast, line, parts=3, hops=(cast.connector.pk, second.pk))
    others = [seq for seq in PARTS if seq != SPEAKER.get(mode, 1)]
    Part.objects.filter(message_id=message.id, seq__in=others).update(uncertain_until=past())
    assert failover.resend_without_receipt() == 2
    return cast, line, bind(cast, connector_id=second.pk), message


def speak(line, message, mode="first", says=D):
    line.hear(receipt_for(message, says, seq=SPEAKER.get(mode, 1), err="000" if says is D else "011"))


def over_again(message):
    """Where the parts are."""
    return {part_of(message, seq).connector_id for seq in PARTS}


@pytest.mark.parametrize("mode", SHARED)
@pytest.mark.parametrize("says", [D, U])
@pytest.mark.parametrize("kind", [SendKind.PERMANENT, SendKind.ROUTE])
def test_what_the_next_connector_refuses_follows_the_receipt_that_the_first_one_gave(mode, says, kind):
    cast, line, other, message = away(mode)
    other.claim()
    speak(line, message, mode, says)
    assert told(message) == []
    refused = [seq for seq in PARTS if seq != SPEAKER[mode]]
    other.record(*(other.result(derive(message.id, seq), kind, command_status=0x0B) for seq in refused))
    assert states(message) == ("DDD" if says is D else "UUU")
    assert (over_again(message), sorted(matched(message))) == ({cast.connector.pk}, ["id", "sibling", "sibling"])
    assert (cast.balance, len(told(message))) == (97 if says is D else 100, 1)
    assert_money_is_exact()


def test_what_was_refused_before_the_receipt_came_follows_it_too():
    cast, line, other, message = away()
    other.claim()
    for seq in (2, 3):
        other.answer(message, SendKind.PERMANENT, seq=seq, command_status=0x0B)
    assert states(message) == "---"
    speak(line, message)
    assert (states(message), len(told(message)), cast.balance) == ("DDD", 1, 97)


@pytest.mark.parametrize("mode", SHARED)
@pytest.mark.parametrize("says", [D, U])
def test_a_copy_whose_validity_ends_in_line_follows_the_receipt_that_the_first_connector_gave(mode, says):
    cast, line, _, message = away(mode)
    speak(line, message, mode, says)
    Part.objects.filter(status=Status.QUEUED).update(expires_at=past())
    assert sweep.expire_due() == 2
    assert sweep.expire_due() == 0
    assert states(message) == ("DDD" if says is D else "UUU")
    assert (over_again(message), cast.balance, len(told(message))) == ({cast.connector.pk}, 97 if says is D else 100, 1)
    assert_money_is_exact()


def test_a_copy_in_doubt_that_may_not_go_again_follows_the_receipt_that_the_first_connector_gave():
    cast, line, other, message = away(uncertain_policy={"transactional": "hold"})
    other.claim()
    speak(line, message)
    for seq in (2, 3):
        other.answer(message, SendKind.UNCERTAIN, seq=seq)
    Part.objects.filter(status=Status.UNCERTAIN).update(uncertain_until=past())
    sweep.resolve_uncertain()
    assert (states(message), len(told(message)), cast.balance) == ("DDD", 1, 97)


@pytest.mark.parametrize("ended", ["refused", "expired"])
def test_a_receipt_of_its_own_that_waited_for_the_part_to_come_back_comes_first(ended):
    cast, line, other, message = away("any")
    line.hear(receipt_for(message, U, seq=3))
    assert Receipt.objects.get().state == Receipt.State.PARKED
    speak(line, message, "any")
    if ended == "refused":
        other.claim()
        refused = [other.result(derive(message.id, seq), SendKind.PERMANENT) for seq in (1, 3)]
        other.record(*refused)
    else:
        Part.objects.filter(status=Status.QUEUED).update(expires_at=past())
        sweep.expire_due()
    # Its receipt came before that of part 2, so part 1 follows it.
    assert (states(message), matched(message)) == ("UDU", ["sibling", "id", "id"])
    assert (len(told(message)), cast.balance) == (1, 99)
    assert set(Receipt.objects.values_list("state", flat=True)) == {Receipt.State.MATCHED}


def test_without_a_receipt_of_the_first_connector_what_comes_back_waits_for_it():
    cast, _, other, message = away()
    other.claim()
    for seq in (2, 3):
        other.answer(message, SendKind.PERMANENT, seq=seq)
    assert (states(message), over_again(message), told(message)) == ("---", {cast.connector.pk}, [])


def test_of_a_carrier_that_reports_on_every_part_what_comes_back_waits_for_its_own():
    make_connector(dlr_parts="first")  # somewhere else
    _, line, other, message = away("each")
    speak(line, message)
    other.claim([derive(message.id, 2)])
    other.answer(message, SendKind.PERMANENT, seq=2)
    Part.objects.filter(status=Status.QUEUED).update(expires_at=past())
    assert sweep.expire_due() == 1
    assert (states(message), told(message)) == ("D--", [])


def test_what_never_left_still_ends_as_expired_beside_parts_that_share_a_receipt():
    cast = paying_on_delivery("first")
    line = bind(cast)
    message, short = accepted(cast, parts=3), accepted(cast)
    line.claim([derive(message.id, 1)])
    line.answer(message)
    speak(line, message)
    Part.objects.filter(status=Status.QUEUED).update(expires_at=past())
    assert sweep.expire_due() == 3
    assert [state_of(message, seq) for seq in PARTS] == [Status.DELIVERED, Status.EXPIRED, Status.EXPIRED]
    assert (state_of(short), cast.balance) == (Status.EXPIRED, 99)
    assert (len(told(message)), len(told(short))) == (1, 1)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("held", [1, 3], ids=["the part that speaks", "a part that is over"])
def test_a_message_with_a_part_in_other_hands_is_left_to_the_next_sweep(held):
    _, line, _, message = away()
    speak(line, message)
    Part.objects.filter(status=Status.QUEUED).update(expires_at=past())
    swept = []
    with transaction.atomic():
        rows.lock_parts([derive(message.id, held)])
        run_together(lambda: swept.append(sweep.expire_due()))
    assert swept == [0]
    assert [state_of(message, seq) for seq in PARTS] == [Status.DELIVERED, Status.QUEUED, Status.QUEUED]
    forget_snapshots()
    assert sweep.expire_due() == 2
    assert states(message) == "DDD"
