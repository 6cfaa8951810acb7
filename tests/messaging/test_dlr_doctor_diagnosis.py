"""Which rule receipts agree on, decided without a database: twenty messages, one rule, nobody else's number."""

from datetime import UTC, datetime, timedelta

import pytest

from common.ids import derive, new_id
from connectors.models import IdRule
from messaging.receipts.doctor.clocks import Dated, judge
from messaging.receipts.doctor.diagnosis import ENOUGH, Sent, Unmatched, diagnose, digits, form_of, sample
from smpp.receipts import ID_RULES

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
BASE = 0x51A1_0000_0F00  # beyond 32 bits, with letters in hex

# (rule, id in the answer, id in the receipt) of message n
CASES = {
    "as_is": (lambda n: f"a{n}", lambda n: f"a{n}"),
    "casefold": (lambda n: f"msg-{n:x}-q", lambda n: f"MSG-{n:X}-Q"),
    "strip_zeros": (lambda n: f"{BASE + n:020d}", lambda n: str(BASE + n)),
    "hex_to_dec": (lambda n: f"{BASE + n:x}", lambda n: str(BASE + n)),
    "dec_to_hex": (lambda n: str(BASE + n), lambda n: f"{BASE + n:X}"),
    "punctuation": (lambda n: f"{BASE:x}-{n:04x}-z.1", lambda n: f"{BASE:X}{n:04X}Z1"),
    "core": (lambda n: f"SAR-{BASE + n}-2-1", lambda n: str(BASE + n)),
    "low_32_hex": (lambda n: f"{BASE + n:X}", lambda n: str(BASE + n & 0xFFFFFFFF)),
    "low_32_dec": (lambda n: str(BASE + n), lambda n: str(BASE + n & 0xFFFFFFFF)),
}


def sent(answer, number="971501234567", *, at=NOON, message=None, seq=1):
    message = message or new_id()
    return Sent(derive(message, seq), message, answer, number, at)


def unmatched(reported, number="971501234567", *, at=NOON + timedelta(seconds=5)):
    return Unmatched(new_id(), reported, (number, "gateway"), at)


def pairs(rule, many, first=0, **fields):
    """Messages and receipts, each to a number of its own."""
    answer, reported = CASES[rule]
    numbers = [f"9715{first + n:08d}" for n in range(many)]
    return (
        [unmatched(reported(first + n), number, **fields) for n, number in enumerate(numbers)],
        [sent(answer(first + n), number) for n, number in enumerate(numbers)],
    )


def test_there_is_a_case_for_every_rule_and_the_enum_knows_them_all():
    assert list(CASES) == sorted(CASES, key=list(ID_RULES).index)
    assert set(CASES) == set(ID_RULES) == set(IdRule.values)


@pytest.mark.parametrize("rule", CASES)
def test_twenty_messages_that_agree_on_one_rule_are_enough_and_nineteen_are_not(rule):
    receipts, parts = pairs(rule, ENOUGH)
    found = diagnose(receipts, parts)
    assert (found.rule, found.agreeing, found.why) == (rule, ENOUGH, "")
    assert {key: part.provider_id for key, (part,) in found.pairs.items()} == {
        receipt.id: part.provider_id for receipt, part in zip(receipts, parts, strict=True)
    }
    few = diagnose(receipts[1:], parts)
    assert (few.rule, few.pairs) == ("", {})
    assert few.why == f"only 19 messages agree on {rule}; 20 are needed"


def test_two_rules_that_each_fit_their_own_messages_are_none():
    receipts, parts = (a + b for a, b in zip(pairs("hex_to_dec", 25), pairs("strip_zeros", 20, 100), strict=True))
    found = diagnose(receipts, parts)
    assert found.rule == ""
    assert found.why == "two rules fit, each for other messages: hex_to_dec and strip_zeros"
    assert (found.fits["hex_to_dec"], found.fits["strip_zeros"]) == (25, 20)


def test_a_rule_stands_beside_a_few_that_fit_another():
    receipts, parts = (a + b for a, b in zip(pairs("hex_to_dec", 25), pairs("strip_zeros", 19, 100), strict=True))
    assert diagnose(receipts, parts).rule == "hex_to_dec"


def test_receipts_that_two_rules_give_to_different_messages_speak_for_none():
    receipts, parts = [], []
    for n in range(30):
        number = f"9715{n:08d}"
        reported = str(10_000_000 + n)
        receipts.append(unmatched(reported, number))
        parts += [sent(format(int(reported), "x"), number), sent(f"0{reported}", number)]
    found = diagnose(receipts, parts)
    assert (found.rule, dict(found.fits)) == ("", {})


def test_of_rules_that_bring_the_same_together_the_mildest_is_meant():
    receipts, parts = pairs("casefold", 20)
    found = diagnose(receipts, parts)
    assert found.rule == "casefold"
    assert found.fits["punctuation"] == 20  # fits as well, and says nothing else


