"""Parts: what billing counts is what is sent, and no part is cut where a phone could not join it."""

import itertools

import pytest
import smsutil
from hypothesis import given
from hypothesis import strategies as st

from common.gsm import Encoding, UnencodableText, count_parts, describe, detect, split, split_octets, units
from common.gsm.tables import CHARACTERS

SINGLE = {"gsm7": 160, "ucs2": 70, "latin1": 140, "ascii": 160, "binary": 140}
PER_PART = {8: {"gsm7": 153, "ucs2": 67}, 16: {"gsm7": 152, "ucs2": 66}}

VECTORS = [
    ("a" * 160, Encoding.GSM7, 160, 1),
    ("a" * 161, Encoding.GSM7, 161, 2),
    ("€" * 80, Encoding.GSM7, 160, 1),
    ("€" * 81, Encoding.GSM7, 162, 2),
    ("a" * 152 + "€" + "b" * 50, Encoding.GSM7, 204, 2),
    ("a" * 152 + "€" * 77, Encoding.GSM7, 306, 3),
    ("ж" * 70, Encoding.UCS2, 70, 1),
    ("ж" * 71, Encoding.UCS2, 71, 2),
    ("😀" * 35, Encoding.UCS2, 70, 1),
    ("😀" * 36, Encoding.UCS2, 72, 2),
    ("ж" * 66 + "😀" * 34, Encoding.UCS2, 134, 3),
    ("§", Encoding.GSM7, 1, 1),
    ("Ç", Encoding.GSM7, 1, 1),
    ("`", Encoding.UCS2, 1, 1),
    ("ç", Encoding.UCS2, 1, 1),
    ("“hi”", Encoding.UCS2, 4, 1),
    ("", Encoding.GSM7, 0, 1),
    ("a" * 306, Encoding.GSM7, 306, 2),
    ("a" * 307, Encoding.GSM7, 307, 3),
    ("ж" * 134, Encoding.UCS2, 134, 2),
    ("ж" * 135, Encoding.UCS2, 135, 3),
]

TEXTS = st.one_of(
    st.text(alphabet=sorted(CHARACTERS), max_size=700),
    st.text(alphabet="ab€[\r\n", min_size=150, max_size=700),
    st.text(max_size=400),
    st.text(alphabet="aж😀\u0301\u200d🇫🇷👍\U0001f3fd\ufe0f", min_size=60, max_size=400),
    st.text(alphabet="a\ud83d\ude00😀ж", min_size=60, max_size=300),
)
BITS = st.sampled_from([8, 16])


@pytest.mark.parametrize(("text", "encoding", "size", "parts"), VECTORS)
def test_vectors_that_billing_depends_on(text: str, encoding: Encoding, size: int, parts: int) -> None:
    assert detect(text) is encoding
    assert units(text, encoding) == size
    assert count_parts(text) == parts
    assert len(split(text, encoding)) == parts
    assert describe(text).parts == parts


@pytest.mark.parametrize(
    ("text", "encoding", "parts8", "parts16"),
    [
        ("a" * 305, Encoding.GSM7, 2, 3),
        ("ж" * 133, Encoding.UCS2, 2, 3),
        ("é" * 267, Encoding.LATIN1, 2, 3),
        ("\xff" * 140, Encoding.BINARY, 1, 1),
        ("\xff" * 141, Encoding.BINARY, 2, 2),
        ("~" * 160, Encoding.ASCII, 1, 1),
        ("~" * 305, Encoding.ASCII, 2, 3),
    ],
)
def test_a_longer_reference_leaves_less_room(text: str, encoding: Encoding, parts8: int, parts16: int) -> None:
    assert count_parts(text, encoding) == parts8
    assert count_parts(text, encoding, reference_bits=16) == parts16


@given(TEXTS, BITS)
def test_parts_join_to_the_text_fit_and_are_as_many_as_counted(text: str, bits: int) -> None:
    encoding = detect(text)
    parts = split(text, encoding, reference_bits=bits)
    assert "".join(parts) == text
    assert len(parts) == count_parts(text, reference_bits=bits) == describe(text, reference_bits=bits).parts
    room = SINGLE[encoding] if len(parts) == 1 else PER_PART[bits][encoding]
    assert all(units(part, encoding) <= room for part in parts)
    assert all(parts) or text == ""


@given(TEXTS, BITS)
def test_forced_unicode_keeps_the_same_promises(text: str, bits: int) -> None:
    parts = split(text, Encoding.UCS2, reference_bits=bits)
    assert "".join(parts) == text
    assert len(parts) == count_parts(text, Encoding.UCS2, reference_bits=bits)
    assert not any(
        left[-1:] and "\ud800" <= left[-1] <= "\udbff" and "\udc00" <= right[0] <= "\udfff"
        for left, right in itertools.pairwise(parts)
    )


