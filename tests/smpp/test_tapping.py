"""A tap hears the wire, whole and in order, and `without_password` leaves no password in what it heard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp import pdu as p
from smpp.codec import decode, encode
from smpp.constants import CommandId, CommandStatus
from smpp.session import Role, Session, SessionConfig
from smpp.tapping import MASK, RECEIVED, SENT, without_password
from smpp.tlvs import Tlvs
from tests.smpp.link import Link

WORDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=15)


def heard(link: Link) -> list:
    """What the server's tap hears from now on."""
    found: list = []
    link.smsc.tap = lambda way, frame, note: found.append((way, decode(frame).name, note))
    return found


def test_every_frame_is_heard_once_in_the_order_of_the_wire():
    link = Link()
    found = heard(link)
    link.bind()
    link.esme.send(p.SubmitSm(destination_addr="1"), now=link.now)
    link.pump()
    link.smsc.respond(link.at_smsc.pop().pdu.reply(message_id="x"), now=link.now)
    link.smsc.send(p.DeliverSm(), now=link.now)
    link.esme.unbind(now=link.now)
    link.pump()
    assert [(way, name) for way, name, _ in found] == [
        (RECEIVED, "bind_transceiver"), (SENT, "bind_transceiver_resp"), (RECEIVED, "submit_sm"),
        (SENT, "submit_sm_resp"), (SENT, "deliver_sm"), (RECEIVED, "unbind"), (SENT, "unbind_resp"),
    ]  # fmt: skip
    assert not any(note for _, _, note in found)


def test_the_note_of_an_answer_reaches_the_tap_and_not_the_wire():
    link = Link().bind()
    found = heard(link)
    link.esme.send(p.SubmitSm(destination_addr="1"), now=link.now)
    link.pump()
    link.smsc.respond(link.at_smsc.pop().pdu.reply(CommandStatus.ESME_RINVDSTADR), now=link.now, note="no route")
    assert b"no route" not in link.smsc.take_output()
    assert found[-1] == (SENT, "submit_sm_resp", "no route")


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (encode(p.SubmitSm(sequence=3)), "submit_sm in state open"),
        (b"\0\0\0\x10\0\0\x77\x77\0\0\0\0\0\0\0\1", "command_id 0x00007777 is unknown"),
        (b"\0\0\0\x11\0\0\0\x09\0\0\0\0\0\0\0\1x", "bind_transceiver.system_id: no closing NUL"),
        (b"\0\0\0\x0f\0\0\0\x09\0\0\0\0\0\0\0\1", "command_length is 15"),
    ],
)
def test_what_the_session_refuses_by_itself_says_why(octets, said):
    session, found = Session(Role.SMSC, now=0.0), []
    session.tap = lambda way, frame, note: found.append((way, note))
    session.receive(octets, 0.0)
    assert found[-1] == (SENT, said)


def test_a_window_that_is_full_and_a_second_bind_are_refused_in_words():
    link = Link(smsc=SessionConfig(incoming_window=1)).bind()
    notes = []
    link.smsc.tap = lambda way, frame, note: notes.append(note)
    for _ in range(2):
        link.esme.send(p.SubmitSm(destination_addr="1"), now=link.now)
    link.smsc.receive(encode(p.BindReceiver(sequence=99)) + link.esme.take_output(), link.now)
    assert [note for note in notes if note] == [
        "bind_receiver on a session that is bound, or about to be",
        "1 requests wait for their answers, and no more may",
    ]


@given(system_id=WORDS, password=WORDS, command=st.sampled_from([*p.BIND_COMMANDS, CommandId.OUTBIND]))
def test_no_password_is_left_and_everything_else_is(system_id, password, command):
    frame = encode(p.PDU_CLASSES[command](system_id=system_id, password=password, sequence=9), lenient=True)
    masked = decode(without_password(frame))
    assert (masked.system_id, masked.password, masked.sequence, masked.command_id) == (system_id, MASK, 9, command)


@pytest.mark.parametrize(
    "body",
    [
        b"me\0pa55word",  # no NUL
        b"me".ljust(16, b"\0") + b"pa55word\0",  # a field of fixed width
        b"me\0" + b"pa55word" * 20 + b"\0\0\x34\0\0\0",  # longer than any password
        b"me\0\0\0\x34\0\0\0pa55word",  # behind the end
        b"me\0\0\0\x34\0\0\0\x14\0\0\x08pa55word",  # in a parameter
    ],
)
def test_a_password_in_a_wrong_place_is_not_kept_either(body):
    frame = (16 + len(body)).to_bytes(4, "big") + b"\0\0\0\x09\0\0\0\0\0\0\0\1" + body
    masked = without_password(frame)
    assert b"pa55" not in masked
    assert int.from_bytes(masked[:4], "big") == len(masked) and masked[4:16] == frame[4:16]


def test_other_pdus_are_kept_as_they_are():
    for frame in (
        encode(p.AlertNotification(source_addr="1", sequence=2)),
        encode(p.BindTransceiverResp(system_id="us", tlvs=Tlvs([(0x0210, b"\x34")]))),
    ):
        assert without_password(frame) is frame
