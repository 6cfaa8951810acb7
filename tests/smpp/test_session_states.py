"""Who may send what in which state: every combination of state, command and role, on real sessions."""

from dataclasses import replace

import pytest

from smpp import pdu as p
from smpp.codec import decode, encode
from smpp.constants import CommandId
from smpp.constants import CommandStatus as S
from smpp.errors import IllegalCommand, SessionClosed
from smpp.events import Closed, CloseReason, PeerUnbound, ProtocolFault, RequestReceived
from smpp.session import Role, SessionConfig, State
from smpp.states import is_legal, next_state
from tests.smpp.link import BINDS, Link
from tests.smpp.samples import SAMPLES

REQUESTS = {pdu.command_id: pdu for pdu, _, _ in SAMPLES if not pdu.is_response}
BIND_IDS = {cls.command_id for cls in BINDS.values()}
OUT = {"submit_sm", "submit_multi", "data_sm", "query_sm", "cancel_sm", "replace_sm"}
IN = {"deliver_sm", "data_sm", "alert_notification"}
LINK = {"unbind", "enquire_link"}
BIND = {"bind_transmitter", "bind_receiver", "bind_transceiver"}

# SMPP 3.4 §2.3, written down a second time on purpose.
MAY_SEND = {
    (Role.ESME, State.OPEN): BIND,
    (Role.SMSC, State.OPEN): {"outbind"},
    (Role.ESME, State.OUTBOUND): {"bind_receiver", "bind_transceiver"},
    (Role.SMSC, State.OUTBOUND): set(),
    (Role.ESME, State.BOUND_TX): OUT | LINK,
    (Role.SMSC, State.BOUND_TX): LINK,
    (Role.ESME, State.BOUND_RX): LINK,
    (Role.SMSC, State.BOUND_RX): IN | LINK,
    (Role.ESME, State.BOUND_TRX): OUT | LINK,
    (Role.SMSC, State.BOUND_TRX): IN | LINK,
    (Role.ESME, State.UNBOUND): set(),
    (Role.SMSC, State.UNBOUND): set(),
    (Role.ESME, State.CLOSED): set(),
    (Role.SMSC, State.CLOSED): set(),
}
LIVE_STATES = [State.OPEN, State.OUTBOUND, State.BOUND_TX, State.BOUND_RX, State.BOUND_TRX]


def link_in(state: State) -> Link:
    link = Link()
    if state is State.OUTBOUND:
        link.smsc.send(p.Outbind("smsc", "pw"), now=link.now)
        link.pump()
        link.at_esme.clear()
    elif state is not State.OPEN:
        link.bind(state)
    assert link.esme.state is link.smsc.state is state
    return link


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("command", CommandId)
def test_the_table_agrees_with_the_specification(role, state, command):
    name = command.name.lower()
    if name == "generic_nack":
        expected = state is not State.CLOSED
    elif name.endswith("_resp"):
        expected = name.removesuffix("_resp") in MAY_SEND[role.peer, state]
    else:
        expected = name in MAY_SEND[role, state]
    assert is_legal(role, state, command) is expected


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", LIVE_STATES)
@pytest.mark.parametrize("command", sorted(REQUESTS))
def test_a_session_refuses_to_send_what_is_illegal_and_holds_no_slot(role, state, command):
    link = link_in(state)
    session = link.session(role)
    pdu = replace(REQUESTS[command], tlvs=p.Tlvs())
    if pdu.name in MAY_SEND[role, state]:
        assert session.send(pdu, now=link.now) > 0
        assert session.take_output()
    else:
        with pytest.raises(IllegalCommand):
            session.send(pdu, now=link.now)
        assert session.take_output() == b""
        assert session.outstanding == 0
        assert session.state is state


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", LIVE_STATES)
@pytest.mark.parametrize("command", sorted(REQUESTS))
def test_a_session_answers_an_illegal_request_and_stays_in_its_state(role, state, command):
    """`role` receives; the request is written by hand, past the checks of the sender."""
    link = link_in(state)
    session = link.session(role)
    pdu = replace(REQUESTS[command], sequence=99)
    events = session.receive(encode(pdu), link.now)
    output = session.take_output()
    if pdu.name in MAY_SEND[role.peer, state]:
        assert not any(isinstance(event, ProtocolFault) for event in events)
        return
    answer = decode(output)
    expected = S.ESME_RALYBND if command in BIND_IDS and state.is_bound else S.ESME_RINVBNDSTS
    assert (answer.sequence, answer.status) == (99, expected)
    assert answer.command_id == pdu.reply().command_id
    assert [type(event) for event in events] == [ProtocolFault]
    assert session.state is state