@given(st.text(max_size=400, alphabet=st.characters(max_codepoint=255)), BITS)
def test_octet_texts_keep_the_same_promises(text: str, bits: int) -> None:
    parts = split(text, Encoding.LATIN1, reference_bits=bits)
    assert "".join(parts) == text
    assert len(parts) == count_parts(text, Encoding.LATIN1, reference_bits=bits)
    assert all(len(part) <= (140 if len(parts) == 1 else {8: 134, 16: 133}[bits]) for part in parts)


@given(TEXTS.filter(lambda text: text and "\x1b" not in text and not any("\ud800" <= c <= "\udfff" for c in text)))
def test_the_number_of_parts_agrees_with_smsutil(text: str) -> None:
    """smsutil differs from the standard only for a bare escape and the empty text (zero parts)."""
    assert count_parts(text) == len(smsutil.split(text).parts)


def test_a_pair_that_does_not_fit_moves_whole() -> None:
    first, second = split("a" * 152 + "€" + "b" * 50, Encoding.GSM7)
    assert (first, second) == ("a" * 152, "€" + "b" * 50)
    first, second = split("ж" * 66 + "😀" * 10, Encoding.UCS2)
    assert (first, second) == ("ж" * 66, "😀" * 10)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("ж" * 66 + "e\u0301" + "ж" * 30, "ж" * 66),
        ("ж" * 65 + "👍\U0001f3fd" + "ж" * 30, "ж" * 65),
        ("ж" * 63 + "👩\u200d👧" + "ж" * 30, "ж" * 63),
        ("ж" * 65 + "🇫🇷" + "ж" * 30, "ж" * 65),
        ("ж" * 63 + "🇫🇷🇩🇪" + "ж" * 30, "ж" * 63 + "🇫🇷"),
        ("ж" * 66 + "\r\n" + "ж" * 30, "ж" * 66),
    ],
)
def test_visible_characters_stay_whole_when_that_costs_nothing(text: str, first: str) -> None:
    parts = split(text, Encoding.UCS2)
    assert parts[0] == first
    assert len(parts) == 2


def test_a_line_break_of_gsm_text_stays_whole_when_that_costs_nothing() -> None:
    assert split("a" * 152 + "\r\n" + "b" * 30, Encoding.GSM7) == ["a" * 152, "\r\n" + "b" * 30]


def test_visible_characters_are_cut_when_keeping_them_would_cost_a_part() -> None:
    text = "ж" * 66 + "e\u0301" + "ж" * 66
    assert [len(part) for part in split(text, Encoding.UCS2)] == [67, 67]


def test_a_pile_of_combining_marks_still_splits() -> None:
    text = "a" + "\u0301" * 400
    assert [len(part) for part in split(text, Encoding.UCS2)] == [67, 67, 67, 67, 67, 66]


def test_a_text_that_the_encoding_cannot_write_has_no_price() -> None:
    with pytest.raises(UnencodableText):
        count_parts("ж", Encoding.GSM7)
    with pytest.raises(UnencodableText):
        split("ж" * 200, Encoding.GSM7)


def test_reference_width_is_eight_or_sixteen() -> None:
    with pytest.raises(ValueError, match="8 or 16"):
        count_parts("a" * 200, reference_bits=7)


@pytest.mark.parametrize(
    ("size", "header", "bits", "sizes"),
    [
        (0, 0, 8, [0]),
        (140, 0, 8, [140]),
        (141, 0, 8, [134, 7]),
        (141, 0, 16, [133, 8]),
        (133, 7, 8, [133]),
        (134, 7, 8, [128, 6]),
        (134, 7, 16, [127, 7]),
    ],
)
def test_octets_leave_room_for_headers(size: int, header: int, bits: int, sizes: list[int]) -> None:
    data = bytes(index & 0xFF for index in range(size))
    parts = split_octets(data, user_header_octets=header, reference_bits=bits)
    assert [len(part) for part in parts] == sizes
    assert b"".join(parts) == data


def test_a_header_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        split_octets(b"x" * 200, user_header_octets=140)


def test_a_description_tells_what_is_left_and_who_forces_unicode() -> None:
    plain = describe("a" * 152 + "€" + "b" * 50)
    assert (plain.encoding, plain.units, plain.parts, plain.per_part) == (Encoding.GSM7, 204, 2, 153)
    assert plain.remaining == 153 - 52
    assert plain.culprits == ()
    unicode = describe("a`")
    assert (unicode.encoding, unicode.per_part, unicode.remaining) == (Encoding.UCS2, 70, 68)
    assert unicode.culprits == ((1, "`"),)
    assert describe("a" * 306).remaining == 0
    assert describe("").remaining == 160
    assert describe("ж" * 66 + "😀" * 34).remaining == 65
