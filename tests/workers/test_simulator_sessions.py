"""Binds, refusals, limits, cut sessions, and the questions a customer may ask."""

import asyncio

import pytest

from smpp import stream
from smpp.constants import CommandStatus, MessageState
from smpp.errors import RequestTimeout, SessionClosed
from smpp.events import CloseReason
from smpp.pdu import (
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    CancelSm,
    DataSm,
    DistributionList,
    EnquireLink,
    QuerySm,
    ReplaceSm,
    SmeAddress,
    SubmitMulti,
)
from tests.workers.simulator_cast import line, sms, until
from workers.simulator import Simulator, SimulatorConfig, SimulatorThread, magic_number

FAST = {"delay_ms": 5, "time_scale": 0.01}


async def bind_status(smsc: Simulator, system_id: str = "customer", password: str = "secret") -> int:
    connection = await stream.connect("127.0.0.1", smsc.port)
    try:
        return (await connection.request(BindTransceiver(system_id=system_id, password=password))).status
    finally:
        connection.abort()


async def test_only_the_right_password_binds() -> None:
    async with Simulator(SimulatorConfig(credentials={"customer": "secret"})) as smsc:
        assert await bind_status(smsc) == 0
        assert await bind_status(smsc, password="wrong") == CommandStatus.ESME_RINVPASWD
        assert await bind_status(smsc, system_id="nobody") == CommandStatus.ESME_RINVSYSID
        assert (smsc.counters.binds, smsc.counters.refused_binds) == (1, 2)


async def test_the_first_binds_are_refused_with_the_chosen_status() -> None:
    async with Simulator(SimulatorConfig(refuse_binds="0x0E:2")) as smsc:
        assert [await bind_status(smsc) for _ in range(3)] == [0x0E, 0x0E, 0]


async def test_a_bind_may_stay_unanswered_or_be_closed() -> None:
    async with Simulator(SimulatorConfig(refuse_binds="hang")) as smsc:
        connection = await stream.connect("127.0.0.1", smsc.port)
        with pytest.raises(RequestTimeout):
            await connection.request(BindTransceiver(system_id="a"), timeout=0.2)
        connection.abort()
        smsc.configure(refuse_binds="close")
        with pytest.raises(SessionClosed):
            await bind_status(smsc)
        smsc.configure(refuse_binds=None)
        assert await bind_status(smsc) == 0


async def test_one_bind_too_many_is_refused() -> None:
    async with Simulator(SimulatorConfig(max_binds=1)) as smsc, line(smsc):
        assert await bind_status(smsc) == CommandStatus.ESME_RALYBND
        assert await bind_status(smsc, system_id="another") == 0


async def test_receipts_go_to_the_receiver_of_the_same_system_id() -> None:
    async with (
        Simulator(SimulatorConfig(**FAST)) as smsc,
        line(smsc, BindTransmitter(system_id="a")) as sender,
        line(smsc, BindReceiver(system_id="b")) as stranger,
    ):
        await sender.ask()
        await until(lambda: smsc.counters.receipts_waiting == 1)
        async with line(smsc, BindReceiver(system_id="a")) as receiver:
            await until(lambda: receiver.received)
            assert not sender.received
            assert not stranger.received


async def test_receipts_take_turns_or_avoid_the_sender() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as first, line(smsc) as second:
        for number in range(4):
            await first.ask(text=f"turn {number}")
        await until(lambda: smsc.counters.receipts_acked == 4)
        assert (len(first.received), len(second.received)) == (2, 2)
        smsc.configure(receipt_target="other")
        for number in range(4):
            await first.ask(text=f"other {number}")
        await until(lambda: smsc.counters.receipts_acked == 8)
        assert (len(first.received), len(second.received)) == (2, 6)


async def test_a_receipt_without_acknowledgement_comes_again_after_a_reconnect() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc:
        async with line(smsc) as deaf:
            deaf.verdict = None
            await deaf.ask()
            await until(lambda: deaf.received)
        async with line(smsc) as again:
            await until(lambda: smsc.counters.receipts_acked == 1)
            assert again.texts == deaf.texts


async def test_a_receipt_that_is_put_off_comes_again_and_a_refused_one_does_not() -> None:
    async with Simulator(SimulatorConfig(receipt_retry_seconds=0.01, **FAST)) as smsc, line(smsc) as customer:
        customer.verdict = CommandStatus.ESME_RX_T_APPN
        await customer.ask()
        await until(lambda: len(customer.received) >= 2)
        customer.verdict = CommandStatus.ESME_RX_R_APPN
        await until(lambda: smsc.counters.receipts_refused == 1)
        assert smsc.counters.receipts_acked == 0
        assert smsc.counters.receipts_waiting == 0