def test_only_success_changes_the_state():
    assert next_state(State.OPEN, CommandId.BIND_RECEIVER_RESP, 0) is State.BOUND_RX
    assert next_state(State.OPEN, CommandId.BIND_RECEIVER_RESP, S.ESME_RBINDFAIL) is State.OPEN
    assert next_state(State.BOUND_TRX, CommandId.SUBMIT_SM_RESP, 0) is State.BOUND_TRX


@pytest.mark.parametrize("state", BINDS)
def test_a_bind_brings_both_ends_to_the_same_state(state):
    link = Link().bind(state)
    assert link.esme.bound
    assert link.smsc.bound
    assert link.esme.peer_version == link.smsc.peer_version == 0x34


def test_a_refused_bind_leaves_the_session_open_and_it_may_try_again():
    link = Link()
    link.esme.send(p.BindTransceiver(system_id="me"), "first", now=link.now)
    link.pump()
    link.smsc.respond(link.at_smsc.pop().pdu.reply(status=S.ESME_RINVPASWD), now=link.now)
    link.pump()
    answer = link.at_esme.pop()
    assert (answer.pdu.status, answer.context) == (S.ESME_RINVPASWD, "first")
    assert answer.pdu.tlvs == []
    assert link.esme.state is link.smsc.state is State.OPEN
    link.bind()


def test_a_second_bind_before_the_answer_to_the_first_is_refused_at_both_ends():
    link = Link()
    link.esme.send(p.BindTransceiver(system_id="me"), now=link.now)
    with pytest.raises(IllegalCommand):
        link.esme.send(p.BindTransceiver(system_id="me"), now=link.now)
    link.pump()
    link.smsc.receive(encode(p.BindReceiver(system_id="me", sequence=2)), link.now)
    assert decode(link.smsc.take_output()).status == S.ESME_RALYBND


def test_an_outbind_reaches_the_esme_which_binds():
    link = link_in(State.OUTBOUND)
    link.bind(State.BOUND_RX)


@pytest.mark.parametrize("role", Role)
def test_unbind_is_answered_at_once_and_ends_both_ends(role):
    link = Link().bind()
    link.session(role).unbind(now=link.now)
    link.pump()
    asking, answering = (link.at_esme, link.at_smsc) if role is Role.ESME else (link.at_smsc, link.at_esme)
    assert asking == [Closed(CloseReason.UNBOUND)]
    assert answering == [PeerUnbound(), Closed(CloseReason.PEER_UNBOUND)]
    assert link.esme.closed
    assert link.smsc.closed


def unbinding_while_asking(hold: float = 5.0) -> tuple[Link, p.Pdu]:
    """The ESME unbinds before its submit is answered; returns the submit as the SMSC has it."""
    link = Link(smsc=SessionConfig(unbind_hold_seconds=hold)).bind()
    link.esme.send(p.SubmitSm(), "kept", now=link.now)
    link.esme.unbind(now=link.now)
    link.pump()
    [request, unbound, *_] = link.at_smsc
    assert unbound == PeerUnbound()
    return link, request.pdu


def test_an_unbind_may_wait_for_the_answers_that_are_owed():
    link, request = unbinding_while_asking()
    assert link.smsc.state is State.UNBOUND
    assert not link.smsc.bound
    with pytest.raises(IllegalCommand):
        link.smsc.send(p.DeliverSm(), now=link.now)
    assert link.smsc.goodbye(link.now) == [] and link.smsc.is_leaving
    link.smsc.respond(request.reply(message_id="1"), now=link.now)
    assert link.smsc.goodbye(link.now) == [Closed(CloseReason.PEER_UNBOUND)] and not link.smsc.is_leaving
    link.pump()
    assert [type(event).__name__ for event in link.at_esme] == ["ResponseReceived", "Closed"]
    assert link.at_esme[-1] == Closed(CloseReason.UNBOUND)
    assert link.smsc.goodbye(link.now) == []


