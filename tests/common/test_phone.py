"""One number has one spelling inside; what is not surely a number is refused (threat S32)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.phone import (
    InvalidNumber,
    InvalidSender,
    SenderKind,
    check_sender,
    mask,
    normalise,
    sender_kind,
)

PLAIN = "971501234567"
SPELLINGS = [
    "971501234567", "+971501234567", "00971501234567", "+00971501234567", " 971501234567 ", "\t971501234567\n",
    "971 50 123 4567", "+971 50 123 4567", "00971 50 123 4567", "00 971 50 123 4567", "0 0971501234567",
    "971-50-123-4567", "+971-50-123-4567", "00971-50-123-4567", "971.50.123.4567", "+971.50.123.4567",
    "(971) 50 1234567", "(+971) 50 1234567", "+(971) 50 1234567", "+971 (50) 123-4567", "+971(50)1234567",
    "971 (50) 123.4567", "+ 971 501234567", "+971–50–123–4567", "+971—50—1234567", "+971‐50‐123‐4567",
    "+971‑50‑123‑4567", "+971−50−123−4567", "+971\u00a050\u00a0123\u00a04567", "+971\u202f50\u202f123\u202f4567",
    "+971\u200950\u20091234567", "+971\u300050\u30001234567", "\u202a+971501234567\u202c", "\u200e971501234567",
    "\u2066+971 50 123 4567\u2069", "971\u200b501234567", "\ufeff971501234567", "971\u00ad501234567",
    "+971501234567", "971501234567", "﹢971501234567", "٩٧١٥٠١٢٣٤٥٦٧", "+٩٧١٥٠١٢٣٤٥٦٧",
    "٠٠٩٧١٥٠١٢٣٤٥٦٧", "۹۷۱۵۰۱۲۳۴۵۶۷", "९७१५०१२३४५६७", "৯৭১৫০১২৩৪৫৬৭", "๙๗๑๕๐๑๒๓๔๕๖๗",
    "𝟗𝟕𝟏𝟓𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕", "9٧१501234567", "(971)501234567", "+971--50..123((4567", "971-501234567-",
    "000971501234567".removeprefix("0"),
]  # fmt: skip


@pytest.mark.parametrize("raw", SPELLINGS)
def test_every_spelling_of_a_number_is_the_same_number(raw: str) -> None:
    assert normalise(raw) == PLAIN


def test_there_are_at_least_fifty_spellings() -> None:
    assert len(set(SPELLINGS)) >= 50


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("+", "empty"),
        ("00", "empty"),
        ("\u200b", "empty"),
        ("letters", "letters"),
        ("97150abc4567", "letters"),
        ("tel:+971501234567", "letters"),
        ("9.71501234567E+11", "letters"),
        ("٩٧١ش٥٠١٢٣٤٥٦٧", "letters"),
        ("123456", "too_short"),
        ("+12345", "too_short"),
        ("00123456", "too_short"),
        ("1234567890123456", "too_long"),
        ("+1234567890123456", "too_long"),
        ("9" * 10_000, "too_long"),
        (" " * 10_000, "too_long"),
        ("0501234567", "leading_zero"),
        ("+0501234567", "leading_zero"),
        ("000971501234567", "leading_zero"),
        ("+44 (0)20 7946 0000", "trunk_prefix"),
        ("+44(0)2079460000", "trunk_prefix"),
        ("971501234567.0", "decimal"),
        ("971501234567;971501234568", "characters"),
        ("971501234567,971501234568", "characters"),
        ("971+501234567", "characters"),
        ("++971501234567", "characters"),
        ("971501234567\x00", "characters"),
        ("#971501234567", "characters"),
        ("²971501234567", "characters"),
        ("971501234567😀", "characters"),
    ],
)
def test_what_is_not_surely_a_number_is_refused_with_its_reason(raw: str, reason: str) -> None:
    with pytest.raises(InvalidNumber) as caught:
        normalise(raw)
    assert caught.value.reason == reason


@pytest.mark.parametrize("raw", ["123", "12 345", "999999"])
def test_short_codes_pass_only_when_asked_for(raw: str) -> None:
    assert normalise(raw, allow_short=True) == raw.replace(" ", "")
    with pytest.raises(InvalidNumber, match="too_short"):
        normalise(raw)


def test_two_digits_are_no_short_code() -> None:
    with pytest.raises(InvalidNumber, match="too_short"):
        normalise("12", allow_short=True)


@given(st.text(max_size=80))
def test_the_result_is_e164_or_an_error(raw: str) -> None:
    try:
        number = normalise(raw)
    except InvalidNumber:
        return
    assert number.isascii()
    assert number.isdigit()
    assert 7 <= len(number) <= 15
    assert number[0] != "0"
    assert normalise(number) == normalise("+" + number) == normalise("00" + number) == number


@pytest.mark.parametrize(
    ("sender", "kind"),
    [
        ("ACME", SenderKind.ALPHANUMERIC),
        ("24seven", SenderKind.ALPHANUMERIC),
        ("971501234567", SenderKind.NUMERIC),
        ("+12345", SenderKind.NUMERIC),
        ("12345", SenderKind.SHORTCODE),
        ("١٢٣٤٥", SenderKind.ALPHANUMERIC),
    ],
)
def test_the_kind_of_a_sender_is_seen_from_its_characters(sender: str, kind: SenderKind) -> None:
    assert sender_kind(sender) is kind


@pytest.mark.parametrize(
    ("sender", "stored"),
    [
        ("ACME", "ACME"),
        ("My Shop 24/7"[:11], "My Shop 24/"),
        (" ACME ", "ACME"),
        ("Müller&Sön", "Müller&Sön"),
        ("+971501234567", "971501234567"),
        ("123456789012345", "123456789012345"),
        ("12345", "12345"),
        ("abcdefghij€"[1:], "bcdefghij€"),
    ],
)
def test_good_senders_are_kept(sender: str, stored: str) -> None:
    assert check_sender(sender) == stored


@pytest.mark.parametrize(
    ("sender", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("TwelveChars!", "too_long"),
        ("abcdefghij€", "too_long"),
        ("1234567890123456", "too_long"),
        ("12-34", "no_letter"),
        ("+", "no_letter"),
        ("+1 234", "no_letter"),
        ("Банк", "characters"),
        ("Acme😀", "characters"),
        ("Acme\r\nX", "characters"),
        ("Acme\x00", "characters"),
        ("١٢٣٤٥", "characters"),
    ],
)
def test_bad_senders_are_refused_with_their_reason(sender: str, reason: str) -> None:
    with pytest.raises(InvalidSender) as caught:
        check_sender(sender)
    assert caught.value.reason == reason


@pytest.mark.parametrize(("number", "shown"), [(PLAIN, "********4567"), ("12345", "*2345"), ("123", "123")])
def test_a_masked_number_shows_its_last_four_digits_only(number: str, shown: str) -> None:
    assert mask(number) == shown