async def test_no_wish_no_receipt_and_failures_only() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        await customer.ask(registered_delivery=0)
        await customer.ask(magic_number(0), registered_delivery=2)
        await customer.ask(magic_number(1), registered_delivery=2)
        await until(lambda: smsc.counters.receipts_acked == 1 and not smsc.counters.receipts_waiting)
        assert [pdu.source_addr for pdu in customer.received] == [magic_number(1)]


async def test_submits_beyond_the_rate_are_throttled_and_leave_nothing() -> None:
    async with Simulator(SimulatorConfig(throttle_rate=5, **FAST)) as smsc, line(smsc) as customer:
        statuses = [(await customer.ask(text=str(number))).status for number in range(12)]
        assert statuses == [0] * 5 + [CommandStatus.ESME_RTHROTTLED] * 7
        assert [message.text for message in smsc.messages] == ["0", "1", "2", "3", "4"]


async def test_submits_beyond_the_window_are_refused() -> None:
    config = SimulatorConfig(window_limit=3, window_status=0x45, answer_ms=100, **FAST)
    async with Simulator(config) as smsc, line(smsc) as customer:
        for number in range(5):
            customer.send(text=str(number), registered_delivery=0)
        await until(lambda: len(customer.log) == 5)
        # The refusals are as slow as the answers.
        assert sorted(pdu.status for pdu in customer.log) == [0, 0, 0, 0x45, 0x45]
        assert smsc.counters.max_window_seen == 5
        assert len(smsc.messages) == 3


async def test_every_nth_submit_is_refused() -> None:
    async with Simulator(SimulatorConfig(refuse_every="3:0x14", **FAST)) as smsc, line(smsc) as customer:
        statuses = [(await customer.ask(text=str(number))).status for number in range(6)]
        assert statuses == [0, 0, 0x14, 0, 0, 0x14]


async def test_answers_are_paced_and_may_come_out_of_order() -> None:
    async with Simulator(SimulatorConfig(tps=100, **FAST)) as smsc, line(smsc) as customer:
        start = asyncio.get_running_loop().time()
        await asyncio.gather(*(customer.ask(text=str(number)) for number in range(21)))
        assert asyncio.get_running_loop().time() - start >= 0.19
        smsc.configure(tps=0, answer_ms="1-80")
        sent = [customer.send(text=f"o{number}", registered_delivery=0) for number in range(40)]
        await until(lambda: [pdu for pdu in customer.log if pdu.sequence == sent[-1]])
        await until(lambda: len([pdu for pdu in customer.log if pdu.is_response]) == 40)
        answered = [pdu.sequence for pdu in customer.log if pdu.is_response]
        assert sorted(answered) == sent
        assert answered != sent


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("rst", CloseReason.CONNECTION_LOST),
        ("fin", CloseReason.CONNECTION_LOST),
        ("unbind", CloseReason.PEER_UNBOUND),
        ("silence", CloseReason.PEER_DEAD),
    ],
)
async def test_a_session_is_cut_at_the_nth_message(kind: str, reason: CloseReason) -> None:
    config = SimulatorConfig(disconnect_every=f"3:{kind}", delay_ms=5)
    timers = {"enquire_link_seconds": 0.2, "enquire_link_response_seconds": 0.2}
    async with Simulator(config) as smsc, line(smsc, **timers) as customer:
        for number in range(5):
            customer.send(text=str(number), registered_delivery=0)
        closed = await until(lambda: customer.ended)
        assert closed.reason is reason
        assert [message.text for message in smsc.messages] == ["0", "1", "2"]
        answered = len([pdu for pdu in customer.log if pdu.is_response])
        assert answered + len(closed.unanswered) == 5
        assert smsc.counters.disconnects == 1


async def test_a_customer_whose_enquire_link_is_overlooked_can_still_send() -> None:
    async with Simulator(SimulatorConfig(ignore_enquire_link=True, **FAST)) as smsc, line(smsc) as customer:
        with pytest.raises(RequestTimeout):
            await customer.connection.request(EnquireLink(), timeout=0.2)
        assert (await customer.ask()).status == 0
        smsc.configure(ignore_enquire_link=False)
        assert (await customer.connection.request(EnquireLink())).status == 0


