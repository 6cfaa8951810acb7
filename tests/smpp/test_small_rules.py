"""Times, addresses, status classes and names."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp.addresses import Address, detect_destination, detect_source
from smpp.constants import CommandStatus, status_name, status_text
from smpp.status_classes import StatusClass, classify
from smpp.times import format_absolute, format_relative, parse_time

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("261121123456700+", datetime(2026, 11, 21, 12, 34, 56, 700_000, UTC)),
        ("261121123456004+", datetime(2026, 11, 21, 11, 34, 56, tzinfo=UTC)),
        ("261121123456022-", datetime(2026, 11, 21, 18, 4, 56, tzinfo=UTC)),
        ("000001000000000R", NOW + timedelta(days=1)),
        ("000000013000000R", NOW + timedelta(minutes=90)),
        ("010100000000000R", NOW + timedelta(days=395)),
        ("", None),
    ],
)
def test_an_smpp_time_is_read(text, moment):
    assert parse_time(text, now=NOW) == moment


@pytest.mark.parametrize(
    "text",
    [
        "2611211234",
        "261121123456700",
        "261121123456700Z",
        "269921123456700+",
        "261121123456749+",
        "x" * 16,
        "２" * 15 + "R",
    ],
)
def test_what_is_no_smpp_time_is_refused(text):
    with pytest.raises(ValueError):
        parse_time(text, now=NOW)


def test_an_absolute_time_keeps_its_quarter_hours_and_others_become_utc():
    india = timezone(timedelta(hours=5, minutes=30))
    odd = timezone(timedelta(minutes=7))
    west = timezone(timedelta(hours=-5))
    assert format_absolute(datetime(2026, 11, 21, 12, 0, tzinfo=india)) == "261121120000022+"
    assert format_absolute(datetime(2026, 11, 21, 12, 0, tzinfo=west)) == "261121120000020-"
    assert format_absolute(datetime(2026, 11, 21, 12, 7, tzinfo=odd)) == "261121120000000+"
    with pytest.raises(ValueError):
        format_absolute(datetime(2026, 11, 21))


@given(st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30)), st.integers(-48, 48))
def test_an_absolute_time_comes_back(moment, quarters):
    aware = moment.replace(
        microsecond=moment.microsecond // 100_000 * 100_000, tzinfo=timezone(timedelta(minutes=15 * quarters))
    )
    assert parse_time(format_absolute(aware), now=NOW) == aware


@given(st.timedeltas(timedelta(0), timedelta(days=3000)))
def test_a_relative_time_comes_back_to_the_second(span):
    assert parse_time(format_relative(span), now=NOW) == NOW + timedelta(days=span.days, seconds=span.seconds)


@pytest.mark.parametrize("span", [timedelta(seconds=-1), timedelta(days=36_500)])
def test_a_relative_time_out_of_range_is_refused(span):
    with pytest.raises(ValueError):
        format_relative(span)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+31612345678", Address("31612345678", 1, 1)),
        ("31612345678", Address("31612345678", 1, 1)),
        ("0031612345678", Address("31612345678", 1, 1)),
        ("0612345678", Address("0612345678", 2, 1)),
        ("12345", Address("12345", 3, 0)),
        ("1234567890123456", Address("1234567890123456", 0, 0)),
        ("", Address("", 0, 0)),
    ],
)
def test_a_number_gets_its_ton_and_npi(text, expected):
    assert detect_source(text) == detect_destination(text) == expected


@pytest.mark.parametrize("text", ["Acme", "Acme 24", "+Acme", "12-34", "٣٤٥٦٧٨٩"])
def test_what_is_not_a_number_is_an_alphanumeric_sender_and_an_unknown_recipient(text):
    assert detect_source(text) == Address(text, 5, 0)
    assert detect_destination(text) == Address(text, 0, 0)


def test_a_vendor_may_want_short_codes_as_abbreviated():
    assert detect_source("12345", short_code_ton=6) == Address("12345", 6, 0)


CLASSES = {
    StatusClass.OK: [0x00],
    StatusClass.THROTTLE: [0x58],
    StatusClass.BUSY: [0x14],
    StatusClass.TEMPORARY: [0x08, 0x64, 0xFF, 0x45, 0xFE],
    StatusClass.ROUTE: [
        *(0x0A, 0x48, 0x49, 0x15, 0x43, 0x61, 0x62, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4),
        *(0x100, 0x101, 0x102, 0x103, 0x104, 0x410, 0x4FF, 0x12345),
    ],
    StatusClass.PERMANENT: [0x0B, 0x01, 0x50, 0x51, 0x65, 0x66, 0x33, 0x40, 0x42],
    StatusClass.SESSION: [0x04, 0x05, 0x02, 0x03],
    StatusClass.BIND: [0x0D, 0x0E, 0x0F, 0x53],
}


@pytest.mark.parametrize(("status", "expected"), [(code, name) for name, codes in CLASSES.items() for code in codes])
def test_a_status_has_its_class(status, expected):
    assert classify(status) is expected


def test_every_status_has_a_class_of_its_own_a_name_and_a_text():
    from smpp.status_classes import DEFAULT_CLASSES

    assert set(DEFAULT_CLASSES) == set(CommandStatus)
    assert len({status_text(status) for status in CommandStatus}) == len(CommandStatus)
    assert status_name(0x58) == "ESME_RTHROTTLED"
    assert status_name(0x410) == "0x00000410"
    assert status_text(0x410) == "Vendor-specific error"
    assert status_text(0x9999) == "Reserved value"