def test_twenty_receipts_of_one_message_are_one_witness():
    [only], parts = pairs("hex_to_dec", 1)
    receipts = [unmatched(only.provider_id, only.numbers[0]) for _ in range(30)]
    assert diagnose(receipts, parts).fits["hex_to_dec"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"numbers": ("31600000000", "gateway")},
        {"received_at": NOON - timedelta(hours=1)},
        {"received_at": NOON + timedelta(days=11)},
    ],
    ids=["another number", "before it was sent", "long after"],
)
def test_ids_that_agree_are_not_enough(change):
    receipts, parts = pairs("hex_to_dec", 25)
    others = [
        Unmatched(**{name: getattr(one, name) for name in ("id", "provider_id", "numbers", "received_at")} | change)
        for one in receipts
    ]
    assert dict(diagnose(others, parts).fits) == {}


def turn(addresses, place):
    return addresses[::-1] if place % 2 else addresses


def test_the_number_may_be_either_address_with_a_plus_or_zeros():
    receipts, parts = pairs("hex_to_dec", 20)
    forms = [
        lambda n: (n, "x"),
        lambda n: ("x", n),
        lambda n: (digits(f"+{n}"), "x"),
        lambda n: ("x", digits(f"00{n}")),
    ]
    turned = [
        Unmatched(one.id, one.provider_id, forms[place % 4](one.numbers[0]), one.received_at)
        for place, one in enumerate(receipts)
    ]
    assert diagnose(turned, parts).agreeing == 20


def test_the_parts_of_one_message_may_share_the_core_of_an_id():
    receipts, parts = [], []
    for n in range(20):
        message, number = new_id(), f"9715{n:08d}"
        parts += [sent(f"SAR-{BASE + n}-2-{seq}", number, message=message, seq=seq) for seq in (1, 2)]
        receipts.append(unmatched(str(BASE + n), number))
    found = diagnose(receipts, parts)
    assert (found.rule, found.agreeing) == ("core", 20)
    assert {len(pair) for pair in found.pairs.values()} == {2}


def test_a_rule_that_would_part_what_meets_today_is_none():
    receipts, parts = pairs("hex_to_dec", 30)
    meet = [(f"00{n}ff", f"00{n}ff") for n in range(20)]  # as it is; by the rule the answer would be another number
    assert diagnose(receipts, parts, meet[1:]).rule == "hex_to_dec"
    found = diagnose(receipts, parts, meet)
    assert found.rule == ""
    assert found.why == "hex_to_dec would part 20 of the last 20 receipts that meet their messages today"


def test_samples_show_ids_and_only_the_end_of_the_number():
    receipts, parts = pairs("hex_to_dec", 30)
    shown = sample(diagnose(receipts, parts), receipts)
    assert len(shown) == 5
    assert shown[0] == {"answer": f"{BASE:x}", "receipt": str(BASE), "number": "…0000"}


@pytest.mark.parametrize(
    ("ids", "form"),
    [
        ([], ""),
        (["1", "42"], "decimal"),
        (["1", "042"], "decimal with leading zeros"),
        (["12", "1f"], "hex, small letters"),
        (["12", "1F"], "hex, capitals"),
        (["1f", "1F"], "hex"),
        (["0f8fad5b-d9cb-469f-a165-70867728950e"], "UUID"),
        (["Zz1"], "letters and digits"),
        (["1.2.3"], "dotted"),
        (["SAR-1-2-1"], "dashed"),
        (["a@b"], "mixed"),
    ],
)
def test_the_form_of_ids_has_a_word(ids, form):
    assert form_of(ids) == form


def dated(offset, digits=10, delays=(1, 2, 3, 4, 40)):
    """Receipts of a carrier whose clock shows UTC + offset, `delays` seconds after the end of the message."""
    return [Dated(NOON + offset, digits, NOON + timedelta(seconds=delay)) for delay in delays]


@pytest.mark.parametrize(
    ("offset", "zone", "words"),
    [
        (timedelta(0), 0, "UTC+00:00, -3 s at arrival"),
        (timedelta(hours=4), 14_400, "UTC+04:00, -3 s at arrival"),
        (timedelta(hours=-3, minutes=-30), -12_600, "UTC-03:30, -3 s at arrival"),
        (timedelta(hours=5, minutes=45, seconds=90), 20_700, "UTC+05:45, +87 s at arrival"),
    ],
)
def test_the_zone_of_a_carriers_clock_and_its_drift_are_told_from_done_date_and_arrival(offset, zone, words):
    found = judge(dated(offset))
    assert (found.zone, found.words) == (zone, words)


def test_dates_that_agree_on_no_zone_tell_none():
    mixed = dated(timedelta(0)) + dated(timedelta(hours=2), 12)
    found = judge(mixed)
    assert (found.zone, found.drift, found.digits) == (None, None, {10: 5, 12: 5})
    assert judge([]).words == "no dates"
    assert judge(dated(timedelta(0), 14)[:4]).words == "no zone can be told"
