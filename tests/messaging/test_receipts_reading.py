"""The usual receipt is read at once; the careful reader must say the same of it."""

from dataclasses import asdict
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.ids import new_id
from connectors.models import IdRule
from messaging.receipts.reading import Fact, Origin, _usual, read, read_carefully
from smpp.codec import decode, encode
from smpp.constants import Tag
from smpp.pdu import DeliverSm
from smpp.tlvs import Tlvs

KEY, MOMENT = new_id(), datetime(2026, 4, 10, 12, 30, tzinfo=UTC)
words = st.text("0123456789abcdefABCDEF-xyz\0 é", max_size=30)
dates = st.one_of(st.text("0123456789", min_size=1, max_size=16), st.just("2604101230"), st.just("260410123059"))
stats = st.sampled_from(["DELIVRD", "UNDELIV", "EXPIRED", "REJECTD", "ENROUTE", "ACCEPTD", "UNKNOWN", "DELETED", "odd"])
errors = st.text("0123456789ABz", min_size=1, max_size=20)
texts = st.text("ab id:stat:\0\n", max_size=20)
tlv_sets = st.lists(
    st.tuples(
        st.sampled_from([Tag.RECEIPTED_MESSAGE_ID, Tag.MESSAGE_STATE, Tag.NETWORK_ERROR_CODE, 0x1400]),
        st.binary(max_size=5),
    ),
    max_size=3,
)


def origin(rule):
    return Origin(SimpleNamespace(id=7, id_rule=rule, carrier_account="carrier"), 2, MOMENT)


@example(
    message_id="0", dates=("2604101230", "2604101230"), stat="DELIVRD", error="000", text="", kind=4, coding=0,
    tlvs=[(Tag.RECEIPTED_MESSAGE_ID, b"\0"), (Tag.RECEIPTED_MESSAGE_ID, b"\1")], rule=IdRule.AS_IS,
)  # fmt: skip
@given(
    message_id=words.filter(bool), dates=st.tuples(dates, dates), stat=stats, error=errors, text=texts, tlvs=tlv_sets,
    kind=st.sampled_from([0, 4, 4, 4, 8, 0x44]), coding=st.sampled_from([0, 0, 3, 8]),
    rule=st.sampled_from(IdRule.values),
)  # fmt: skip
def test_both_readers_say_the_same(message_id, dates, stat, error, text, tlvs, kind, coding, rule):
    words = (
        f"id:{message_id} sub:001 dlvrd:001 submit date:{dates[0]} done date:{dates[1]} stat:{stat} err:{error} "
        f"text:{text}"
    )
    pdu = DeliverSm(
        source_addr="971501234567", destination_addr="GATEWAY", esm_class=kind, data_coding=coding,
        short_message=words.encode("latin-1"), tlvs=Tlvs(tlvs),
    )  # fmt: skip
    quick = _usual(pdu, b"raw", origin(rule), KEY)
    careful = read_carefully(pdu, b"raw", origin(rule), KEY)
    if quick is not None:
        assert isinstance(careful, Fact)
        assert asdict(quick) == asdict(careful)


@pytest.mark.parametrize("with_tlvs", [True, False])
def test_the_receipt_of_appendix_b_is_a_usual_one(with_tlvs):
    tlvs = Tlvs([(Tag.RECEIPTED_MESSAGE_ID, b"A1\0"), (Tag.MESSAGE_STATE, b"\x02")]) if with_tlvs else Tlvs()
    body = b"id:A1 sub:001 dlvrd:001 submit date:2604101229 done date:2604101230 stat:DELIVRD err:000 text:Hello"
    raw = encode(DeliverSm(source_addr="1", destination_addr="2", esm_class=4, short_message=body, tlvs=tlvs))
    quick = _usual(decode(raw), raw, origin("as_is"), KEY)
    assert quick is not None
    assert quick == read(raw, origin("as_is"), KEY)
    assert (quick.provider_key, quick.status, quick.done_date, quick.error_code) == (
        "A1", "DELIVERED", "20260410123000", "",
    )  # fmt: skip