def test_an_unbind_does_not_wait_for_ever_and_not_at_all_unless_told():
    link, _ = unbinding_while_asking()
    link.wait(4.9)
    assert not link.smsc.closed
    link.wait(0.1)
    assert link.at_smsc[-1] == Closed(CloseReason.PEER_UNBOUND)
    assert link.at_esme[-1].unanswered[0].context == "kept"
    link, _ = unbinding_while_asking(hold=0)
    assert link.at_smsc[-1] == Closed(CloseReason.PEER_UNBOUND)


def test_nothing_is_taken_while_an_unbind_waits():
    link, request = unbinding_while_asking()
    events = link.smsc.receive(encode(replace(request, sequence=99)), link.now)
    assert [type(event) for event in events] == [ProtocolFault]
    assert decode(link.smsc.take_output()).status == S.ESME_RINVBNDSTS


def test_after_the_end_nothing_can_be_sent_or_received_and_close_says_nothing_twice():
    link = Link().bind()
    assert len(link.esme.close(CloseReason.LOCAL)) == 1
    assert link.esme.close(CloseReason.LOCAL) == []
    with pytest.raises(SessionClosed):
        link.esme.send(p.SubmitSm(), now=link.now)
    with pytest.raises(SessionClosed):
        link.esme.respond(p.DeliverSmResp(), now=link.now)
    assert link.esme.receive(encode(p.EnquireLink(sequence=1)), link.now) == []
    assert link.esme.tick(link.now + 9999) == []
    assert link.esme.take_output() == b""


def test_a_request_can_be_answered_once_only():
    link = Link().bind()
    link.esme.send(p.SubmitSm(), now=link.now)
    link.pump()
    request = link.at_smsc.pop().pdu
    assert link.smsc.pending_requests == 1
    link.smsc.respond(request.reply(message_id="1"), now=link.now)
    with pytest.raises(IllegalCommand):
        link.smsc.respond(request.reply(message_id="1"), now=link.now)
    assert link.smsc.pending_requests == 0


def test_requests_above_the_incoming_window_are_throttled_and_the_others_served():
    link = Link(smsc=SessionConfig(incoming_window=2)).bind()
    for index in range(3):
        link.esme.send(p.SubmitSm(), index, now=link.now)
    link.pump()
    assert [type(event) for event in link.at_smsc] == [RequestReceived, RequestReceived, ProtocolFault]
    (refused,) = link.at_esme
    assert (refused.context, refused.pdu.status) == (2, S.ESME_RTHROTTLED)
    link.smsc.respond(link.at_smsc[0].pdu.reply(message_id="1"), now=link.now)
    link.esme.send(p.SubmitSm(), 3, now=link.now)
    link.pump()
    assert type(link.at_smsc[-1]) is RequestReceived


def test_an_unbind_with_a_context_is_answered_like_any_request():
    link = Link().bind()
    link.esme.send(p.Unbind(), "bye", now=link.now)
    assert link.esme.unbinding
    with pytest.raises(IllegalCommand):
        link.esme.send(p.SubmitSm(), now=link.now)
    link.pump()
    answer, closed = link.at_esme
    assert (answer.context, answer.pdu.name) == ("bye", "unbind_resp")
    assert closed == Closed(CloseReason.UNBOUND)


@pytest.mark.parametrize("lost", [True, False])
def test_an_unbind_without_an_answer_hands_its_context_back(lost):
    link = Link().bind()
    link.esme.send(p.Unbind(), "bye", now=link.now)
    events = link.esme.close(CloseReason.CONNECTION_LOST) if lost else link.esme.tick(link.now + 5)
    found = [left.context for left in events[0].unanswered] if lost else [events[0].context]
    assert found == ["bye"]
    assert isinstance(events[-1], Closed)


def test_unbinding_before_a_bind_is_illegal_and_twice_is_once():
    link = Link()
    with pytest.raises(IllegalCommand):
        link.esme.unbind(now=link.now)
    link.bind()
    assert link.esme.unbind(now=link.now) == link.esme.unbind(now=link.now)
    assert len(link.esme.take_output()) == 16


def test_a_response_does_not_go_through_send():
    link = Link().bind()
    with pytest.raises(IllegalCommand):
        link.esme.send(p.DeliverSmResp(), now=link.now)
