"""User data headers and data_coding (3GPP TS 23.040 §9.2.3.24, SMPP 3.4 §5.2.19)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.gsm import Concat, Encoding, data_coding, read_concat, read_udh, udh_concat


def test_concatenation_headers_are_written_as_the_standard_says() -> None:
    assert udh_concat(0x1AB, 3, 2).hex() == "050003ab0302"
    assert udh_concat(0x1AB, 3, 2, bits=16).hex() == "06080401ab0302"


@pytest.mark.parametrize(("total", "number"), [(0, 0), (1, 2), (256, 1), (3, 0)])
def test_impossible_parts_are_refused(total: int, number: int) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        udh_concat(1, total, number)


def test_an_unknown_reference_width_is_refused() -> None:
    with pytest.raises(ValueError, match="8 or 16"):
        udh_concat(1, 2, 1, bits=32)


@given(st.integers(0, 0xFFFF), st.integers(1, 255), st.data(), st.sampled_from([8, 16]), st.binary(max_size=130))
def test_a_written_header_is_read_back(reference: int, total: int, data: st.DataObject, bits: int, text: bytes) -> None:
    number = data.draw(st.integers(1, total))
    elements, rest = read_udh(udh_concat(reference, total, number, bits=bits) + text)
    assert rest == text
    assert read_concat(elements) == Concat(reference % (1 << bits), total, number)


@given(st.binary(max_size=300))
def test_no_octets_break_the_header_reader(data: bytes) -> None:
    elements, rest = read_udh(data)
    assert data.endswith(rest)
    assert len(elements) <= 127
    read_concat(elements)


@pytest.mark.parametrize(
    ("octets", "elements", "rest"),
    [
        ("", [], ""),
        ("006161", [], "6161"),
        ("0b 0504158a0000 0003070201 61", [(5, "158a0000"), (0, "070201")], "61"),
        ("05 0003ab0302", [(0, "ab0302")], ""),
        ("05 0004ab0302 61", [], "61"),
        ("04 0003ab03 61", [], "61"),
        ("01 00 61", [], "61"),
        ("09 0003ab0302", [], "09 0003ab0302"),
    ],
)
def test_headers_are_read_tolerantly(octets: str, elements: list[tuple[int, str]], rest: str) -> None:
    expected = [(identifier, bytes.fromhex(value)) for identifier, value in elements]
    assert read_udh(bytes.fromhex(octets)) == (expected, bytes.fromhex(rest))


@pytest.mark.parametrize("value", [b"\x01\x00\x01", b"\x01\x02\x00", b"\x01\x02\x03", b"\x01\x02"])
def test_a_bad_concatenation_is_ignored(value: bytes) -> None:
    assert read_concat([(0, value)]) is None
    assert read_concat([(0, b"\x07\x02\x01"), (0, value)]) == Concat(7, 2, 1)


@pytest.mark.parametrize(
    ("encoding", "plain", "flash"),
    [(Encoding.GSM7, 0x00, 0x10), (Encoding.UCS2, 0x08, 0x18), (Encoding.BINARY, 0x04, 0xF4)],
)
def test_data_coding_tells_alphabet_and_flash(encoding: Encoding, plain: int, flash: int) -> None:
    assert data_coding(encoding, flash=False) == plain
    assert data_coding(encoding, flash=True) == flash


@pytest.mark.parametrize(("encoding", "plain"), [(Encoding.LATIN1, 0x03), (Encoding.ASCII, 0x01)])
def test_alphabets_without_flash_refuse_it(encoding: Encoding, plain: int) -> None:
    assert data_coding(encoding, flash=False) == plain
    with pytest.raises(ValueError, match="flash"):
        data_coding(encoding, flash=True)
