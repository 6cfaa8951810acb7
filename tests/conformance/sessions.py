"""Cases of spec/smpp.md 5.1: frames, commands, sessions."""

import os
import struct
from functools import partial

from smpplib import command_codes

from smpp.constants import CommandStatus as S
from tests.conformance.house import House, rule
from tests.conformance.raw_peer import (
    ALERT_NOTIFICATION,
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    CANCEL_SM,
    DATA_SM,
    DELIVER_SM,
    ENQUIRE_LINK,
    HEADER,
    NACK,
    OUTBIND,
    QUERY_SM,
    REPLACE_SM,
    RESPONSE,
    SUBMIT_MULTI,
    SUBMIT_SM,
    UNBIND,
    cstring,
    submit,
    tlv,
    tlvs,
)  # fmt: skip
from tests.support.cast import SMPP_PASSWORD

MODES = {"transmitter": BIND_TRANSMITTER, "receiver": BIND_RECEIVER, "transceiver": BIND_TRANSCEIVER}
VERSIONS = {"3.3": 0x33, "3.4": 0x34, "5.0": 0x50}


@rule("5.1 a response repeats the sequence of its request, also the last one there is")
def sequences(house: House) -> None:
    with house.peer() as peer:
        for sequence in (1, 77, 0x7FFFFFFF):
            assert peer.ask(ENQUIRE_LINK, sequence=sequence).sequence == sequence


@rule("5.1 a response is its request with the highest bit")
def response_bit(house: House) -> None:
    with house.peer() as peer:
        asked = {QUERY_SM: cstring("x") + bytes(3), ENQUIRE_LINK: b"", SUBMIT_SM: submit(house.number())}
        for command, body in asked.items():
            assert peer.ask(command, body).command == command | RESPONSE


def _length(house: House, length: int) -> None:
    with house.peer() as peer, house.peer() as other:
        peer.write(HEADER.pack(length, ENQUIRE_LINK, 0, 9))
        nack = peer.read()
        assert (nack.command, nack.status) == (NACK, S.ESME_RINVCMDLEN) and peer.closed()
        assert other.ask(ENQUIRE_LINK).status == 0


for _bad in (0, 15, 70_000, 0xFFFFFFFF):
    rule(f"5.1 a command_length of {_bad} gets generic_nack and ends the session")(partial(_length, length=_bad))


def _bind(house: House, mode: int, version: int) -> None:
    with house.stranger() as peer:
        answer = peer.bind(mode, house.system_id(), SMPP_PASSWORD, version=version)
        assert (answer.command, answer.status) == (mode | RESPONSE, 0)
        known = tlvs(answer.after_text).get(0x0210)
        assert known == (bytes((0x34,)) if version >= 0x34 else None)
        assert peer.ask(ENQUIRE_LINK).status == 0
        assert peer.ask(UNBIND).status == 0 and peer.closed()


for _mode, _command in MODES.items():
    for _name, _version in VERSIONS.items():
        rule(f"5.1 bind_{_mode} with {_name} binds, and names our version where TLVs are known")(
            partial(_bind, mode=_command, version=_version)
        )


@rule("5.1 submit_sm is answered with an id")
def submit_sm(house: House) -> None:
    with house.peer(BIND_TRANSMITTER) as peer:
        number = house.number()
        answer = peer.ask(SUBMIT_SM, submit(number))
        assert (answer.status, answer.text) == (0, str(house.message(number).id))


@rule("5.1 submit_multi is answered with one id and the numbers that were refused")
def submit_multi(house: House) -> None:
    good = house.number()
    addresses = b"".join(bytes((1, 1, 1)) + cstring(to) for to in (good, "12"))
    body = b"\0" + bytes((5, 0)) + cstring("BANK") + b"\2" + addresses + bytes(5) + bytes((0, 0, 0, 0, 2)) + b"hi"
    with house.peer() as peer:
        answer = peer.ask(SUBMIT_MULTI, body)
        assert (answer.status, answer.text) == (0, str(house.message(good).id))
        refused = answer.after_text
        assert refused == b"\1\1\1" + cstring("12") + struct.pack(">L", S.ESME_RINVDSTADR)


@rule("5.1 data_sm carries a message")
def data_sm(house: House) -> None:
    number = house.number()
    addresses = b"\0" + bytes((5, 0)) + cstring("BANK") + bytes((1, 1)) + cstring(number)
    with house.peer() as peer:
        assert peer.ask(DATA_SM, addresses + bytes(3) + tlv(0x0424, b"by data")).status == 0
        assert house.message(number).content == "by data"


def _later(house: House, peer: object) -> tuple[str, str]:
    number = house.number()
    answer = peer.ask(SUBMIT_SM, submit(number, schedule="000000010000000R"))  # type: ignore[attr-defined]
    return number, answer.text