async def test_a_message_can_be_queried_replaced_and_cancelled() -> None:
    async with Simulator(SimulatorConfig(delay_ms=300)) as smsc, line(smsc) as customer:
        message_id = (await customer.ask()).message_id
        ask = customer.connection.request
        question = QuerySm(message_id=message_id, source_addr="Acme")
        assert (await ask(question)).message_state == MessageState.ENROUTE
        new = ReplaceSm(message_id=message_id, source_addr="Acme", short_message=b"new", registered_delivery=1)
        assert (await ask(new)).status == 0
        assert smsc.messages[0].text == "new"
        end = CancelSm(message_id=message_id, source_addr="Acme", destination_addr="31612345678")
        assert (await ask(end)).status == 0
        assert (await ask(end)).status == CommandStatus.ESME_RCANCELFAIL
        assert (await ask(question)).message_state == MessageState.DELETED
        await until(lambda: customer.received)
        assert "stat:DELETED" in customer.texts[0]
        assert (await ask(QuerySm(message_id="none"))).status == CommandStatus.ESME_RQUERYFAIL
        assert (await ask(ReplaceSm(message_id="none"))).status == CommandStatus.ESME_RINVMSGID


async def test_data_sm_and_submit_multi_are_messages_too() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        data = DataSm(source_addr="Acme", destination_addr="31612345678", registered_delivery=1)
        data.tlvs.add(0x0424, b"by data")
        assert (await customer.connection.request(data)).message_id == smsc.messages[0].message_id
        targets = [SmeAddress(1, 1, "31611111111"), SmeAddress(1, 1, magic_number(19)), DistributionList("friends")]
        multi = SubmitMulti(source_addr="Acme", dest_addresses=targets, short_message=b"all", registered_delivery=1)
        answer = await customer.connection.request(multi)
        assert [(sme.destination_addr, sme.error_status_code) for sme in answer.unsuccess_smes] == [
            (magic_number(19), 0x0B),
            ("friends", 0x44),
        ]
        assert [message.text for message in smsc.messages] == ["by data", "all"]
        await until(lambda: smsc.counters.receipts_acked == 2)
        assert f"id:{answer.message_id} " in customer.texts[1]


async def test_duplicates_are_told_from_parts_and_from_other_texts() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        header = b"\x05\x00\x03\x07\x02"
        for number in (1, 2):
            await customer.ask(short_message=header + bytes((number,)) + b"same", esm_class=0x40)
        await customer.ask(text="same")
        await customer.ask(text="same", destination="31600000000")
        assert smsc.counters.duplicates == 0
        assert [message.text for message in smsc.messages] == ["same"] * 4
        assert smsc.messages[1].concat == (7, 2, 2)
        await customer.ask(text="same")
        assert smsc.counters.duplicates == 1
        assert [message.repeat for message in smsc.messages] == [False] * 4 + [True]


async def test_ordinary_messages_fail_at_the_chosen_rate() -> None:
    async with Simulator(SimulatorConfig(success_rate=0.5, seed=7, **FAST)) as smsc, line(smsc) as customer:
        await asyncio.gather(*(customer.ask(text=str(number)) for number in range(100)))
        delivered = [message for message in smsc.messages if message.outcome is MessageState.DELIVERED]
        assert 30 < len(delivered) < 70


async def test_a_full_backlog_refuses_instead_of_growing() -> None:
    async with Simulator(SimulatorConfig(delay_ms=60_000, backlog_limit=4)) as smsc, line(smsc) as customer:
        statuses = [(await customer.ask(text=str(number))).status for number in range(5)]
        # One entry of the backlog is the simulator's own clock.
        assert statuses == [0, 0, 0, CommandStatus.ESME_RMSGQFUL, CommandStatus.ESME_RMSGQFUL]


async def test_a_link_without_destination_is_refused() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        assert (await customer.connection.request(sms(""))).status == CommandStatus.ESME_RINVDSTADR
        assert not smsc.messages


def test_the_thread_serves_synchronous_callers() -> None:
    async def send(port: int) -> int:
        connection = await stream.connect("127.0.0.1", port)
        await connection.request(BindTransceiver(system_id="a"))
        answer = await connection.request(sms("31612345678"))
        await connection.unbind()
        return answer.status

    with SimulatorThread(SimulatorConfig(**FAST)) as smsc:
        assert asyncio.run(send(smsc.port)) == 0
        assert [message.text for message in smsc.messages] == ["hello"]
        assert smsc.counters["answers"] == {"ESME_ROK": 1}
        port = smsc.port
    smsc.stop()
    with pytest.raises(OSError):
        asyncio.run(send(port))


def test_a_taken_port_is_an_error_at_once() -> None:
    with SimulatorThread() as smsc, pytest.raises(OSError):
        SimulatorThread(SimulatorConfig(port=smsc.port)).start()
