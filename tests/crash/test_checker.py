"""The checker is worth as much as it can fail: every tampering with good evidence is found by name."""

import csv
import json
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.crash.checker import judge
from tests.crash.evidence import Copy, Evidence, Sent, Told, Window, gather, senders

PRICE = Decimal("0.5500")
MESSAGES = 40


def row(number, parts, **changes):
    return {
        "message_id": f"id-{number}", "client_ref": f"m{number}", "status": "DELIVERED", "possible_duplicate": "False",
        "parts": str(parts), "price": str(PRICE * parts), "charge": f"t-{number}",
    } | changes  # fmt: skip


def good() -> Evidence:
    """Forty messages that went well: every fourth has two parts, three were refused, one was sent twice and says so."""
    sent, copies, told, messages = {}, [], [], []
    opening = {"id": "t-0", "reason": "top_up", "amount": "1000.0000", "after": "1000.0000"}
    transfers = [opening]
    for number in range(1, MESSAGES + 1):
        parts, to = 2 if number % 4 == 0 else 1, f"9715{number:08d}"
        message = Sent(number, to, "ab" if parts == 2 else "a", parts, "crash", f"key-{number}" if number % 3 else None)
        sent[number] = message
        if number > MESSAGES - 3:
            message.refused = True
            continue
        message.ids = {f"id-{number}"}
        copies += [Copy(to, seq, parts, "ab"[seq - 1], 100.0 + number) for seq in range(1, parts + 1)]
        told.append(Told(f"id-{number}", f"event-{number}", "DELIVRD", 103.0 + number))
        messages.append(row(number, parts))
        transfers.append({"id": f"t-{number}", "reason": "charge", "amount": str(PRICE * parts), "after": "500.0000"})
    copies.append(replace(copies[0], at=101.9))
    messages[0]["possible_duplicate"] = "True"
    windows = [Window(1, "kill-binds", 101.0, 101.8)]
    return Evidence(sent, copies, told, messages, transfers, windows, PRICE, {"crash": Decimal(1000)})


def broken(evidence):
    return {figure.name for figure in judge(evidence) if not figure.holds}


def figure(evidence, name):
    return next(figure for figure in judge(evidence) if figure.name == name)


def test_good_evidence_holds_and_the_zeros_are_counted():
    assert broken(good()) == set()
    assert (figure(good(), "lost").count, figure(good(), "lost").of) == (0, MESSAGES - 3)
    assert (figure(good(), "refused_but_sent").count, figure(good(), "refused_but_sent").of) == (0, 3)
    assert figure(good(), "ambiguous_duplicates").count == 1


def lose_a_message(evidence):
    evidence.copies = [copy for copy in evidence.copies if copy.to != evidence.sent[5].to]


def lose_one_part_of_two(evidence):
    evidence.copies = [copy for copy in evidence.copies if (copy.to, copy.seq) != (evidence.sent[4].to, 2)]


def lose_the_row_as_well(evidence):
    lose_a_message(evidence)
    evidence.messages = [one for one in evidence.messages if one["client_ref"] != "m5"]


def send_twice_in_peace(evidence):
    first = next(copy for copy in evidence.copies if copy.to == evidence.sent[9].to)
    evidence.copies.append(replace(first, at=first.at + 1))
    evidence.messages[8]["possible_duplicate"] = "True"


def send_again_what_was_told(evidence):
    evidence.copies[-1] = replace(evidence.copies[-1], at=109.0)


def send_twice_without_saying_so(evidence):
    evidence.messages[0]["possible_duplicate"] = "False"


def change_a_text(evidence):
    evidence.copies[2] = replace(evidence.copies[2], text="A")


def send_what_was_refused(evidence):
    evidence.copies.append(Copy(evidence.sent[MESSAGES].to, 1, 1, "ab", 150.0))


def bill_what_was_refused(evidence):
    evidence.messages.append(row(MESSAGES, 2))


def charge_too_much(evidence):
    evidence.transfers[3]["amount"] = "0.5501"


def charge_twice(evidence):
    evidence.transfers.append(dict(evidence.transfers[3]))


def make_money(evidence):
    evidence.transfers[0]["amount"] = "1000.0001"


def give_back_what_was_delivered(evidence):
    evidence.transfers.append({"id": "r", "reason": "refund", "amount": "0.5500", "after": "500.0000"})


def price_by_a_wrong_count(evidence):
    evidence.messages[3]["price"] = str(PRICE)


def forget_the_charge(evidence):
    evidence.messages[6]["charge"] = ""


def go_below_zero(evidence):
    evidence.transfers[5]["after"] = "-0.0001"


def answer_a_key_with_two_ids(evidence):
    evidence.sent[2].ids.add("id-other")


def make_two_messages_of_one(evidence):
    evidence.messages.append(row(2, 1, message_id="id-other"))


def keep_the_end_to_oneself(evidence):
    evidence.told = [told for told in evidence.told if told.id != "id-7"]


def tell_it_as_two_events(evidence):
    evidence.told.append(replace(evidence.told[0], event="event-other"))


def tell_something_else(evidence):
    evidence.told[0] = replace(evidence.told[0], status="UNDELIV")


def leave_one_under_way(evidence):
    evidence.messages[1]["status"] = "SUBMITTED"


def send_what_nobody_ordered(evidence):
    evidence.copies.append(Copy("971599999999", 1, 1, "a", 150.0))


def invent_a_row(evidence):
    evidence.messages.append(row(99_999, 1))