@rule("5.1 query_sm tells the state of a message")
def query_sm(house: House) -> None:
    with house.peer() as peer:
        _, key = _later(house, peer)
        answer = peer.ask(QUERY_SM, cstring(key) + bytes(2) + b"\0")
        assert (answer.status, answer.text) == (0, key)
        assert answer.after_text == b"\0" + bytes((1, 0))  # no final date; to 3.4 ENROUTE; no error


@rule("5.1 cancel_sm calls a waiting message back")
def cancel_sm(house: House) -> None:
    with house.peer() as peer:
        number, key = _later(house, peer)
        addresses = bytes((5, 0)) + cstring("BANK") + bytes((1, 1)) + cstring(number)
        answer = peer.ask(CANCEL_SM, b"\0" + cstring(key) + addresses)
        assert (answer.status, answer.body) == (0, b"") and house.message(number).status == "CANCELLED"


@rule("5.1 replace_sm changes a waiting message")
def replace_sm(house: House) -> None:
    with house.peer() as peer:
        number, key = _later(house, peer)
        body = cstring(key) + bytes((5, 0)) + cstring("BANK") + b"\0\0" + bytes((1, 0, 4)) + b"News"
        answer = peer.ask(REPLACE_SM, body)
        assert (answer.status, house.message(number).content) == (0, "News")


@rule("5.1 unbind is answered at once and ends the session")
def unbind(house: House) -> None:
    with house.peer() as peer:
        answer = peer.ask(UNBIND)
        assert (answer.command, answer.status) == (UNBIND | RESPONSE, 0) and peer.closed()


def _enquire(house: House, mode: int) -> None:
    with house.peer(mode) as peer:
        assert peer.ask(ENQUIRE_LINK).status == 0


for _mode, _command in MODES.items():
    rule(f"5.1 enquire_link is answered to a bound {_mode}")(partial(_enquire, mode=_command))


@rule("5.1 outbind is refused")
def outbind(house: House) -> None:
    with house.stranger() as peer:
        peer.send(OUTBIND, cstring("them") + cstring("secret"), sequence=4)
        assert (peer.read().status, peer.bind(BIND_TRANSMITTER, house.system_id(), SMPP_PASSWORD).status) == (
            S.ESME_RINVBNDSTS, 0,
        )  # fmt: skip


def _not_for_a_server(house: House, command: int, body: bytes) -> None:
    with house.peer() as peer:
        peer.send(command, body, sequence=4)
        answer = peer.read()
        assert (answer.sequence, answer.status) == (4, S.ESME_RINVBNDSTS)
        assert peer.ask(ENQUIRE_LINK).status == 0


rule("5.1 deliver_sm of a customer is refused: he forges no receipts")(
    partial(_not_for_a_server, command=DELIVER_SM, body=submit("971501234567"))
)
rule("5.1 alert_notification of a customer is refused")(
    partial(_not_for_a_server, command=ALERT_NOTIFICATION, body=bytes(2) + b"a\0" + bytes(2) + b"b\0")
)


@rule("5.1 an unknown command gets generic_nack and the session goes on")
def unknown_command(house: House) -> None:
    with house.peer() as peer:
        peer.send(0x77, b"abc", sequence=5)
        nack = peer.read()
        assert (nack.command, nack.status, nack.sequence) == (NACK, S.ESME_RINVCMDID, 5)
        assert peer.ask(ENQUIRE_LINK).status == 0


@rule("5.1 a response that nobody waits for is ignored and the session goes on")
def unasked_response(house: House) -> None:
    with house.peer() as peer:
        peer.send(DELIVER_SM | RESPONSE, b"\0", sequence=999)
        peer.send(NACK, sequence=998, status=3)
        assert peer.ask(ENQUIRE_LINK).status == 0


@rule("5.1 a PDU in pieces is read whole, and two in one piece are two")
def pieces(house: House) -> None:
    with house.peer() as peer:
        frame = HEADER.pack(16, ENQUIRE_LINK, 0, 21)
        for octet in frame:
            peer.write(bytes((octet,)))
        peer.write(HEADER.pack(16, ENQUIRE_LINK, 0, 22) + HEADER.pack(16, ENQUIRE_LINK, 0, 23))
        assert [peer.read().sequence for _ in range(3)] == [21, 22, 23]


def _field(house: House, status: int, **fields: object) -> None:
    number = house.number()
    with house.peer() as peer:
        answer = peer.ask(SUBMIT_SM, submit(number, **fields))  # type: ignore[arg-type]
        assert answer.status == status, hex(answer.status)
        assert bool(status) == house.untouched(number)
        assert peer.ask(ENQUIRE_LINK).status == 0


