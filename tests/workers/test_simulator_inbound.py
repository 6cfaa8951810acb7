"""Texts from handsets: plain, Unicode, long in any order; waiting until somebody receives."""

import pytest

from common.gsm import decode_ucs2, read_concat, read_udh
from smpp.constants import Tag
from smpp.pdu import BindReceiver, BindTransmitter
from tests.workers.simulator_cast import Customer, line, until
from workers.simulator import Simulator, SimulatorConfig

LONG = "0123456789" * 40


def parts(customer: Customer) -> list[tuple[int, str]]:
    """Number and text of each part as it came."""
    found = []
    for pdu in customer.received:
        elements, data = read_udh(pdu.short_message)
        found.append((read_concat(elements).number, data.decode()))
    return found


async def test_a_short_text_arrives_and_is_counted_when_acknowledged() -> None:
    async with Simulator() as smsc, line(smsc) as customer:
        assert smsc.send_mo("31611111111", "12345", "STOP") == 1
        await until(lambda: smsc.counters.mo_acked == 1)
        (pdu,) = customer.received
        assert (pdu.source_addr, pdu.destination_addr, pdu.short_message) == ("31611111111", "12345", b"STOP")
        assert (pdu.esm_class, pdu.data_coding) == (0, 0)


async def test_a_unicode_text_arrives_as_ucs2() -> None:
    async with Simulator() as smsc, line(smsc) as customer:
        smsc.send_mo("31611111111", "12345", "привет 👋")
        await until(lambda: customer.received)
        assert customer.received[0].data_coding == 8
        assert decode_ucs2(customer.received[0].short_message) == "привет 👋"


@pytest.mark.parametrize(
    ("order", "expected"),
    [("", [1, 2, 3]), ("reversed", [3, 2, 1]), ((2, 1, 2, 3), [2, 1, 2, 3]), ((3, 1), [3, 1])],
)
async def test_parts_come_in_the_order_asked_for(order: str | tuple[int, ...], expected: list[int]) -> None:
    async with Simulator() as smsc, line(smsc) as customer:
        assert smsc.send_mo("31611111111", "12345", LONG, order=order) == len(expected)
        await until(lambda: smsc.counters.mo_acked == len(expected))
        found = parts(customer)
        assert [number for number, _ in found] == expected
        if set(expected) == {1, 2, 3}:
            assert "".join(dict(found)[number] for number in (1, 2, 3)) == LONG


async def test_parts_may_be_numbered_by_tlv_or_travel_as_payload() -> None:
    async with Simulator() as smsc, line(smsc) as customer:
        smsc.send_mo("31611111111", "12345", LONG, mode="sar")
        smsc.send_mo("31611111111", "12345", LONG, mode="payload")
        await until(lambda: smsc.counters.mo_acked == 4)
        *sar, payload = customer.received
        assert [pdu.tlvs.integer(Tag.SAR_SEGMENT_SEQNUM) for pdu in sar] == [1, 2, 3]
        assert payload.tlvs.raw(Tag.MESSAGE_PAYLOAD) == LONG.encode()


async def test_a_text_waits_for_the_first_receiver() -> None:
    async with Simulator() as smsc:
        smsc.send_mo("31611111111", "12345", "early")
        async with line(smsc, BindTransmitter(system_id="a")) as deaf, line(smsc, BindReceiver(system_id="a")) as ear:
            await until(lambda: ear.texts == ["early"])
            assert not deaf.received


async def test_a_text_for_one_system_id_reaches_no_other() -> None:
    async with Simulator() as smsc, line(smsc, system_id="a") as first, line(smsc, system_id="b") as second:
        smsc.send_mo("31611111111", "12345", "for b", system_id="b")
        await until(lambda: second.texts == ["for b"])
        assert not first.received


async def test_texts_come_by_themselves() -> None:
    async with Simulator(SimulatorConfig(mo_every=0.01, mo_text="n {n}")) as smsc, line(smsc) as customer:
        await until(lambda: len(customer.texts) >= 3)
        assert customer.texts[:3] == ["n 1", "n 2", "n 3"]
        smsc.configure(mo_every=0)


@pytest.mark.parametrize("shape", [{"mode": "pigeon"}, {"order": (4,)}, {"encoding": "morse"}])
async def test_what_cannot_be_written_is_refused_and_nothing_is_sent(shape: dict[str, object]) -> None:
    async with Simulator() as smsc, line(smsc):
        with pytest.raises(ValueError):
            smsc.send_mo("31611111111", "12345", LONG, **shape)
        assert smsc.counters.mo_sent == smsc.counters.receipts_waiting == 0
