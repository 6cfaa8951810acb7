"""Every variation of receipts seen in the wild (specification 5.6; what users of other gateways met) ends a message.

One table: a row of the specification, its cases, and for each the ids, the shape of the receipt and what it must mean.
Each case is lived through twice: the receipt after its answer, and before it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from common.ids import derive
from connectors.models import Connector
from messaging.models import Receipt, Status
from smpp.codec import encode
from smpp.constants import MessageState as M
from tests.messaging.underway import SENDER, Line, accepted, bind, leases, part_of, told
from tests.support.cast import NUMBER, customer, forget_snapshots, make_connector
from workers.simulator.drafts import Draft
from workers.simulator.ids import ID_FORMATS
from workers.simulator.styles import STYLES, parse_styles

pytestmark = pytest.mark.django_db
DONE = datetime(2026, 11, 28, 11, 59, 30, tzinfo=UTC)
ID = 1_764_331_170_123_456  # beyond 32 bits, as carriers count


@dataclass(frozen=True)
class Case:
    """`style` is how the simulator shapes it, `rule` the connector's; `status` None: the part goes on waiting."""

    style: str
    rule: str = "as_is"
    ids: str = ""
    state: M = M.DELIVERED
    err: str = "000"
    status: str | None = Status.DELIVERED
    code: str = ""
    done: str = "20261128115900"


SECONDS = "20261128115930"
TABLE: dict[str, dict[str, Case]] = {
    "normal text": {"appendix B to the letter": Case("standard")},
    "hex in one, decimal in the other": {
        "answer decimal, receipt hex": Case("hexid", "dec_to_hex"),
        "answer hex, receipt decimal": Case("decid", "hex_to_dec"),
        "answer hex in capitals, receipt decimal": Case("decid", "hex_to_dec", ids="upperhex"),
        "low 32 bits of a hex answer": Case("low32hex", "low_32_hex"),
        "low 32 bits of a decimal answer": Case("low32dec", "low_32_dec"),
    },
    "zeros, case, UUID, dots, dashes, ids of parts": {
        "leading zeros dropped": Case("zerosdropped", "strip_zeros"),
        "leading zeros added": Case("zerosadded", "strip_zeros"),
        "leading zeros kept": Case("standard", ids="leadingzeros"),
        "in capitals": Case("upperid", "casefold"),
        "in small letters": Case("lowerid", "casefold"),
        "UUID": Case("uuid"),
        "UUID in capitals": Case("upperid", "casefold", ids="uuid"),
        "dotted": Case("dotted"),
        "dashed": Case("dashed"),
        "dashes dropped": Case("undashed", "punctuation"),
        "SAR-n-2-1": Case("sarid"),
        "SAR- and -2-1 dropped": Case("bareid", "core"),
    },
    "dates": {
        "12 digits": Case("date12", done=SECONDS),
        "14 digits": Case("date14", done=SECONDS),
        "all zeros": Case("zerodate", done=""),
        "no space in the labels": Case("nospace_dates"),
        "OpenMarket": Case("openmarket+no_tlvs", state=M.REJECTED, err="377", status=Status.REJECTED, code="377",
                           done=SECONDS),
    },
    "stat of 6 to 8 letters": {
        "FAILED": Case("longstat+no_tlvs", state=M.UNDELIVERABLE, err="011", status=Status.UNDELIVERED, code="011"),
        "REJECTED": Case("longstat+no_tlvs", state=M.REJECTED, err="045", status=Status.REJECTED, code="045"),
        "BUFFRED": Case("longstat+no_tlvs", state=M.ENROUTE, status=None),
        "BUFFERD": Case("longstat+no_tlvs", state=M.ACCEPTED, status=None),
        "ACKED": Case("longstat+no_tlvs", status=None),
        "ACKED, but the TLV says delivered": Case("longstat"),
    },
    "fields absent, capital, odd": {
        "no sub and no dlvrd": Case("bare"),
        "Text: with a capital": Case("capital_text"),
        "err of four digits": Case("err4", state=M.UNDELIVERABLE, err="034", status=Status.UNDELIVERED, code="0034"),
        "err of letters": Case("errletters", state=M.UNDELIVERABLE, err="034", status=Status.UNDELIVERED, code="E034"),
        "err in hex": Case("errhex", state=M.UNDELIVERABLE, err="034", status=Status.UNDELIVERED, code="0x22"),
        "lines that end with CR LF": Case("crlf"),
        "a NUL after the id": Case("nul_id"),
        "esm_class 0": Case("esm0"),
    },
    "UCS-2, message_payload, no text": {
        "in UCS-2": Case("ucs2"),
        "in message_payload": Case("payload"),
        "in message_payload, UCS-2": Case("payload+ucs2"),
        "TLVs only": Case("tlv_only", done=""),
    },
    "TLVs that are missing": {
        "no message_state": Case("no_state_tlv"),
        "no receipted_message_id": Case("state_tlv_only"),
        "neither": Case("no_tlvs"),
    },
    "TLV and text name different ids": {"the TLV is ours": Case("ids_differ")},
    "data_sm": {"with TLVs and text": Case("data_sm"), "with TLVs only": Case("data_sm+tlv_only", done="")},
    "intermediate and final": {
        "ENROUTE, then the end": Case("enroute_first"),
        "intermediate notification, then the end": Case("intermediate"),
        "ACCEPTD, then the end": Case("accepted_first"),
        "the end, then ENROUTE": Case("enroute_after"),
        "the end twice": Case("dup"),
    },
}  # fmt: skip
CASES = {f"{row}: {name}": case for row, cases in TABLE.items() for name, case in cases.items()}


