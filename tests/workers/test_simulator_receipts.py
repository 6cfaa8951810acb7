"""Receipt styles reshape the text exactly as their carriers do, and wrong bytes hurt nobody else."""

from datetime import UTC, datetime

import pytest

from smpp.constants import MessageState, Tag
from smpp.events import CloseReason
from smpp.pdu import BindTransceiver, DataSm
from tests.workers.simulator_cast import line, until
from workers.simulator import STYLES, Simulator, SimulatorConfig
from workers.simulator.config import BindRefusal, Delay, Every
from workers.simulator.drafts import Draft
from workers.simulator.ids import ID_FORMATS
from workers.simulator.styles import parse_styles

FAST = {"delay_ms": 5, "time_scale": 0.01}
GOLDEN = {
    "standard": "id:a1 sub:001 dlvrd:001 submit date:2602281359 done date:2603010001 stat:DELIVRD err:000 text:hello",
    "date12": "id:a1 sub:001 dlvrd:001 submit date:260228135958 done date:260301000102 stat:DELIVRD err:000 text:hello",
    "date14": "id:a1 sub:001 dlvrd:001 submit date:20260228135958 done date:20260301000102 "
    "stat:DELIVRD err:000 text:hello",
    "zerodate": "id:a1 sub:001 dlvrd:001 submit date:260228135958 done date:000000000000 "
    "stat:DELIVRD err:000 text:hello",
    "nospace_dates": "id:a1 sub:001 dlvrd:001 submitdate:2602281359 donedate:2603010001 stat:DELIVRD err:000 "
    "text:hello",
    "longstat": "id:a1 sub:001 dlvrd:001 submit date:2602281359 done date:2603010001 stat:ACKED err:000 text:hello",
    "bare": "id:a1 submit date:2602281359 done date:2603010001 stat:DELIVRD err:000 text:hello",
    "capital_text": "id:a1 sub:001 dlvrd:001 submit date:2602281359 done date:2603010001 stat:DELIVRD err:000 "
    "Text:hello",
    "err4": "id:a1 sub:001 dlvrd:001 submit date:2602281359 done date:2603010001 stat:DELIVRD err:0000 text:hello",
    "errletters": "id:a1 sub:001 dlvrd:001 submit date:2602281359 done date:2603010001 stat:DELIVRD err:OK text:hello",
    "errhex": "id:a1 sub:001 dlvrd:001 submit date:2602281359 done date:2603010001 stat:DELIVRD err:0x00 text:hello",
    "openmarket": "id:a1 submitdate:260228135958 donedate:260301000102 stat:DELIVRD err:000 text:hello",
    "upperid": "id:A1 sub:001 dlvrd:001 submit date:2602281359 done date:2603010001 stat:DELIVRD err:000 text:hello",
    "decid": "id:161 sub:001 dlvrd:001 submit date:2602281359 done date:2603010001 stat:DELIVRD err:000 text:hello",
    "crlf": "id:a1\r\nsub:001\r\ndlvrd:001\r\nsubmit date:2602281359\r\ndone date:2603010001\r\nstat:DELIVRD\r\n"
    "err:000\r\ntext:hello",
    "nul_id": "id:a1\0 sub:001 dlvrd:001 submit date:2602281359 done date:2603010001 stat:DELIVRD err:000 text:hello",
}


def draft(**changes: object) -> Draft:
    fields = {
        "id_text": "a1",
        "id_tlv": "a1",
        "state": MessageState.DELIVERED,
        "err": "000",
        "submitted": datetime(2026, 2, 28, 13, 59, 58, tzinfo=UTC),
        "done": datetime(2026, 3, 1, 0, 1, 2, tzinfo=UTC),
        "source": "Acme",
        "source_ton": 5,
        "source_npi": 0,
        "destination": "31612345678",
        "destination_ton": 1,
        "destination_npi": 1,
        "text": "hello",
    }
    return Draft(**{**fields, **changes})  # type: ignore[arg-type]


def shaped(expression: str, **changes: object) -> list[Draft]:
    drafts = [draft(**changes)]
    for style in parse_styles(expression)[0]:
        if style.shape is not None:
            style.shape(drafts)
    return drafts


@pytest.mark.parametrize("name", GOLDEN)
def test_a_style_writes_its_golden_line(name: str) -> None:
    (only,) = shaped(name)
    assert only.pdu().short_message.decode("latin-1") == GOLDEN[name]


def test_styles_join() -> None:
    (only,) = shaped("decid+nospace_dates+bare")
    assert only.line() == "id:161 submitdate:2602281359 donedate:2603010001 stat:DELIVRD err:000 text:hello"


def test_a_receipt_travels_from_the_handset_to_the_sender() -> None:
    pdu = draft(state=MessageState.UNDELIVERABLE, err="034").pdu()
    assert (pdu.source_addr, pdu.source_addr_ton, pdu.destination_addr, pdu.dest_addr_ton) == (
        "31612345678",
        1,
        "Acme",
        5,
    )
    assert pdu.esm_class == 4
    assert pdu.tlvs.text(Tag.RECEIPTED_MESSAGE_ID) == "a1"
    assert pdu.tlvs.integer(Tag.MESSAGE_STATE) == 5
    assert pdu.tlvs.raw(Tag.NETWORK_ERROR_CODE) == b"\x03\x00\x22"
    assert b"dlvrd:000" in pdu.short_message