TAMPERINGS = {
    lose_a_message: {"lost"},
    lose_one_part_of_two: {"lost"},
    lose_the_row_as_well: {"lost"},
    send_twice_in_peace: {"sure_duplicates"},
    send_again_what_was_told: {"sure_duplicates"},
    send_twice_without_saying_so: {"unflagged_duplicates"},
    change_a_text: {"wrong_text"},
    send_what_was_refused: {"refused_but_sent"},
    bill_what_was_refused: {"refused_but_billed"},
    charge_too_much: {"ledger_difference"},
    charge_twice: {"ledger_difference"},
    make_money: {"ledger_difference"},
    give_back_what_was_delivered: {"other_movements"},
    price_by_a_wrong_count: {"wrong_price"},
    forget_the_charge: {"unpaid"},
    go_below_zero: {"negative_balances"},
    answer_a_key_with_two_ids: {"idempotency_mismatches", "callbacks_missing"},
    make_two_messages_of_one: {"doubled_rows"},
    keep_the_end_to_oneself: {"callbacks_missing"},
    tell_it_as_two_events: {"callbacks_doubled"},
    tell_something_else: {"callbacks_wrong"},
    leave_one_under_way: {"stuck"},
    send_what_nobody_ordered: {"strange_copies"},
    invent_a_row: {"strange_rows"},
}


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_it_fails_on(tamper):
    evidence = good()
    tamper(evidence)
    assert broken(evidence) == TAMPERINGS[tamper]


def test_more_in_doubt_than_one_fault_may_leave_is_too_much():
    evidence = good()
    for number in range(1000, 1700):
        to = f"9715{number:08d}"
        evidence.sent[number] = Sent(number, to, "a", 1, "crash", None, {f"id-{number}"})
        evidence.copies += [Copy(to, 1, 1, "a", 101.5), Copy(to, 1, 1, "a", 103.0)]
        evidence.messages.append(row(number, 1, possible_duplicate="True", charge="t-x"))
        evidence.told.append(Told(f"id-{number}", f"e-{number}", "DELIVRD", 104.0))
        evidence.transfers.append({"id": "t-x", "reason": "charge", "amount": "0.5500", "after": "1"})
    assert broken(evidence) == {"ambiguous_of_one_fault"}


def test_the_poor_may_not_buy_more_than_they_have():
    evidence = good()
    evidence.sent[1].who = "poor"
    evidence.opening = {"crash": Decimal("999.5000"), "poor": Decimal("0.5000")}
    assert broken(evidence) == {"overdrawn"}


def test_what_ended_unsent_with_a_reason_is_counted_apart():
    evidence = good()
    lose_a_message(evidence)
    evidence.messages[4]["status"] = "EXPIRED"
    assert broken(evidence) == set()
    assert figure(evidence, "not_sent_with_reason").count == 1


def request(number, key=None):
    return {
        "e": "request", "n": [number], "to": [f"9715{number:08d}"], "who": "crash", "contents": ["a"], "parts": [1],
        "key": key,
    }  # fmt: skip


def answer(number, status, code="", key=None, **result):
    return {"e": "answer", "n": [number], "status": status, "code": code, "key": key, "results": [result]}


@pytest.mark.parametrize(
    ("answers", "fate"),
    [
        ([answer(1, 200, id="x")], "accepted"),
        ([answer(1, 400)], "never"),
        ([answer(1, 0, "never sent")], "never"),
        ([answer(1, 0, "TimeoutError")], "unknown"),
        ([answer(1, 503, "unavailable")], "unknown"),
        ([answer(1, 0, "TimeoutError"), answer(1, 402)], "unknown"),
        ([answer(1, 503, "unavailable"), answer(1, 200, id="x")], "accepted"),
        ([answer(1, 200, refused="no_credit")], "never"),
        ([], "unknown"),  # the run was cut before the answer came
    ],
)
def test_what_a_sender_may_rely_on(answers, fate):
    message = senders([request(1), *answers])[1]
    assert [name for name in ("accepted", "never", "unknown") if getattr(message, name)] == [fate]


def test_the_journals_are_read_as_they_are_written(tmp_path):
    def lines(name, *items):
        (tmp_path / name).write_text("".join(json.dumps({"at": 5.0, **item}) + "\n" for item in items))

    def table(name, **cells):
        (tmp_path / "export").mkdir(exist_ok=True)
        with (tmp_path / "export" / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, cells)
            writer.writeheader()
            writer.writerow(cells)

    lines("senders.jsonl", request(1), answer(1, 200, id="id-1"))
    taken = {"destination": "971500000001", "text": "a", "received_at": "1970-01-01T00:00:10+00:00"}
    lines("carrier.jsonl", {**taken, "concat": None}, {**taken, "concat": [7, 3, 2]})
    lines("webhooks.jsonl", {"event": "e-1", "id": "id-1", "status": "DELIVRD"})
    lines(
        "nemesis.jsonl",
        {"event": "strike", "number": 1, "kind": "kill-binds"},
        {"event": "struck", "number": 1, "skipped": "", "whole_at": 9.0},
        {"event": "strike", "number": 2, "kind": "smsc-rst"},
        {"event": "struck", "number": 2, "skipped": "nobody is bound now", "whole_at": 9.5},
        {"event": "strike", "number": 3, "kind": "kill-web"},
    )
    table("messages.csv", **row(1, 1))
    table("transfers.csv", id="t-1", reason="charge", amount="0.5500", after="1")
    found = gather(tmp_path, price=PRICE, opening={})
    assert found.sent[1].ids == {"id-1"}
    assert found.copies == [Copy("971500000001", 1, 1, "a", 10.0), Copy("971500000001", 2, 3, "a", 10.0)]
    assert found.told == [Told("id-1", "e-1", "DELIVRD", 5.0)]
    assert found.windows == [Window(1, "kill-binds", 5.0, 9.0), Window(3, "kill-web", 5.0, float("inf"))]
    assert found.messages[0]["client_ref"] == "m1" and found.transfers[0]["reason"] == "charge"
