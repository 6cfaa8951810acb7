"""Each magic destination does what the table says."""

import asyncio
from dataclasses import dataclass

import pytest

from smpp.constants import CommandStatus, MessageState, Tag
from smpp.errors import RequestTimeout, SessionClosed
from smpp.pdu import DataSm, SubmitSmResp
from tests.workers.simulator_cast import Customer, line, until
from workers.simulator import MAGIC, STYLES, Simulator, SimulatorConfig, magic_number
from workers.simulator.magic import magic_plan, magic_table

FAST = {"delay_ms": 5, "time_scale": 0.01}


@dataclass(frozen=True)
class Outcome:
    """A code, the stat words of its receipts in order, and their err."""

    code: int
    stats: tuple[str, ...]
    err: str = "000"


OUTCOMES = (
    Outcome(0, ("DELIVRD",)),
    Outcome(1, ("UNDELIV",), "001"),
    Outcome(2, ("EXPIRED",), "002"),
    Outcome(3, ("REJECTD",), "003"),
    Outcome(4, ("DELETED",), "004"),
    Outcome(5, ("UNKNOWN",), "005"),
    Outcome(6, ("ENROUTE", "DELIVRD")),
    Outcome(9, ("DELIVRD", "DELIVRD")),
    Outcome(13, ("DELIVRD",)),
    Outcome(22, ("DELIVRD",)),
    Outcome(26, ("DELIVRD",)),
)


@pytest.mark.parametrize("case", OUTCOMES, ids=lambda case: MAGIC[case.code].meaning)
async def test_a_magic_number_ends_as_the_table_says(case: Outcome) -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        answer = await customer.ask(magic_number(case.code))
        assert answer.status == 0
        await until(lambda: len(customer.received) >= len(case.stats))
        await until(lambda: smsc.counters.receipts_acked == len(case.stats))
        for text, stat in zip(customer.texts, case.stats, strict=True):
            assert text.startswith(f"id:{answer.message_id} sub:001 ")
            assert f"stat:{stat} err:{case.err}" in text
        assert [pdu.tlvs.text(Tag.RECEIPTED_MESSAGE_ID) for pdu in customer.received] == [answer.message_id] * len(
            case.stats
        )


@pytest.mark.parametrize(
    ("code", "statuses"),
    [
        (16, ["ESME_RTHROTTLED", "ESME_ROK"]),
        (17, ["ESME_RMSGQFUL", "ESME_RMSGQFUL"]),
        (18, ["ESME_RSYSERR", "ESME_RSYSERR", "ESME_ROK"]),
        (19, ["ESME_RINVDSTADR", "ESME_RINVDSTADR"]),
        (20, ["ESME_RINVSRCADR"]),
        (21, ["ESME_RX_T_APPN"]),
        (29, ["ESME_RMSGQFUL"] * 3 + ["ESME_ROK"]),
        (30, ["ESME_RX_P_APPN"]),
        (269, ["ESME_RSUBMITFAIL"]),
    ],
)
async def test_a_refusing_number_answers_its_status_and_takes_nothing(code: int, statuses: list[str]) -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        answers = [await customer.ask(magic_number(code)) for _ in statuses]
        assert [answer.status for answer in answers] == [CommandStatus[name] for name in statuses]
        taken = statuses.count("ESME_ROK")
        await until(lambda: smsc.counters.receipts_acked == taken)
        assert len(smsc.messages) == taken == len(customer.received)
        assert smsc.counters.duplicates == 0


async def test_a_vendor_status_is_answered_by_its_number() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        assert (await customer.ask(magic_number(31))).status == 0x410
        assert not smsc.messages


async def test_no_receipt_means_none() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        await customer.ask(magic_number(7))
        await customer.ask(magic_number(0))
        await until(lambda: smsc.counters.receipts_acked == 1)
        assert [pdu.source_addr for pdu in customer.received] == [magic_number(0)]


async def test_the_receipt_overtakes_the_answer() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        customer.send(magic_number(8))
        await until(lambda: len(customer.log) == 2)
        receipt, answer = customer.log
        assert isinstance(answer, SubmitSmResp)
        assert answer.message_id == receipt.tlvs.text(Tag.RECEIPTED_MESSAGE_ID)


async def test_conflicting_receipts_name_both_ends() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        await customer.ask(magic_number(10))
        await until(lambda: len(customer.received) == 2)
        states = [pdu.tlvs.integer(Tag.MESSAGE_STATE) for pdu in customer.received]
        assert states == [MessageState.DELIVERED, MessageState.UNDELIVERABLE]