def receipts_of(case: Case, answer: str) -> list[bytes]:
    """What the carrier sends about the message to NUMBER that it took under `answer`."""
    drafts = [
        Draft(
            id_text=answer, id_tlv=answer, state=case.state, err=case.err, submitted=DONE, done=DONE,
            source=SENDER, source_ton=5, source_npi=0, destination=NUMBER, destination_ton=1, destination_npi=1,
            text="Hello",
        )
    ]  # fmt: skip
    for style in parse_styles(case.style)[0]:
        if style.shape is not None:
            style.shape(drafts)
    return [encode(draft.pdu()) for draft in drafts]


def answer_of(case: Case, number: int) -> str:
    styles = parse_styles(case.style)[0]
    form = case.ids or next((style.id_format for style in styles if style.id_format), "dec")
    return ID_FORMATS[form](number)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_variation_means_what_it_says_whether_it_comes_after_the_answer_or_before(case):
    cast = customer()
    Connector.objects.update(id_rule=case.rule)
    forget_snapshots()
    line = bind(cast)
    later, sooner = accepted(cast), accepted(cast)
    line.claim()
    line.answer(later, provider_id=answer_of(case, ID))
    line.hear(*receipts_of(case, answer_of(case, ID)))
    line.hear(*receipts_of(case, answer_of(case, ID + 77)))
    assert part_of(sooner).status == Status.SUBMITTING
    line.answer(sooner, provider_id=answer_of(case, ID + 77))
    for message in (later, sooner):
        part = part_of(message)
        assert (part.status, part.error_code) == (case.status or Status.SUBMITTED, case.code)
        assert len(told(message)) == (case.status is not None)
    assert not Receipt.objects.filter(state="PARKED").exists()
    assert case.done in set(Receipt.objects.values_list("done_date", flat=True))


@pytest.mark.parametrize("same", [True, False], ids=["another bind", "another connector of the account"])
def test_a_receipt_may_come_over_another_bind_or_connector_of_the_same_vendor(same):
    cast = customer()
    Connector.objects.update(carrier_account="vendor")
    other = cast.connector if same else make_connector(carrier_account="vendor")
    forget_snapshots()
    line = bind(cast)
    lease = leases.acquire(other.pk, 2, "elsewhere")
    case = Case("standard")
    message = accepted(cast)
    line.claim([derive(message.id, 1)])
    line.answer(message, provider_id="4711")
    Line(other.pk, lease.fence, bind_no=2).hear(*receipts_of(case, "4711"))
    assert part_of(message).status == Status.DELIVERED


def test_no_style_of_the_simulated_carrier_is_left_out():
    used = {name for case in CASES.values() for name in case.style.split("+")}
    # In the order of a line or of the clock, not of one receipt: tests of settling, order and binds.
    elsewhere = {"dup_conflict", "delivered_after_expired", "before_resp", "late", "unknown_id", "other_bind", "none"}
    wrong_bytes = {"garbage", "cut", "broken_frame"}
    assert used | elsewhere | wrong_bytes == set(STYLES)
    assert len(TABLE) == 11 and len(CASES) == 52
