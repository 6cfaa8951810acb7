"""What a carrier may answer to a submit_sm, and what becomes of the message, its money and its webhook."""

import json
from collections import Counter

import pytest

from common.clock import utc_now
from common.ids import derive
from messaging import retry
from messaging.models import Attempt, Delivery, MessageEvent, Part
from routing.models import RouteConnector
from smpp.addresses import Address
from smpp.constants import MessageState
from smpp.receipts import write_receipt
from tests.support.cast import forget_snapshots, make_connector
from tests.workers.bind_cast import NUMBER, carrier, message, part, scene, state
from workers.binds import answers
from workers.simulator import magic_number

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    """The waits of minutes are told by the tests of messaging.retry; here they only cost time."""
    monkeypatch.setattr(retry, "DELAYS", (0, 0, 0))
    monkeypatch.setattr(retry, "GRACE", dict.fromkeys(retry.GRACE, 0))
    monkeypatch.setattr(answers, "PAUSES", dict.fromkeys(answers.PAUSES, (0.05, 0.1)))


def webhooks(message_id):
    return [json.loads(row.body)["status"] for row in Delivery.objects.filter(subject=message_id)]


# code: (status of the part, word of the webhook)
ENDS = {
    0: ("DELIVERED", "DELIVRD"),
    1: ("UNDELIVERED", "UNDELIV"),
    2: ("EXPIRED", "EXPIRED"),
    3: ("REJECTED", "REJECTD"),
    4: ("DELETED", "UNDELIV"),
    6: ("DELIVERED", "DELIVRD"),
    8: ("DELIVERED", "DELIVRD"),
    9: ("DELIVERED", "DELIVRD"),
    10: ("DELIVERED", "DELIVRD"),
    12: ("DELIVERED", "DELIVRD"),
    24: ("DELIVERED", "DELIVRD"),
    25: ("DELIVERED", "DELIVRD"),
    26: ("DELIVERED", "DELIVRD"),
    19: ("REJECTED", "REJECTD"),
    30: ("REJECTED", "REJECTD"),
}


def test_every_kind_of_receipt_ends_in_the_right_status_and_one_webhook():
    with scene() as found:
        ids = dict(
            zip(ENDS, found.send_all([{"to": magic_number(code), "content": f"m{code}"} for code in ENDS]), strict=True)
        )
        silent = found.send(to=magic_number(7))
        found.until(lambda: {code: state(one) for code, one in ids.items()} == {c: e[0] for c, e in ENDS.items()})
        found.until(lambda: MessageEvent.objects.filter(kind="dlr_conflict", message_id=ids[10]).exists())
        assert {code: webhooks(one) for code, one in ids.items()} == {code: [word] for code, (_, word) in ENDS.items()}
        found.until_status(silent, "SUBMITTED")  # it was sent last, and nothing above waits for it
        # Refused by the carrier means not sent: these two are paid back, what the network failed to deliver is not.
        assert found.cast.balance == 1000 - len(ENDS) - 1 + 2


def test_a_receipt_in_another_base_matches_by_the_connectors_rule():
    with scene(id_rule="dec_to_hex", simulator={"id_format": "dec"}) as found:
        sent = found.send(to=magic_number(11))
        found.until_status(sent, "DELIVERED")


def test_a_throttled_message_goes_first_when_the_pause_is_over_and_no_attempt_counts():
    with scene(window=1) as found:
        ids = found.send_all(
            [{"to": magic_number(16), "content": "first"}, *({"to": NUMBER, "content": f"then {n}"} for n in range(3))]
        )
        found.until(lambda: all(state(one) == "DELIVERED" for one in ids))
        assert found.texts == ["first", "then 0", "then 1", "then 2"]
        assert found.smsc.counters["answers"]["ESME_RTHROTTLED"] == 1
        assert part(ids[0]).attempts == 0
        assert not Attempt.objects.exists()


def test_a_full_queue_delays_one_number_alone_after_three_in_a_row():
    with scene(window=1) as found:
        full = found.send(to=magic_number(29), content="full three times")
        other = found.send(content="other")
        found.until_status(full, "DELIVERED")
        found.until_status(other, "DELIVERED")
        assert part(full).attempts == 1
        assert [(a.outcome, a.command_status) for a in Attempt.objects.all()] == [("temporary", 0x14)]


def test_a_queue_that_stays_full_fails_the_message_after_its_attempts_and_pays_back():
    with scene(max_attempts=2) as found:
        sent = found.send(to=magic_number(17))
        found.until_status(sent, "FAILED")
        assert found.smsc.counters["answers"]["ESME_RMSGQFUL"] == 6
        assert webhooks(sent) == ["UNDELIV"]
        assert found.cast.balance == 1000


def test_a_system_error_is_tried_again_at_a_date():
    with scene() as found:
        sent = found.send(to=magic_number(18))
        found.until_status(sent, "DELIVERED")
        assert part(sent).attempts == 2
        assert [a.command_status for a in Attempt.objects.order_by("number")] == [8, 8]
        assert found.cast.balance == 999