rule("5.1 service_type has at most 5 characters")(partial(_field, service="TOOLONG", status=S.ESME_RINVSERTYP))
rule("5.1 source_addr has at most 20 characters")(partial(_field, source=(0, 0, "1" * 21), status=S.ESME_RINVSRCADR))
rule("5.1 a time has 16 characters or none")(partial(_field, schedule="0000000", status=S.ESME_RINVSCHED))
rule("5.1 a short_message has up to 254 octets")(partial(_field, octets=b"x" * 254, status=S.ESME_ROK))


@rule("5.1 destination_addr has at most 20 characters")
def long_destination(house: House) -> None:
    with house.peer() as peer:
        assert peer.ask(SUBMIT_SM, submit("9" * 21)).status == S.ESME_RINVDSTADR


@rule("5.1 a short_message whose sm_length lies is refused")
def lying_length(house: House) -> None:
    number = house.number()
    with house.peer() as peer:
        body = submit(number, b"Hello")
        answer = peer.ask(SUBMIT_SM, body[:-6] + bytes((200,)) + body[-5:])
        assert answer.status == S.ESME_RINVMSGLEN and house.untouched(number)


@rule("5.1 a string without its end is refused and the session goes on")
def endless_string(house: House) -> None:
    with house.peer() as peer:
        assert peer.ask(SUBMIT_SM, b"never ends").status != 0
        assert peer.ask(ENQUIRE_LINK).status == 0


@rule("5.1 a system_id of more than 15 characters is not known")
def long_system_id(house: House) -> None:
    with house.stranger() as peer:
        assert peer.bind(BIND_TRANSMITTER, "s" * 20, "x").status == S.ESME_RINVSYSID


@rule("5.1 a message_id of more than 64 characters is not known")
def long_message_id(house: House) -> None:
    with house.peer() as peer:
        assert peer.ask(QUERY_SM, cstring("1" * 80) + bytes(3)).status == S.ESME_RINVMSGID


@rule("5.1 an error answer has no body")
def bare_error(house: House) -> None:
    with house.peer() as peer:
        answer = peer.ask(SUBMIT_SM, submit("12"))
        assert (answer.status, answer.body) == (S.ESME_RINVDSTADR, b"")


@rule("5.1 a window of answers may come in any order and each names its request")
def window(house: House) -> None:
    with house.peer() as peer:
        sent = {peer.send(SUBMIT_SM, submit(house.number())) for _ in range(50)}
        answers = [peer.read() for _ in range(50)]
        assert {answer.sequence for answer in answers} == sent and {answer.status for answer in answers} == {0}


@rule("5.1 above the window a request is throttled and leaves nothing behind")
def above_window(house: House) -> None:
    numbers = [house.number() for _ in range(12)]
    with house.peer(who="narrow") as peer:
        sent = [b"".join(_framed(n, number) for n, number in enumerate(numbers, 2))]
        peer.write(b"".join(sent))
        answers = {frame.sequence: frame.status for frame in (peer.read() for _ in numbers)}
        assert set(answers.values()) == {0, S.ESME_RTHROTTLED}
        for n, number in enumerate(numbers, 2):
            assert house.untouched(number) == bool(answers[n])


def _framed(sequence: int, number: str) -> bytes:
    body = submit(number)
    return HEADER.pack(16 + len(body), SUBMIT_SM, 0, sequence) + body


@rule("5.1 the time until a bind does not begin anew with what is sent")
def before_a_bind(house: House) -> None:
    with house.stranger() as peer:
        peer.send(ENQUIRE_LINK, sequence=3)
        assert peer.read().status == S.ESME_RINVBNDSTS


@rule("5.1 garbage ends its own session alone")
def garbage(house: House) -> None:
    with house.peer() as other:
        for _ in range(5):
            with house.stranger() as peer:
                peer.write(b"\xff" + os.urandom(400))
                assert peer.closed()
        assert other.ask(ENQUIRE_LINK).status == 0


@rule("5.1 the numbers of the commands are those of smpplib")
def numbers_of_others(house: House) -> None:
    ours = {
        "bind_receiver": BIND_RECEIVER, "bind_transmitter": BIND_TRANSMITTER, "query_sm": QUERY_SM,
        "submit_sm": SUBMIT_SM, "deliver_sm": DELIVER_SM, "unbind": UNBIND, "replace_sm": REPLACE_SM,
        "cancel_sm": CANCEL_SM, "bind_transceiver": BIND_TRANSCEIVER, "outbind": OUTBIND,
        "enquire_link": ENQUIRE_LINK, "submit_multi": SUBMIT_MULTI, "data_sm": DATA_SM,
    }  # fmt: skip
    theirs = {name: command_codes.get_command_code(name) for name in ours}
    assert theirs == ours and house.port
