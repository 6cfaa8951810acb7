"""Requests and answers: matching, capacity, deadlines, wrap, and that no slot is ever lost."""

import pytest

from smpp import pdu as p
from smpp.codec import encode
from smpp.constants import MAX_SEQUENCE
from smpp.constants import CommandStatus as S
from smpp.errors import FieldError, WindowFull
from smpp.events import Closed, CloseReason, ResponseReceived, ResponseTimeout, Unanswered, UnsolicitedResponse
from smpp.session import SessionConfig
from smpp.window import Slot, Window
from tests.smpp.link import Link, requests


def test_answers_in_any_order_find_their_context():
    link = Link(esme=SessionConfig(window=5)).bind()
    for name in "abcde":
        link.esme.send(p.SubmitSm(), name, now=link.now)
    link.pump()
    link.now += 1.5
    for request in reversed(requests(link.at_smsc)):
        link.smsc.respond(request.reply(message_id=str(request.sequence)), now=link.now)
    link.pump()
    assert [(event.context, event.seconds) for event in link.at_esme] == [(name, 1.5) for name in "edcba"]
    assert link.esme.free_slots == 5


def test_a_full_window_refuses_without_writing_and_takes_again_after_an_answer():
    link = Link(esme=SessionConfig(window=2)).bind()
    for name in "ab":
        link.esme.send(p.SubmitSm(), name, now=link.now)
    link.pump()
    with pytest.raises(WindowFull):
        link.esme.send(p.SubmitSm(), "c", now=link.now)
    assert link.esme.take_output() == b""
    link.smsc.respond(link.at_smsc[0].pdu.reply(message_id="1"), now=link.now)
    link.pump()
    assert link.esme.send(p.SubmitSm(), "c", now=link.now)


def test_a_pdu_that_cannot_be_encoded_holds_no_slot():
    link = Link().bind()
    with pytest.raises(FieldError):
        link.esme.send(p.SubmitSm(source_addr="x" * 30), now=link.now)
    assert link.esme.outstanding == 0
    assert link.esme.take_output() == b""


def test_a_thousand_timeouts_give_every_slot_back_and_full_speed_follows():
    link = Link(esme=SessionConfig(window=1000, response_seconds=5, inactivity_seconds=0)).bind()
    for index in range(1000):
        link.esme.send(p.SubmitSm(), index, now=link.now)
    link.esme.take_output()
    assert link.esme.free_slots == 0
    assert link.esme.tick(link.now + 4.9) == []
    late = link.esme.tick(link.now + 5)
    assert [event.context for event in late] == list(range(1000))
    assert {type(event) for event in late} == {ResponseTimeout}
    assert link.esme.free_slots == 1000
    link.now += 5
    for index in range(1000):
        link.esme.send(p.SubmitSm(), index, now=link.now)
    link.pump()
    for request in requests(link.at_smsc):
        link.smsc.respond(request.reply(message_id="1"), now=link.now)
    link.pump()
    assert sum(isinstance(event, ResponseReceived) for event in link.at_esme) == 1000
    assert link.esme.free_slots == 1000


def test_a_request_may_have_a_deadline_of_its_own():
    link = Link().bind()
    link.esme.send(p.SubmitSm(), "slow", now=link.now)
    link.esme.send(p.SubmitSm(), "fast", now=link.now, timeout=1)
    assert [event.context for event in link.esme.tick(link.now + 2)] == ["fast"]
    assert link.esme.outstanding == 1


def test_a_late_answer_is_unsolicited_and_harmless():
    link = Link().bind()
    link.esme.send(p.SubmitSm(), "late", now=link.now, timeout=1)
    link.pump()
    link.wait(2)
    link.smsc.respond(requests(link.at_smsc)[0].reply(message_id="1"), now=link.now)
    link.pump()
    assert [type(event) for event in link.at_esme] == [ResponseTimeout, UnsolicitedResponse]
    assert link.esme.bound


@pytest.mark.parametrize("answer", [p.SubmitSmResp("1", sequence=77), p.GenericNack(status=3, sequence=0)])
def test_an_answer_nobody_waits_for_is_told_and_the_session_lives(answer):
    link = Link().bind()
    assert link.esme.receive(encode(answer), link.now) == [UnsolicitedResponse(answer)]
    assert link.esme.take_output() == b""
    assert link.esme.bound


def test_an_answer_of_another_command_does_not_free_the_slot():
    link = Link().bind()
    sequence = link.esme.send(p.SubmitSm(), "mine", now=link.now)
    (event,) = link.esme.receive(encode(p.QuerySmResp(sequence=sequence)), link.now)
    assert isinstance(event, UnsolicitedResponse)
    assert link.esme.outstanding == 1


def test_generic_nack_answers_the_request_it_names():
    link = Link().bind()
    sequence = link.esme.send(p.SubmitSm(), "mine", now=link.now)
    nack = p.GenericNack(status=S.ESME_RINVCMDID, sequence=sequence)
    (event,) = link.esme.receive(encode(nack), link.now)
    assert (event.context, event.pdu) == ("mine", nack)
    assert link.esme.outstanding == 0


def test_an_answer_with_an_unreadable_body_still_frees_the_slot_and_says_why():
    link = Link().bind()
    sequence = link.esme.send(p.QuerySm("1"), "mine", now=link.now)
    frame = bytes.fromhex("00000013 80000003 00000000") + sequence.to_bytes(4, "big") + b"1\0\x32"
    (event,) = link.esme.receive(frame, link.now)
    assert event.context == "mine"
    assert event.pdu.status == 0
    assert event.pdu.message_id == "1"
    multi = link.esme.send(p.SubmitMulti(dest_addresses=[p.SmeAddress(1, 1, "1")]), "many", now=link.now)
    frame = bytes.fromhex("00000013 80000021 00000000") + multi.to_bytes(4, "big") + b"1\0\x05"
    (event,) = link.esme.receive(frame, link.now)
    assert event.context == "many"
    assert event.fault.field == "unsuccess_smes"
    assert link.esme.outstanding == 0


def test_the_end_hands_back_every_context_once():
    link = Link(esme=SessionConfig(window=3)).bind()
    sequences = [link.esme.send(p.SubmitSm(), name, now=link.now) for name in "abc"]
    (closed,) = link.esme.close(CloseReason.CONNECTION_LOST)
    left = tuple(Unanswered(seq, name, 4) for seq, name in zip(sequences, "abc", strict=True))
    assert closed == Closed(CloseReason.CONNECTION_LOST, left)
    assert link.esme.free_slots == 3


def test_the_peers_unbind_hands_back_contexts_too():
    link = Link().bind()
    link.esme.send(p.SubmitSm(), "open", now=link.now)
    link.smsc.unbind(now=link.now)
    link.pump()
    assert [left.context for left in link.at_esme[-1].unanswered] == ["open"]


def test_the_sequence_wraps_at_its_end_and_skips_what_is_unanswered():
    window = Window(3, last_sequence=MAX_SEQUENCE - 1)
    window.open(Slot(1, 4, None, 0, 1))
    assert [window.next_sequence(), window.next_sequence()] == [MAX_SEQUENCE, 2]


def test_alert_notification_needs_no_slot_and_no_answer():
    link = Link(smsc=SessionConfig(window=1)).bind()
    link.smsc.send(p.DeliverSm(), now=link.now)
    link.smsc.send(p.AlertNotification(), now=link.now)
    link.pump()
    assert [pdu.name for pdu in requests(link.at_esme)] == ["deliver_sm", "alert_notification"]
    assert link.smsc.outstanding == 1
    assert link.esme.pending_requests == 1