def test_a_refused_sender_goes_to_the_next_hop_and_is_rejected_where_there_is_none():
    with carrier() as second, scene(simulator={"refuse_every": "1:0x0A"}) as found:
        alone = found.send(content="alone")
        found.until_status(alone, "REJECTED")
        assert webhooks(alone) == ["REJECTD"]
        assert found.cast.balance == 1000
        other = make_connector(port=second.port)
        RouteConnector.objects.create(route=found.cast.profile.routes.get(), connector=other, position=1)
        forget_snapshots()
        sent = found.send(content="by the second")
        found.until_status(sent, "DELIVERED")
        assert part(sent).connector_id == other.pk
        assert [m.text for m in second.messages] == ["by the second"]
        assert found.cast.balance == 999


def test_a_message_without_an_answer_is_sent_again_flagged_and_charged_once():
    with scene(response_timeout=1, simulator={"delay_ms": 60_000}) as found:
        sent = found.send(to=magic_number(14))
        found.until(lambda: len(found.smsc.messages) >= 2)
        assert found.smsc.messages[1].repeat
        assert part(sent).possible_duplicate
        assert message(sent).possible_duplicate
        assert found.cast.balance == 999


def test_a_receipt_settles_a_message_without_an_answer_so_that_it_is_not_sent_again():
    with scene(response_timeout=1) as found:
        sent = found.send(to=magic_number(14))
        found.until_status(sent, "DELIVERED")
        assert part(sent).matched_by == "address"
        assert len(found.smsc.messages) == 1


@pytest.mark.parametrize(("code", "copies"), [(15, (1, 2)), (28, (1,))])
def test_a_link_that_breaks_instead_of_an_answer_leaves_the_message_in_doubt_not_lost(code, copies):
    with scene() as found:
        sent = found.send(to=magic_number(code))
        found.until_status(sent, "DELIVERED")
        assert len(found.smsc.messages) in copies
        settled = part(sent)
        assert settled.possible_duplicate or settled.matched_by == "address"
        assert found.cast.balance == 999
        assert webhooks(sent) == ["DELIVRD"]


def test_marketing_in_doubt_is_held_for_a_late_receipt_and_not_sent_again():
    with scene(response_timeout=1) as found:
        sent = found.send(to=magic_number(27), traffic_class="bulk")
        held = found.until_status(sent, "UNCERTAIN")
        assert held.uncertain_until > utc_now()
        assert found.smsc.counters["submits"] == 1


def test_one_part_that_fails_decides_the_message_and_is_the_only_one_paid_back():
    with scene(window=50) as found:
        found.cast.account.charge_on = "delivery"
        found.cast.account.save()
        forget_snapshots()
        sent = found.send(to=magic_number(7), content="x" * 400)
        found.until(lambda: all(state(sent, seq) == "SUBMITTED" for seq in (1, 2, 3)))
        for seq, what in ((1, MessageState.DELIVERED), (2, MessageState.UNDELIVERABLE), (3, MessageState.DELIVERED)):
            say(found, part(sent, seq).provider_id, what)
        found.until(lambda: message(sent).status == "UNDELIVERED" and message(sent).done_at)
        assert [state(sent, seq) for seq in (1, 2, 3)] == ["DELIVERED", "UNDELIVERED", "DELIVERED"]
        assert found.cast.balance == 1000 - 2
        assert webhooks(sent) == ["UNDELIV"]


def say(found, provider_id, what):
    now = utc_now()
    receipt = write_receipt(
        message_id=provider_id, state=what, submitted=now, done=now,
        source=Address(magic_number(7), 1, 1), destination=Address("GATEWAY", 5, 0),
    )  # fmt: skip
    found.smsc.call(lambda smsc: smsc.send_receipt(receipt))


def test_an_answer_of_the_session_kind_recycles_the_link_and_keeps_the_message():
    with scene(simulator={"refuse_every": "1:0x04"}) as found:
        sent = found.send()
        found.until(lambda: found.smsc.counters["binds"] >= 2)
        found.smsc.configure(refuse_every="")
        found.until_status(sent, "DELIVERED")
        assert part(sent).attempts == 0
        assert not Attempt.objects.exists()


def test_a_text_that_ends_the_session_each_time_goes_elsewhere_and_takes_no_neighbour_along():
    with scene(window=50) as found:
        guilty = found.send(to=magic_number(202))  # "invalid command length", whenever it comes
        sent = []
        for number in range(40):
            sent.append(found.send(to=f"3165550{number:04}"))
            found.until(lambda: found.smsc.counters["submits"] > len(sent))
            if state(guilty) == "REJECTED":
                break
        found.until_status(guilty, "REJECTED", timeout=30)
        for one in sent:
            found.until_status(one, "DELIVERED")
        copies = Counter(message.destination for message in found.smsc.messages)
        assert set(copies.values()) == {1} and len(copies) == len(sent)
        assert not Part.objects.filter(possible_duplicate=True).exists()
        assert found.cast.balance == 1000 - len(sent)


def test_codes_of_a_vendor_follow_the_connectors_own_table():
    with scene(error_classes={"0x410": "permanent", "nonsense": "permanent", "20": "no such class"}) as found:
        sent = found.send(to=magic_number(31))
        found.until_status(sent, "REJECTED")
        assert Attempt.objects.get(part_id=derive(sent, 1)).command_status == 0x410
