"""The alphabet: what is GSM, what it costs, and what stands on the wire (3GPP TS 23.038)."""

import gsm0338
import pytest
import smsutil
from hypothesis import given
from hypothesis import strategies as st

from common.gsm import (
    Encoding,
    UnencodableText,
    culprits,
    decode,
    decode_ucs2,
    decode_unpacked,
    detect,
    encode,
    encode_ucs2,
    encode_unpacked,
    fill_bits_after,
    pack7,
    tables_for_javascript,
    units,
    unpack7,
)
from common.gsm.tables import BASIC, CHARACTERS, EXTENSION

GSM_TEXT = st.text(alphabet=sorted(CHARACTERS), max_size=400)
ANY_TEXT = st.one_of(GSM_TEXT, st.text(max_size=200), st.text(alphabet="aж😀€\u0301\r\n", max_size=300))

STANDARD = [
    ("@", b"\x00"),
    ("£$¥èéùìòÇ\nØø\rÅå", bytes(range(1, 16))),
    ("Δ_ΦΓΛΩΠΨΣΘΞ", bytes(range(0x10, 0x1B))),
    ("ÆæßÉ !\"#¤%&'", bytes(range(0x1C, 0x28))),
    ("¡", b"\x40"),
    ("ÄÖÑÜ§¿", b"\x5b\x5c\x5d\x5e\x5f\x60"),
    ("äöñüà", b"\x7b\x7c\x7d\x7e\x7f"),
    ("\f^{}\\[~]|€", bytes.fromhex("1b0a1b141b281b291b2f1b3c1b3d1b3e1b401b65")),
]


@pytest.mark.parametrize(("text", "octets"), STANDARD)
def test_characters_stand_where_the_standard_puts_them(text: str, octets: bytes) -> None:
    assert encode_unpacked(text) == octets
    assert decode_unpacked(octets) == text


@pytest.mark.parametrize("text", ["§", "Ç", "€", "[", "\f"])
def test_gsm_characters_are_detected(text: str) -> None:
    assert detect(text) is Encoding.GSM7


@pytest.mark.parametrize("text", ["`", "ç", "“hi”", "ж", "😀", "\t", "\x00", "\x1b", "a\x00ü", "\ud83d"])
def test_everything_else_needs_unicode(text: str) -> None:
    assert detect(text) is Encoding.UCS2


def test_the_alphabet_is_complete() -> None:
    accepted = {chr(point) for point in range(0x110000) if detect(chr(point)) is Encoding.GSM7}
    assert accepted == set(BASIC) - {"\x1b"} | set(EXTENSION)
    assert len(accepted) == 137


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("", Encoding.GSM7, 0),
        ("a€", Encoding.GSM7, 3),
        ("ü€", Encoding.GSM7, 3),
        ("ж😀", Encoding.UCS2, 3),
        ("\ud83d", Encoding.UCS2, 1),
        ("aé", Encoding.LATIN1, 2),
        ("a\xff", Encoding.BINARY, 2),
        ("a~", Encoding.ASCII, 2),
    ],
)
def test_units_are_septets_code_units_or_octets(text: str, encoding: Encoding, expected: int) -> None:
    assert units(text, encoding) == expected


@pytest.mark.parametrize(
    ("text", "encoding", "position", "character"),
    [
        ("ab`c", Encoding.GSM7, 2, "`"),
        ("üжж", Encoding.GSM7, 1, "ж"),
        ("ü\x00", Encoding.GSM7, 1, "\x00"),
        ("€", Encoding.LATIN1, 0, "€"),
        ("aé", Encoding.ASCII, 1, "é"),
        ("ж", Encoding.BINARY, 0, "ж"),
    ],
)
def test_the_first_culprit_is_named(text: str, encoding: Encoding, position: int, character: str) -> None:
    for measure in (units, encode):
        with pytest.raises(UnencodableText) as caught:
            measure(text, encoding)
        assert (caught.value.encoding, caught.value.position, caught.value.character) == (
            encoding,
            position,
            character,
        )


def test_all_culprits_are_listed_in_order() -> None:
    assert culprits("a“b”ж") == [(1, "“"), (3, "”"), (4, "ж")]
    assert culprits("plain € [text]") == []


