"""Receipts in every variation seen in the field are read; what we write satisfies the strictest."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smpp import pdu as p
from smpp.addresses import Address
from smpp.codec import decode, encode
from smpp.constants import MessageState as M
from smpp.constants import Tag
from smpp.receipts import (
    ID_RULES,
    STAT_WORDS,
    NetworkError,
    is_final,
    is_receipt,
    normalise_id,
    read_receipt,
    receipt_text,
    scanner,
    write_receipt,
)

NORMAL = b"id:7f sub:001 dlvrd:001 submit date:2611211200 done date:2611211205 stat:DELIVRD err:000 text:Hello id:9"
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)


def receipt(text: bytes, *, esm_class: int = 4, data_coding: int = 0, tlvs: list | None = None) -> p.DeliverSm:
    return p.DeliverSm(esm_class=esm_class, data_coding=data_coding, short_message=text, tlvs=p.Tlvs(tlvs or []))


ID_TLV = (int(Tag.RECEIPTED_MESSAGE_ID), b"A1\0")
DELIVERED_TLV = (int(Tag.MESSAGE_STATE), b"\x02")
PAYLOAD = int(Tag.MESSAGE_PAYLOAD)

# (variation, pdu, expected attributes)
VARIATIONS = [
    (
        "normal",
        receipt(NORMAL),
        {
            "id_text": "7f",
            "id_tlv": None,
            "state": M.DELIVERED,
            "final": True,
            "err": "000",
            "sub": 1,
            "dlvrd": 1,
            "submitted": NOON,
            "done": LATER,
            "text": "Hello id:9",
            "stat": "DELIVRD",
            "raw": NORMAL,
        },
    ),
    ("TLV and text ids differ", receipt(NORMAL, tlvs=[ID_TLV]), {"id_tlv": "A1", "id_text": "7f", "message_id": "A1"}),
    ("TLV id without its NUL", receipt(b"", tlvs=[(0x1E, b"A1")]), {"id_tlv": "A1"}),
    ("TLV only", receipt(b"", tlvs=[ID_TLV, DELIVERED_TLV]), {"message_id": "A1", "state": M.DELIVERED, "stat": ""}),
    ("TLV id without state", receipt(b"id:1 stat:EXPIRED", tlvs=[ID_TLV]), {"message_id": "A1", "state": M.EXPIRED}),
    ("TLV state without id", receipt(b"id:1", tlvs=[DELIVERED_TLV]), {"message_id": "1", "state": M.DELIVERED}),
    (
        "TLV state wins over text",
        receipt(b"id:1 stat:UNDELIV", tlvs=[DELIVERED_TLV]),
        {"state": M.DELIVERED, "stat": "UNDELIV"},
    ),
    ("TLV state unknown number", receipt(b"id:1 stat:UNDELIV", tlvs=[(0x427, b"\x63")]), {"state": M.UNDELIVERABLE}),
    ("TLV state of four octets", receipt(b"id:1", tlvs=[(0x427, b"\0\0\0\x05")]), {"state": M.UNDELIVERABLE}),
    ("network error TLV", receipt(NORMAL, tlvs=[(0x423, b"\x03\x00\x1b")]), {"network_error": NetworkError(3, 27)}),
    ("broken network error TLV", receipt(NORMAL, tlvs=[(0x423, b"\x03")]), {"network_error": None, "id_text": "7f"}),
    (
        "sub and dlvrd absent",
        receipt(b"id:1 submit date:2611211200 done date:2611211205 stat:DELIVRD err:000 text:"),
        {"sub": None, "dlvrd": None, "state": M.DELIVERED, "text": "", "done": LATER},
    ),
    (
        "other order",
        receipt(b"stat:REJECTD err:12 done date:2611211205 id:5"),
        {"id_text": "5", "state": M.REJECTED, "err": "12"},
    ),
    ("text before the rest", receipt(b"text:hi there id:5 stat:DELIVRD"), {"id_text": "5", "text": "hi there"}),
    (
        "capitals",
        receipt(b"ID:5 SUB:001 Dlvrd:001 Submit Date:2611211200 Done Date:2611211205 Stat:delivrd Err:000 Text:Hi"),
        {"id_text": "5", "state": M.DELIVERED, "submitted": NOON, "text": "Hi"},
    ),
    (
        "no space in the keys, zero date, other stat",
        receipt(b"id:5 submitdate:180122230957 donedate:000000000000 stat:REJECTED err:377"),
        {"submitted": datetime(2018, 1, 22, 23, 9, 57, tzinfo=UTC), "done": None, "state": M.REJECTED, "err": "377"},
    ),
    (
        "no space between pairs",
        receipt(b"id:5 sub:001dlvrd:001submit date:2611211200done date:2611211205stat:DELIVRD err:000"),
        {"sub": 1, "dlvrd": 1, "done": LATER, "state": M.DELIVERED},
    ),
    (
        "underscored keys",
        receipt(b"id:5 submit_date:2611211200 done_date:2611211205 stat:DELIVRD"),
        {"submitted": NOON},
    ),
    (
        "spaces after the colon, commas between",
        receipt(b"id: 5, sub: 001, stat: DELIVRD, err: 000"),
        {"id_text": "5", "sub": 1, "err": "000"},
    ),
    (
        "14-digit dates",
        receipt(b"id:5 submit date:20261121120000 done date:20261121120500 stat:DELIVRD"),
        {"submitted": NOON, "done": LATER},
    ),
    (
        "12-digit dates with century",
        receipt(b"id:5 submit date:202611211200 done date:202611211205 stat:DELIVRD"),
        {"submitted": NOON, "done": LATER},
    ),
    (
        "12-digit dates with seconds",
        receipt(b"id:5 submit date:261121120000 done date:261121120500 stat:DELIVRD"),
        {"submitted": NOON, "done": LATER},
    ),
    (
        "a date that is none",
        receipt(b"id:5 submit date:9999999999 done date:n/a stat:DELIVRD"),
        {"submitted": None, "done": None},
    ),
    ("six letters", receipt(b"id:5 stat:FAILED err:001"), {"state": M.UNDELIVERABLE, "final": True}),
    ("eight letters", receipt(b"id:5 stat:REJECTED err:001"), {"state": M.REJECTED}),
    ("BUFFRED", receipt(b"id:5 stat:BUFFRED"), {"state": M.ENROUTE, "final": False}),
    ("BUFFERD", receipt(b"id:5 stat:BUFFERD"), {"state": M.ENROUTE, "final": False}),
    ("ACKED", receipt(b"id:5 stat:ACKED"), {"state": M.ACCEPTED, "final": False}),
    ("a word nobody knows", receipt(b"id:5 stat:WEIRDO"), {"state": M.UNKNOWN, "final": False, "stat": "WEIRDO"}),
    ("err with four digits", receipt(b"id:5 stat:UNDELIV err:0999"), {"err": "0999"}),
    ("err with letters", receipt(b"id:5 stat:UNDELIV err:EC_ABS"), {"err": "EC_ABS"}),
    ("err in hex", receipt(b"id:5 stat:UNDELIV err:0x1F"), {"err": "0x1F"}),
    ("empty err", receipt(b"id:5 stat:UNDELIV err: text:x"), {"err": None, "text": "x"}),
    (
        "UUID",
        receipt(b"id:0b8cf6a2-8a3e-4b0e-9d62-1a2b3c4d5e6f stat:DELIVRD"),
        {"id_text": "0b8cf6a2-8a3e-4b0e-9d62-1a2b3c4d5e6f"},
    ),
    ("dotted id", receipt(b"id:12.34.56 stat:DELIVRD"), {"id_text": "12.34.56"}),
    ("SAR id", receipt(b"id:SAR-77-2-1 stat:DELIVRD"), {"id_text": "SAR-77-2-1"}),
    (
        "UCS-2",
        receipt(NORMAL.decode().encode("utf-16-be"), data_coding=8),
        {"id_text": "7f", "state": M.DELIVERED, "done": LATER},
    ),
    (
        "UCS-2 under data_coding 0",
        receipt(NORMAL.decode().encode("utf-16-be")),
        {"id_text": "7f", "state": M.DELIVERED},
    ),
    ("UCS-2 cut in half", receipt(NORMAL.decode().encode("utf-16-be")[:-1], data_coding=8), {"id_text": "7f"}),
    ("in message_payload", receipt(b"", tlvs=[(PAYLOAD, NORMAL)]), {"id_text": "7f", "raw": NORMAL}),
    ("behind a UDH", receipt(b"\x05\0\3\1\1\1" + NORMAL, esm_class=0x44), {"id_text": "7f", "raw": NORMAL}),
    ("esm_class 0, unmistakable text", receipt(NORMAL, esm_class=0), {"id_text": "7f", "state": M.DELIVERED}),
    ("esm_class 0, TLVs", receipt(b"", esm_class=0, tlvs=[ID_TLV]), {"message_id": "A1"}),
    ("intermediate notification", receipt(b"id:5 stat:ENROUTE", esm_class=0x20), {"state": M.ENROUTE, "final": False}),
    ("mode bits set", receipt(NORMAL, esm_class=0x07), {"id_text": "7f"}),
    ("flagged and empty", receipt(b""), {"message_id": "", "state": M.UNKNOWN, "final": False}),
    ("flagged and garbage", receipt(b"\xff\xfe\x00zzz"), {"message_id": "", "state": M.UNKNOWN}),
    (
        "data_sm",
        p.DataSm(esm_class=4, tlvs=p.Tlvs([ID_TLV, DELIVERED_TLV])),
        {"message_id": "A1", "state": M.DELIVERED},
    ),
    ("data_sm with text", p.DataSm(esm_class=4, tlvs=p.Tlvs([(PAYLOAD, NORMAL)])), {"id_text": "7f", "dlvrd": 1}),
    ("SCHEDULED of 5.0", receipt(b"id:5", tlvs=[(0x427, b"\0")]), {"state": M.SCHEDULED, "final": False}),
]


@pytest.mark.parametrize(("what", "pdu", "expected"), VARIATIONS, ids=[row[0] for row in VARIATIONS])
def test_a_receipt_is_read(what, pdu, expected):
    found = read_receipt(decode(encode(pdu)))
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    "pdu",
    [
        receipt(b"Hello, my id: 5", esm_class=0),
        receipt(b"id:5 stat:DELIVRD", esm_class=0),  # a person may type that
        receipt(b"id:5 sub:001 stat:HAPPY err:000", esm_class=0),
        receipt(NORMAL, esm_class=0x08),
        receipt(NORMAL, esm_class=0x10),
        p.SubmitSm(esm_class=4, short_message=NORMAL),
        p.EnquireLink(),
    ],
)
def test_what_is_no_receipt_is_not_taken_for_one(pdu):
    assert not is_receipt(pdu)
    assert read_receipt(pdu) is None


def test_the_vendors_clock_is_taken_into_account():
    found = read_receipt(receipt(NORMAL), zone=timezone(timedelta(hours=3)))
    assert found.submitted == NOON - timedelta(hours=3)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=9))
def test_any_octets_are_read_without_an_error(octets, esm_class, data_coding, raw):
    sm = receipt(octets, esm_class=esm_class, data_coding=data_coding, tlvs=[(0x1E, raw), (0x427, raw), (0x423, raw)])
    found = read_receipt(sm)
    assert found is None or found.raw in octets


STATES_TO_WORDS = [
    (M.ENROUTE, "ENROUTE"),
    (M.DELIVERED, "DELIVRD"),
    (M.EXPIRED, "EXPIRED"),
    (M.DELETED, "DELETED"),
    (M.UNDELIVERABLE, "UNDELIV"),
    (M.ACCEPTED, "ACCEPTD"),
    (M.UNKNOWN, "UNKNOWN"),
    (M.REJECTED, "REJECTD"),
]


@pytest.mark.parametrize(("state", "word"), STATES_TO_WORDS)
def test_what_we_write_has_every_field_in_its_width_and_both_tlvs(state, word):
    sm = write_receipt(
        message_id="7f",
        state=state,
        submitted=NOON,
        done=LATER,
        source=Address("31612345678", 1, 1),
        destination=Address("Acme", 5, 0),
        err=27,
        text="a text of more than twenty characters",
        network_error=NetworkError(3, 27),
    )
    dlvrd = b"001" if state is M.DELIVERED else b"000"
    assert sm.short_message == (
        b"id:7f sub:001 dlvrd:%b submit date:2611211200 done date:2611211205 stat:%b err:027 text:a text of more than "
        % (dlvrd, word.encode())
    )
    assert (sm.esm_class, sm.source_addr, sm.destination_addr, sm.dest_addr_ton) == (4, "31612345678", "Acme", 5)
    found = read_receipt(decode(encode(sm)))
    assert (found.id_tlv, found.id_text, found.state, found.err) == ("7f", "7f", state, "027")
    assert (found.submitted, found.done, found.network_error) == (NOON, LATER, NetworkError(3, 27))


@pytest.mark.parametrize(
    "wrong",
    [{"err": 1000}, {"err": "0x"}, {"sub": 1000}, {"message_id": ""}, {"message_id": "a b"}, {"message_id": "x" * 65}],
)
def test_a_field_that_does_not_fit_its_width_is_refused(wrong):
    given_fields = {"message_id": "1", "state": M.DELIVERED, "submitted": NOON, "done": LATER, **wrong}
    with pytest.raises(ValueError):
        receipt_text(**given_fields)


def test_every_word_we_write_has_seven_letters_and_text_beyond_ascii_is_replaced():
    assert {len(word) for word in STAT_WORDS.values()} == {7}
    text = receipt_text(message_id="1", state=M.DELIVERED, submitted=NOON, done=LATER, text="Grüße ж")
    assert text.endswith(b"text:Gr??e ?")


@pytest.mark.parametrize("state", M)
def test_only_the_ends_of_a_message_are_final(state):
    assert is_final(state) is (state in {M.DELIVERED, M.EXPIRED, M.DELETED, M.UNDELIVERABLE, M.REJECTED, M.SKIPPED})


@pytest.mark.parametrize(
    ("value", "rule", "expected"),
    [
        ("00fF", "as_is", "00fF"),
        ("00fF", "hex_to_dec", "255"),
        ("7fffffffffffffff", "hex_to_dec", "9223372036854775807"),
        ("not-hex", "hex_to_dec", "not-hex"),
        ("0255", "dec_to_hex", "ff"),
        ("a-5", "dec_to_hex", "a-5"),
        ("٣", "dec_to_hex", "٣"),
        ("AbC", "casefold", "abc"),
        ("000120", "strip_zeros", "120"),
        ("000", "strip_zeros", "0"),
        ("", "strip_zeros", ""),
        ("", "hex_to_dec", ""),
    ],
)
def test_an_id_is_normalised_by_rule_and_left_alone_when_it_does_not_fit(value, rule, expected):
    assert normalise_id(value, rule) == expected


@pytest.mark.parametrize("rule", ID_RULES)
def test_sixty_thousand_digits_are_no_number_of_any_rule(rule):
    assert len(normalise_id("9" * 60_000, rule)) == 60_000


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="upper"):
        normalise_id("1", "upper")


_WORD = st.text(alphabet="abcDEF0123-", min_size=1, max_size=9)
_NUMBER = st.text(alphabet="0123456789", min_size=1, max_size=12)


@given(_WORD, _NUMBER, _NUMBER, st.sampled_from(["DELIVRD", "undeliv"]), _WORD, st.text(max_size=30))
def test_what_is_read_at_once_is_what_a_search_would_find(word, number, date, stat, err, text):
    usual = f"id:{word} sub:{number} dlvrd:001 submit date:{date} done date:{date} stat:{stat} err:{err} text:{text}"
    for form in (usual, usual.replace("text:", "Text:"), usual + " stat:EXPIRED id:7", usual.replace("sub:", "sub: ")):
        assert scanner.scan(form) == scanner.search(form)
