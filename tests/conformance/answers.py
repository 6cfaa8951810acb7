"""Cases of spec/smpp.md 5.6 and 5.7, and the refusals of the issue: receipts as they are written, and every status."""

import re
from functools import partial

from common.errors import Busy
from messaging.models import Message, Status
from smpp.constants import CommandStatus as S
from smpp.constants import MessageState
from tests.conformance.content import sent
from tests.conformance.house import House, rule
from tests.conformance.raw_peer import (
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    CANCEL_SM,
    DATA_SM,
    QUERY_SM,
    REPLACE_SM,
    SUBMIT_MULTI,
    SUBMIT_SM,
    Delivered,
    cstring,
    delivered,
    submit,
    tlv,
)  # fmt: skip
from tests.support.cast import SMPP_PASSWORD

# -- 5.6 receipts


def receipt(house: House, *, status: str = Status.DELIVERED, code: str = "", who: str = "esme", version: int = 0x34,
            registered: int = 1) -> tuple[str, Delivered]:  # fmt: skip
    """The id of a message and its receipt."""
    number = house.number()
    with house.peer(who=who, version=version) as peer:
        key = peer.ask(SUBMIT_SM, submit(number, b"Hello, how are you today?", registered=registered)).text
        house.end(number, status, code)
        return key, delivered(peer.next_request().body)


@rule("5.6 a receipt has every field of the usual text, in its width")
def text(house: House) -> None:
    key, found = receipt(house)
    pattern = (
        rf"id:{key} sub:001 dlvrd:001 submit date:\d{{10}} done date:\d{{10}} stat:DELIVRD err:000 "
        r"text:Hello, how are you t"
    )
    assert re.fullmatch(pattern, found.octets.decode())
    assert (found.esm_class, found.data_coding) == (0x04, 0)


@rule("5.6 a receipt has both parameters, receipted_message_id and message_state")
def parameters(house: House) -> None:
    key, found = receipt(house)
    assert found.tlvs[0x001E] == cstring(key) and found.tlvs[0x0427] == bytes((MessageState.DELIVERED,))


@rule("5.6 a 3.3 client gets receipts without parameters")
def old_client(house: House) -> None:
    key, found = receipt(house, who="old", version=0x33)
    assert not found.tlvs and f"id:{key} ".encode() in found.octets


def _style(house: House, who: str, pattern: str) -> None:
    key, found = receipt(house, who=who)
    assert re.fullmatch(pattern, key)
    assert f"id:{key} ".encode() in found.octets and found.tlvs[0x001E] == cstring(key)


for _who, _pattern in {"esme": r"[0-9a-f-]{36}", "decimal": r"\d{18,19}", "hexadecimal": r"[0-9a-f]{16}"}.items():
    rule(f"5.6 the receipt has the same string as the answer: ids of {_who}")(
        partial(_style, who=_who, pattern=_pattern)
    )

STATES = {
    Status.DELIVERED: ("DELIVRD", MessageState.DELIVERED), Status.UNDELIVERED: ("UNDELIV", MessageState.UNDELIVERABLE),
    Status.EXPIRED: ("EXPIRED", MessageState.EXPIRED), Status.REJECTED: ("REJECTD", MessageState.REJECTED),
    Status.DELETED: ("DELETED", MessageState.DELETED), Status.UNKNOWN: ("UNKNOWN", MessageState.UNKNOWN),
    Status.FAILED: ("UNDELIV", MessageState.UNDELIVERABLE),
}  # fmt: skip


def _state(house: House, status: str, word: str, state: int) -> None:
    _, found = receipt(house, status=status, code="" if status == Status.DELIVERED else "11")
    assert f"stat:{word} err:{'000' if status == Status.DELIVERED else '011'} ".encode() in found.octets
    assert found.tlvs[0x0427] == bytes((state,))


for _status, (_word, _number) in STATES.items():
    rule(f"5.6 {_status} is told as stat:{_word}, seven letters, with three digits of err")(
        partial(_state, status=_status, word=_word, state=_number)
    )


@rule("5.6 the network's error code is a parameter too")
def network_error(house: House) -> None:
    _, found = receipt(house, status=Status.UNDELIVERED, code="011")
    assert found.tlvs[0x0423] == b"\x03\x00\x0b"


@rule("5.6 failures alone are told to whom asked for them alone")
def failures_only(house: House) -> None:
    number = house.number()
    with house.peer() as peer:
        peer.ask(SUBMIT_SM, submit(number, registered=2))
        house.end(number)
    _, found = receipt(house, status=Status.UNDELIVERED, registered=2)
    assert b"stat:UNDELIV" in found.octets and number.encode() not in found.source[2].encode()


@rule("5.6 a receipt goes to a receiver as well, also when it was sent over a transmitter")
def other_bind(house: House) -> None:
    number = house.number()
    with house.peer(BIND_TRANSMITTER, "hexadecimal") as sender, house.peer(BIND_RECEIVER, "hexadecimal") as receiver:
        key = sender.ask(SUBMIT_SM, submit(number, registered=1)).text
        house.end(number)
        assert f"id:{key} ".encode() in delivered(receiver.next_request().body).octets


# -- 5.7 and the refusals of the issue


def _refused_bind(house: House, status: int, who: str = "esme", password: str = SMPP_PASSWORD,
                  mode: int = BIND_TRANSCEIVER) -> None:  # fmt: skip
    with house.stranger() as peer:
        system_id = house.system_id(who) if who in house.clients else who
        answer = peer.bind(mode, system_id, password)
        assert (answer.status, answer.body) == (status, b""), hex(answer.status)
        assert peer.closed()