@pytest.mark.parametrize(
    ("name", "present"),
    [("no_tlvs", []), ("no_state_tlv", [0x1E]), ("state_tlv_only", [0x427]), ("tlv_only", [0x1E, 0x427])],
)
def test_styles_leave_tlvs_out(name: str, present: list[int]) -> None:
    (only,) = shaped(name)
    assert [tag for tag, _ in only.pdu().tlvs] == present


def test_esm_class_may_be_missing_or_intermediate() -> None:
    assert shaped("esm0")[0].pdu().esm_class == 0
    assert [one.pdu().esm_class for one in shaped("intermediate")] == [0x20, 4]
    assert isinstance(shaped("data_sm")[0].pdu(), DataSm)


def test_ids_may_differ_between_tlv_and_text() -> None:
    (only,) = shaped("ids_differ")
    assert (only.id_tlv, only.id_text) == ("a1", "x1a")


def test_every_style_that_the_plan_names_exists() -> None:
    named = "garbage crlf nul_id esm0 dup dup_conflict before_resp unknown_id enroute_first hexid tlv_only late"
    assert set(named.split()) <= set(STYLES)


def test_unknown_styles_are_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        SimulatorConfig(receipt_style="standard,nonsense")


def test_id_formats_are_one_to_one_and_fit_the_field() -> None:
    for name, write in ID_FORMATS.items():
        ids = {write(1_700_000_000_000_000 + number) for number in range(100)}
        assert len(ids) == 100, name
        assert all(len(one) <= 64 for one in ids), name


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("250", Delay(0.25, 0.25)),
        ("10-300", Delay(0.01, 0.3)),
        ("exp 200", Delay(0.2, 0.2, True)),
        ("exp:200", Delay(0.2, 0.2, True)),
    ],
)
def test_delays_are_read(text: str, delay: Delay) -> None:
    assert Delay.parse(text) == delay


@pytest.mark.parametrize("text", ["fast", "300-10", ""])
def test_senseless_delays_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"delay|float"):
        Delay.parse(text)


def test_rules_are_read() -> None:
    assert BindRefusal.parse("0x0D:3") == BindRefusal("status", 13, 3)
    assert BindRefusal.parse("hang") == BindRefusal("hang", 0, 0)
    assert Every.parse("100:fin") == Every(100, "fin")
    assert Every.parse("0") is None
    with pytest.raises(ValueError, match="session ends by"):
        SimulatorConfig(disconnect_every="5:bang")


async def test_configured_styles_take_turns() -> None:
    config = SimulatorConfig(receipt_style="bare,nospace_dates", **FAST)
    async with Simulator(config) as smsc, line(smsc) as customer:
        for number in range(4):
            await customer.ask(text=str(number))
        await until(lambda: smsc.counters.receipts_acked == 4)
        assert sorted("submitdate:" in text for text in customer.texts) == [False, False, True, True]


@pytest.mark.parametrize("style", ["garbage", "cut"])
async def test_wrong_bytes_come_before_the_true_receipt(style: str) -> None:
    async with Simulator(SimulatorConfig(receipt_style=style, **FAST)) as smsc, line(smsc) as customer:
        await customer.ask()
        await until(lambda: smsc.counters.receipts_acked == 1)
        assert len(customer.faults) == 1
        assert smsc.counters.raw_sent == 1


async def test_a_broken_frame_costs_the_session_and_the_receipt_waits_for_the_next() -> None:
    async with Simulator(SimulatorConfig(receipt_style="broken_frame", **FAST)) as smsc:
        async with line(smsc) as customer:
            await customer.ask()
            closed = await until(lambda: customer.ended)
            assert closed.reason is CloseReason.FRAMING
        async with line(smsc) as again:
            await until(lambda: again.received)
            assert "stat:DELIVRD" in again.texts[0]


async def test_the_receipt_may_use_another_bind_or_another_system_id() -> None:
    async with Simulator(SimulatorConfig(receipt_style="other_bind", **FAST)) as smsc, line(smsc) as first:
        async with line(smsc) as second:
            for number in range(3):
                await first.ask(text=str(number))
            await until(lambda: len(second.received) == 3)
            assert not first.received
        smsc.configure(receipt_system_id="reports", receipt_style="standard")
        async with line(smsc, BindTransceiver(system_id="reports")) as reports:
            await first.ask(text="elsewhere")
            await until(lambda: reports.received)
            assert not first.received


async def test_an_intermediate_notification_comes_on_request() -> None:
    async with Simulator(SimulatorConfig(**FAST)) as smsc, line(smsc) as customer:
        await customer.ask(registered_delivery=0x11)
        await until(lambda: len(customer.received) == 2)
        assert [pdu.esm_class for pdu in customer.received] == [0x20, 4]
