"""The timers of a session: keep-alive, dead peer, inactivity, init, partial PDU, unbind."""

import pytest

from smpp import pdu as p
from smpp.codec import decode, encode
from smpp.errors import FramingError
from smpp.events import Closed, CloseReason, ProtocolFault, RequestReceived
from smpp.session import Role, Session, SessionConfig
from tests.smpp.link import Link

QUIET = SessionConfig(enquire_link_seconds=0, inactivity_seconds=0)


def reasons(events):
    return [event.reason for event in events if isinstance(event, Closed)]


def test_a_silent_peer_is_asked_only_after_the_idle_time_and_the_owner_hears_nothing_of_it():
    link = Link(esme=SessionConfig(enquire_link_seconds=30), smsc=QUIET).bind()
    link.esme.tick(link.now + 29.9)
    assert link.esme.take_output() == b""
    link.esme.tick(link.now + 30)
    assert decode(link.esme.take_output()).name == "enquire_link"
    for _ in range(10):
        link.wait(31)
    assert link.esme.bound
    assert link.at_esme == link.at_smsc == []


def test_a_peer_that_talks_is_not_asked():
    link = Link(esme=SessionConfig(enquire_link_seconds=30), smsc=QUIET).bind()
    for _ in range(5):
        link.now += 20
        link.smsc.send(p.DeliverSm(), now=link.now)
        link.pump()
        link.esme.tick(link.now)
        assert link.esme.take_output() == b""


def test_enquire_link_is_never_sent_before_the_bind():
    session = Session(Role.ESME, SessionConfig(enquire_link_seconds=1, session_init_seconds=60), now=0)
    session.tick(50)
    assert session.take_output() == b""


def test_two_missing_answers_in_a_row_mean_a_dead_peer():
    config = SessionConfig(enquire_link_seconds=30, enquire_link_response_seconds=10, response_seconds=999)
    link = Link(esme=config).bind()
    link.esme.send(p.SubmitSm(), "open", now=link.now)
    start = link.now
    asked = []
    for second in range(60):
        events = link.esme.tick(start + second)
        if b"\0\0\0\x15" in link.esme.take_output():
            asked.append(second)
        if events:
            break
    assert asked == [30, 40]
    assert second == 50
    assert reasons(events) == [CloseReason.PEER_DEAD]
    assert [left.context for left in events[-1].unanswered] == ["open"]


def test_one_missing_answer_is_forgiven_when_the_peer_talks_again():
    link = Link(esme=SessionConfig(enquire_link_seconds=30, enquire_link_response_seconds=10)).bind()
    link.esme.tick(link.now + 30)
    link.esme.tick(link.now + 40)
    link.esme.receive(encode(p.EnquireLink(sequence=5)), link.now + 41)
    for second in range(42, 70):
        assert link.esme.tick(link.now + second) == []


def test_a_peer_that_nacks_enquire_link_counts_as_alive():
    link = Link(esme=SessionConfig(enquire_link_seconds=30)).bind()
    for round_number in range(1, 6):
        now = link.now + 30 * round_number
        link.esme.tick(now)
        sequence = decode(link.esme.take_output()).sequence
        assert link.esme.receive(encode(p.GenericNack(status=3, sequence=sequence)), now) == []
    assert link.esme.bound


def test_inactivity_ends_the_session():
    config = SessionConfig(enquire_link_seconds=0, inactivity_seconds=120)
    link = Link(smsc=config).bind()
    assert link.smsc.tick(link.now + 119) == []
    link.smsc.receive(encode(p.EnquireLink(sequence=5)), link.now + 119)
    assert link.smsc.tick(link.now + 238) == []
    assert reasons(link.smsc.tick(link.now + 239)) == [CloseReason.INACTIVITY]


@pytest.mark.parametrize("role", Role)
def test_without_a_bind_in_time_the_session_ends_however_busy_the_peer_is(role):
    session = Session(role, SessionConfig(session_init_seconds=30), now=0)
    for second in range(30):
        session.receive(encode(p.EnquireLink(sequence=second + 1)), second)
        assert session.tick(second) == []
    assert reasons(session.tick(30)) == [CloseReason.INIT_TIMEOUT]


def test_a_pdu_that_drips_is_cut_off_after_the_partial_time():
    link = Link(smsc=SessionConfig(partial_pdu_seconds=10, inactivity_seconds=0)).bind()
    frame = encode(p.SubmitSm(short_message=b"x" * 100, sequence=9))
    for second in range(10):
        assert link.smsc.receive(frame[second : second + 1], link.now + second) == []
        assert link.smsc.tick(link.now + second) == []
    assert reasons(link.smsc.tick(link.now + 10)) == [CloseReason.PARTIAL_PDU]


def test_a_pdu_in_two_pieces_is_read_whole():
    link = Link().bind()
    frame = encode(p.SubmitSm(sequence=9))
    assert link.smsc.receive(frame[:20], link.now) == []
    (event,) = link.smsc.receive(frame[20:], link.now + 9)
    assert event == RequestReceived(p.SubmitSm(sequence=9))
    assert link.smsc.tick(link.now + 60) == []


def test_an_unbind_without_an_answer_ends_after_its_time():
    link = Link(esme=SessionConfig(unbind_response_seconds=5)).bind()
    link.esme.unbind(now=link.now)
    assert link.esme.tick(link.now + 4.9) == []
    assert reasons(link.esme.tick(link.now + 5)) == [CloseReason.UNBOUND]


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        ("00000010 0000000f 00000000 00000007", 3),  # unknown request
        ("00000010 8000000f 00000000 00000007", 3),  # unknown response
    ],
)
def test_an_unknown_command_gets_generic_nack_and_the_session_lives(octets, status):
    link = Link().bind()
    (event,) = link.smsc.receive(bytes.fromhex(octets), link.now)
    assert isinstance(event, ProtocolFault)
    assert decode(link.smsc.take_output()) == p.GenericNack(status=status, sequence=7)
    link.esme.send(p.SubmitSm(), now=link.now)
    link.pump()
    assert isinstance(link.at_smsc[-1], RequestReceived)


def test_a_malformed_request_is_answered_with_its_own_response_and_the_session_lives():
    link = Link().bind()
    bad = bytearray(encode(p.SubmitSm(short_message=b"hello", sequence=7)))
    bad[bad.index(b"\x05hello")] = 99
    events = link.smsc.receive(bytes(bad) + encode(p.SubmitSm(sequence=8)), link.now)
    assert [type(event) for event in events] == [ProtocolFault, RequestReceived]
    assert events[0].frame == bad
    assert decode(link.smsc.take_output()) == p.SubmitSmResp(status=1, sequence=7)


def test_a_lost_frame_boundary_is_nacked_and_ends_the_session_after_the_good_pdus():
    link = Link().bind()
    link.smsc.send(p.DeliverSm(), "open", now=link.now)
    link.smsc.take_output()
    good = encode(p.SubmitSm(sequence=8))
    events = link.smsc.receive(good + bytes.fromhex("00000005 00000004 00000000 00000009"), link.now)
    assert [type(event) for event in events] == [RequestReceived, Closed]
    assert events[-1].reason is CloseReason.FRAMING
    assert isinstance(events[-1].error, FramingError)
    assert [left.context for left in events[-1].unanswered] == ["open"]
    assert decode(link.smsc.take_output()) == p.GenericNack(status=2, sequence=9)