rule("5.7 a wrong password: RINVPASWD")(partial(_refused_bind, password="wrong", status=S.ESME_RINVPASWD))
rule("5.7 an unknown system_id: RINVSYSID")(partial(_refused_bind, who="nobody", status=S.ESME_RINVSYSID))
rule("5.7 a suspended account: RBINDFAIL")(partial(_refused_bind, who="suspended", status=S.ESME_RBINDFAIL))
rule("5.7 a client that is switched off: RBINDFAIL")(partial(_refused_bind, who="off", status=S.ESME_RBINDFAIL))
rule("5.7 an address that is not on the list: RBINDFAIL")(
    partial(_refused_bind, who="elsewhere", status=S.ESME_RBINDFAIL)
)
rule("5.7 a mode that the client may not use: RBINDFAIL")(
    partial(_refused_bind, who="sender", mode=BIND_RECEIVER, status=S.ESME_RBINDFAIL)
)
rule("5.7 without TLS where it is demanded: RBINDFAIL")(partial(_refused_bind, who="secure", status=S.ESME_RBINDFAIL))


@rule("5.7 more binds than the client may have: RALYBND")
def too_many_binds(house: House) -> None:
    with house.peer(who="single"):
        _refused_bind(house, S.ESME_RALYBND, "single")


@rule("5.7 a second bind on a session: RALYBND, and the session goes on")
def bound_already(house: House) -> None:
    with house.peer() as peer:
        assert peer.bind(BIND_TRANSMITTER, house.system_id(), SMPP_PASSWORD).status == S.ESME_RALYBND
        assert peer.ask(SUBMIT_SM, submit(house.number())).status == 0


REQUESTS = {
    "submit_sm": (SUBMIT_SM, submit("971500000000")),
    "submit_multi": (SUBMIT_MULTI, b"\0\0\0\0\1\1\1\1" + cstring("971500000000") + bytes(9) + b"\1x"),
    "data_sm": (DATA_SM, b"\0\0\0\0\1\1" + cstring("971500000000") + bytes(3) + tlv(0x0424, b"x")),
    "query_sm": (QUERY_SM, cstring("x") + bytes(3)),
    "cancel_sm": (CANCEL_SM, b"\0" + cstring("x") + bytes(6)),
    "replace_sm": (REPLACE_SM, cstring("x") + bytes(8)),
}


def _not_bound(house: House, command: int, body: bytes) -> None:
    with house.stranger() as peer:
        assert peer.ask(command, body).status == S.ESME_RINVBNDSTS
    assert house.untouched("971500000000")


def _as_receiver(house: House, command: int, body: bytes) -> None:
    with house.peer(BIND_RECEIVER) as peer:
        assert peer.ask(command, body).status == S.ESME_RINVBNDSTS
    assert house.untouched("971500000000")


for _name, (_command, _body) in REQUESTS.items():
    rule(f"5.7 {_name} of one who is not bound: RINVBNDSTS")(partial(_not_bound, command=_command, body=_body))
    rule(f"5.7 {_name} of a receiver: RINVBNDSTS")(partial(_as_receiver, command=_command, body=_body))


@rule("5.7 over the rate: RTHROTTLED, and nothing is written")
def over_the_rate(house: House) -> None:
    numbers = [house.number() for _ in range(8)]
    with house.peer(who="throttled") as peer:
        statuses = {number: peer.ask(SUBMIT_SM, submit(number)).status for number in numbers}
    assert set(statuses.values()) == {0, S.ESME_RTHROTTLED}
    assert all(house.untouched(number) == bool(status) for number, status in statuses.items())


@rule("5.7 a full line: RMSGQFUL")
def full_line(house: House) -> None:
    batcher, number = house.server.service.shared.batcher, house.number()
    real = batcher.line_up

    def full(_: object) -> None:
        raise Busy("busy")

    with house.peer(who="busy") as peer:
        batcher.line_up = full  # type: ignore[method-assign, assignment]
        try:
            assert peer.ask(SUBMIT_SM, submit(number)).status == S.ESME_RMSGQFUL
        finally:
            batcher.line_up = real  # type: ignore[method-assign]
    assert house.untouched(number)


rule("5.7 no credit: 0x400")(partial(sent, who="poor", status=0x400))
rule("5.7 a sender that is not registered: RINVSRCADR")(partial(sent, who="strict", status=S.ESME_RINVSRCADR))
rule("5.7 a text of no length: RINVMSGLEN")(partial(sent, octets=b"", status=S.ESME_RINVMSGLEN))
rule("5.7 a replace flag that is none: RINVREPFLAG")(partial(sent, replace=2, status=S.ESME_RINVREPFLAG))
rule("5.7 a predefined message: RINVDFTMSGID")(partial(sent, default=9, status=S.ESME_RINVDFTMSGID))


@rule("5.7 a number that is none: RINVDSTADR")
def bad_number(house: House) -> None:
    before = Message.objects.count()
    with house.peer() as peer:
        for number in ("", "12", "+", "not a number", "0" * 20):
            assert peer.ask(SUBMIT_SM, submit(number)).status == S.ESME_RINVDSTADR, number
    assert Message.objects.count() == before


@rule("5.7 distribution lists: RCNTSUBDL")
def distribution_list(house: House) -> None:
    body = b"\0\0\0\0\1\2" + cstring("friends") + bytes(9) + b"\1x"
    with house.peer() as peer:
        assert peer.ask(SUBMIT_MULTI, body).status == S.ESME_RCNTSUBDL


for _name in ("query_sm", "cancel_sm", "replace_sm"):

    @rule(f"5.7 {_name} of an id that nobody was given: RINVMSGID")
    def unknown_id(house: House, _command: int = REQUESTS[_name][0], _body: bytes = REQUESTS[_name][1]) -> None:
        with house.peer() as peer:
            assert peer.ask(_command, _body).status == S.ESME_RINVMSGID