async def test_the_receipt_id_is_hexadecimal_and_the_answer_decimal() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        answer = await customer.ask(magic_number(11))
        await until(lambda: customer.received)
        receipted = customer.received[0].tlvs.text(Tag.RECEIPTED_MESSAGE_ID)
        assert receipted != answer.message_id
        assert int(receipted, 16) == int(answer.message_id)


async def test_a_receipt_may_be_nothing_but_tlvs() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        await customer.ask(magic_number(12))
        await until(lambda: customer.received)
        assert customer.received[0].short_message == b""
        assert customer.received[0].tlvs.integer(Tag.MESSAGE_STATE) == MessageState.DELIVERED


async def test_a_slow_answer_comes_after_its_wait() -> None:
    async with Simulator(SimulatorConfig(delay_ms=1, time_scale=0.04)) as smsc, line(smsc) as customer:
        before = asyncio.get_running_loop().time()
        assert (await customer.ask(magic_number(13))).status == 0
        assert asyncio.get_running_loop().time() - before >= 0.2


@pytest.mark.parametrize(("code", "taken"), [(14, 1), (27, 0)])
async def test_a_number_without_answer_lets_the_customer_wait(code: int, taken: int) -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc, response_seconds=0.2) as customer:
        with pytest.raises(RequestTimeout):
            await customer.ask(magic_number(code))
        assert len(smsc.messages) == taken
        await until(lambda: smsc.counters.receipts_acked == taken)
        assert smsc.counters.answers_withheld == 1
        assert (await customer.ask()).status == 0


@pytest.mark.parametrize(("code", "taken"), [(15, 1), (28, 0)])
async def test_a_cutting_number_ends_the_session_once(code: int, taken: int) -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc:
        async with line(smsc) as customer:
            with pytest.raises(SessionClosed):
                await customer.ask(magic_number(code))
        assert len(smsc.messages) == taken
        assert smsc.counters.disconnects == 1
        async with line(smsc) as again:
            assert (await again.ask(magic_number(code))).status == 0
            await until(lambda: smsc.counters.receipts_acked == taken + 1)
        assert smsc.counters.duplicates == taken


async def test_an_unknown_id_was_given_to_nobody() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        answer = await customer.ask(magic_number(23))
        await until(lambda: customer.received)
        assert customer.received[0].tlvs.text(Tag.RECEIPTED_MESSAGE_ID) not in ("", answer.message_id)


async def test_the_text_travels_in_message_payload() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        await customer.ask(magic_number(24))
        await until(lambda: customer.received)
        assert customer.received[0].short_message == b""
        assert b"stat:DELIVRD" in customer.received[0].tlvs.raw(Tag.MESSAGE_PAYLOAD)


async def test_the_text_travels_in_ucs2() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        await customer.ask(magic_number(25))
        await until(lambda: customer.received)
        assert customer.received[0].data_coding == 8
        assert "stat:DELIVRD" in customer.received[0].short_message.decode("utf-16-be")


async def test_dates_may_lack_their_space() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        await customer.ask(magic_number(26))
        await until(lambda: customer.received)
        assert " submitdate:" in customer.texts[0]
        assert " donedate:" in customer.texts[0]


async def test_every_style_has_a_number_and_leads_to_its_receipts() -> None:
    silent = {"none"}
    async with Simulator(SimulatorConfig(**FAST)) as smsc:
        for order, name in enumerate(STYLES):
            if name in silent | {"broken_frame"}:
                continue
            await _check_style(smsc, 100 + order, name)


async def _check_style(smsc: Simulator, code: int, name: str) -> None:
    async with line(smsc) as customer:
        answer = await customer.ask(magic_number(code), text=name)
        await until(lambda: _finals(customer))
        assert answer.status == 0, name
        assert isinstance(customer.received[0], DataSm) is (name == "data_sm")
        assert bool(customer.faults) is (name in ("garbage", "cut")), name


def _finals(customer: Customer) -> bool:
    expected = {"dup": 2, "dup_conflict": 2, "delivered_after_expired": 2, "enroute_after": 2}
    expected |= {"enroute_first": 2, "intermediate": 2, "accepted_first": 2}
    name = next(pdu.source_addr for pdu in customer.received) if customer.received else ""
    plan = magic_plan(name)
    return plan is not None and len(customer.received) == expected.get(plan.style, 1)


def test_ordinary_numbers_are_not_magic() -> None:
    assert magic_plan("31612345678") is None
    assert magic_plan("9990001") is None
    assert magic_plan("99900123456") is None
    assert magic_plan(magic_number(999)).meaning == "delivered"


def test_the_table_names_every_code() -> None:
    assert all(f"99900{code:03d}" in magic_table() for code in MAGIC)