@given(ANY_TEXT)
def test_a_text_has_culprits_exactly_when_it_needs_unicode(text: str) -> None:
    assert bool(culprits(text)) == (detect(text) is Encoding.UCS2)


@given(GSM_TEXT)
def test_gsm_text_survives_the_wire_and_its_cost_is_its_length_there(text: str) -> None:
    wire = encode_unpacked(text)
    assert decode_unpacked(wire) == text
    assert units(text, Encoding.GSM7) == len(wire)


@given(GSM_TEXT)
def test_septets_agree_with_the_gsm0338_library(text: str) -> None:
    assert encode_unpacked(text) == gsm0338.Codec().encode(text)[0]


@given(ANY_TEXT.filter(lambda text: text and "\x1b" not in text))
def test_detection_agrees_with_smsutil(text: str) -> None:
    """Except for a bare escape, which smsutil takes for a character, and the empty text, which it calls Unicode."""
    assert (detect(text) is Encoding.GSM7) == smsutil.is_valid_gsm(text)


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\x1b\x41", "A"),
        (b"\x1b\x65", "€"),
        (b"a\x1b", "a "),
        (b"\x1b\x1b\x65", " e"),
        (b"\xe1\x9b\xe5", "a€"),
        (b"\x80\xe1", "@a"),
        (b"", ""),
    ],
)
def test_reading_septets_tolerates_what_networks_send(octets: bytes, text: str) -> None:
    assert decode_unpacked(octets) == text


@given(st.binary(max_size=300))
def test_no_octets_break_the_readers(data: bytes) -> None:
    for encoding in Encoding:
        assert isinstance(decode(data, encoding), str)


@given(st.text(max_size=200))
def test_ucs2_is_utf16_big_endian_without_mark(text: str) -> None:
    assert encode_ucs2(text) == text.encode("utf-16-be")
    assert decode_ucs2(encode_ucs2(text)) == text


def test_ucs2_reading_tolerates_halves() -> None:
    assert decode_ucs2(b"\x00a\xd8\x3d\x00b") == "a\ufffdb"
    assert decode_ucs2(b"\x00a\x04") == "a\ufffd"
    assert encode_ucs2("\ud83d") == b"\xd8\x3d"


def test_packing_matches_the_known_example() -> None:
    assert pack7(encode_unpacked("hellohello")) == bytes.fromhex("e8329bfd4697d9ec37")


def test_packing_after_a_header_starts_on_a_septet_boundary() -> None:
    assert [fill_bits_after(octets) for octets in (0, 6, 7)] == [0, 1, 0]
    assert pack7(b"a", fill_bits=1) == b"\xc2"


@given(st.binary(max_size=170).map(lambda data: bytes(octet & 0x7F for octet in data)), st.integers(0, 6))
def test_packing_can_be_undone(septets: bytes, fill_bits: int) -> None:
    packed = pack7(septets, fill_bits=fill_bits)
    assert len(packed) == (len(septets) * 7 + fill_bits + 7) // 8
    assert unpack7(packed, len(septets), fill_bits=fill_bits) == septets


@given(st.binary(max_size=170).map(lambda data: bytes(octet & 0x7F for octet in data)))
def test_packing_agrees_with_a_bit_by_bit_reading(septets: bytes) -> None:
    bits = "".join(format(septet, "07b")[::-1] for septet in septets)
    octets = [int(bits[start : start + 8][::-1], 2) for start in range(0, len(bits), 8)]
    assert list(pack7(septets)) == octets


def test_without_a_count_seven_spare_bits_are_padding() -> None:
    assert unpack7(pack7(b"abcdefg")) == b"abcdefg"
    assert unpack7(pack7(b"abcdefgh")) == b"abcdefgh"
    assert unpack7(pack7(b"abc"), 99) == b"abc"


def test_the_browser_gets_the_same_table() -> None:
    table = tables_for_javascript()
    assert set(table["basic"]) | set(table["extension"]) == CHARACTERS
    assert table["limits"]["gsm7"] == {"single": 160, "8": 153, "16": 152}
    assert table["limits"]["ucs2"] == {"single": 70, "8": 67, "16": 66}
