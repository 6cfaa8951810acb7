"""`audit_ledger` finds every seeded contradiction between messages and money, and raises no false alarm."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import transaction

from accounts.models import Account
from billing.charging import Charge, Refund, charge, refund
from billing.models import LedgerSeal
from common import ids
from messaging import audit
from messaging.models import Message, Part, Status
from tests.support import cast
from tests.support.ledger import tampering

pytestmark = [pytest.mark.both, pytest.mark.django_db]
FINAL = (Status.UNDELIVERED, Status.EXPIRED, Status.REJECTED, Status.DELETED, Status.UNKNOWN)


def send(account: Account, *statuses: Status, price: str = "0.55", submitted: bool = True, **fields) -> Message:
    """A charged message whose parts stand in these states."""
    message = Message(
        account=account,
        source="api",
        sender="GATEWAY",
        recipient=cast.NUMBER,
        content="x",
        encoding="gsm",
        parts=len(statuses),
        lane="transactional",
        status=statuses[0],
        unit_price=Decimal(price),
        price=Decimal(price) * len(statuses),
        charge=ids.new_id() if Decimal(price) else None,
        created_at=datetime.now(UTC),
    )
    for name, value in fields.items():
        setattr(message, name, value)
    message.save(force_insert=True)
    connector = cast.Connector.objects.first() or cast.make_connector()
    for seq, status in enumerate(statuses, 1):
        Part.objects.create(
            id=ids.derive(message.pk, seq),
            message=message,
            seq=seq,
            connector=connector,
            lane="transactional",
            status=status,
            submitted_at=datetime.now(UTC) if submitted else None,
        )
    if message.charge:
        with transaction.atomic():
            assert charge([charge_of(message)]) == set()
    return message


def charge_of(message: Message) -> Charge:
    return Charge(
        pays_on=message.account.charge_on,
        ledger_id=message.charge,
        account_id=message.account_id,
        amount=message.price,
        parts=message.parts,
        source="api",
    )


def give_back(message: Message, seq: int = 1, *, why: str = "FAILED", amount: Decimal | None = None) -> None:
    item = Refund(
        part_id=ids.derive(message.pk, seq),
        account_id=message.account_id,
        amount=message.unit_price if amount is None else amount,
        charge_id=message.charge,
        why=why,
    )
    with transaction.atomic():
        refund([item])


def run(*arguments: str) -> tuple[int, str]:
    """Exit status and output of the command."""
    out = StringIO()
    try:
        call_command("audit_ledger", *arguments, stdout=out)
    except SystemExit as stop:
        return int(stop.code), out.getvalue()
    return 0, out.getvalue()


def findings() -> list[str]:
    status, output = run()
    listed = output.splitlines()[:-1]
    assert status == bool(listed)
    return listed


@pytest.fixture
def on_submit():
    return cast.make_account(credits="100")


@pytest.fixture
def on_delivery():
    return cast.make_account(credits="100", charge_on="delivery")


def test_traffic_that_went_as_it_should_has_no_findings(on_submit, on_delivery):
    for account in (on_submit, on_delivery):
        send(account, Status.QUEUED, Status.SUBMITTING, Status.UNCERTAIN, Status.SUBMITTED, Status.SCHEDULED)
        send(account, Status.DELIVERED, Status.DELIVERED)
        send(account, Status.SCHEDULED, price="0")
        send(account, Status.BLOCKED, price="0")
        for status in (Status.FAILED, Status.CANCELLED, Status.EXPIRED, Status.REJECTED):
            give_back(send(account, status, submitted=False))
    send(on_submit, *FINAL)
    late = send(on_delivery, *FINAL, Status.DELIVERED)
    for seq in range(1, 7):
        give_back(late, seq, why="UNKNOWN: no receipt in time")
    assert run()[0] == 0
    assert findings() == []


def test_an_empty_gateway_is_in_order():
    assert findings() == []


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED, Status.EXPIRED, Status.REJECTED])
def test_a_part_that_failed_before_it_was_sent_must_be_refunded(on_submit, status):
    message = send(on_submit, status, submitted=False)
    part = ids.derive(message.pk, 1)
    assert findings() == [f"I6 part {part}: {status}, not refunded (charged on submit)"]


def test_a_change_of_terms_changes_nothing_for_what_was_charged_before(on_submit, on_delivery):
    kept = send(on_submit, *FINAL)
    back = send(on_delivery, *FINAL)
    for seq in range(1, len(FINAL) + 1):
        give_back(back, seq)
    Account.objects.filter(pk=on_submit.pk).update(charge_on="delivery")
    Account.objects.filter(pk=on_delivery.pk).update(charge_on="submit")
    assert findings() == []
    give_back(kept, 2)  # a refund by nobody's terms is for the operator to give: the rule is only what is due
    send(on_delivery, Status.UNDELIVERED)
    on_delivery.refresh_from_db()
    part = ids.derive(send(on_delivery, Status.FAILED, submitted=False).pk, 1)
    late = ids.derive(Message.objects.filter(account=on_delivery, parts=1).order_by("id")[0].pk, 1)
    assert findings() == [
        f"I6 part {late}: UNDELIVERED, not refunded (charged on delivery)",
        f"I6 part {part}: FAILED, not refunded (charged on submit)",
    ]


@pytest.mark.parametrize("status", FINAL)
def test_who_pays_on_delivery_gets_every_other_end_back(on_delivery, status):
    message = send(on_delivery, Status.DELIVERED, status)
    part = ids.derive(message.pk, 2)
    assert findings() == [f"I6 part {part}: {status}, not refunded (charged on delivery)"]


@pytest.mark.parametrize("status", [Status.DELIVERED, Status.SUBMITTED, Status.QUEUED, Status.UNCERTAIN])
def test_what_was_delivered_or_is_under_way_must_not_be_refunded(on_submit, status):
    message = send(on_submit, status)
    give_back(message)
    part = ids.derive(message.pk, 1)
    assert findings() == [f"I6 part {part}: {status}, refunded 0.5500 (charged on submit)"]


def test_a_refund_of_less_than_the_part_cost_is_found(on_submit):
    give_back(send(on_submit, Status.FAILED, submitted=False), amount=Decimal("0.5"))
    assert [line[:2] for line in findings()] == ["I6"]


def test_a_blocked_message_with_a_price_is_found(on_submit):
    send(on_submit, Status.BLOCKED)
    assert [line[:2] for line in findings()] == ["I6"]


def test_a_refund_of_more_than_the_part_cost_is_found(on_submit):
    message = send(on_submit, Status.FAILED, Status.DELIVERED, submitted=False)
    give_back(message, amount=Decimal("0.5501"))
    part = ids.derive(message.pk, 1)
    assert findings() == [f"I5 refund ref:{part.hex}: 0.5501 for a part of 0.5500"]


def test_a_refund_of_another_charge_is_found(on_submit):
    failed, other = send(on_submit, Status.FAILED, submitted=False), send(on_submit, Status.DELIVERED)
    failed.charge = other.charge
    give_back(failed)
    assert findings() == [f"I5 refund ref:{ids.derive(failed.pk, 1).hex}: is not of the charge of its part"]


def test_a_second_refund_under_another_key_is_found(on_submit):
    message = send(on_submit, Status.FAILED, Status.DELIVERED, submitted=False)
    give_back(message)
    give_back(message, seq=9)
    nobody = ids.derive(message.pk, 9)
    assert findings() == [f"I5 refund ref:{nobody.hex}: there is no such part of this account"]


def test_a_malformed_refund_key_is_found(on_submit):
    give_back(send(on_submit, Status.FAILED, submitted=False))
    with tampering() as cursor:
        cursor.execute("UPDATE billing_ledgerentry SET key = 'ref:what' WHERE reason = 'refund'")
    assert [line.split(":")[0] for line in findings()] == [findings()[0].split(":")[0], "I5 refund ref"]
    assert findings()[0].startswith("I6 part")


@pytest.mark.parametrize(
    ("statement", "invariants"),
    [
        ("UPDATE messaging_message SET price = price + 1", {"I4", "I7"}),
        ("UPDATE messaging_message SET unit_price = unit_price + 1", {"I7"}),
        ("UPDATE messaging_message SET parts = parts + 1", {"I7"}),
        ("UPDATE messaging_message SET price = price * 2, unit_price = unit_price * 2", {"I4"}),
        ("UPDATE messaging_message SET charge = NULL", {"I4"}),
        ("DELETE FROM messaging_message", {"I4"}),
        ("DELETE FROM billing_ledgerentry WHERE reason = 'charge'", {"I1", "I2", "I4"}),
        ("UPDATE billing_ledgerentry SET reason = 'debit', credit = 'top_ups' WHERE reason = 'charge'", {"I4"}),
    ],
)
def test_tampered_messages_and_charges_are_found(on_submit, statement, invariants):
    send(on_submit, Status.DELIVERED, Status.SUBMITTED)
    with tampering() as cursor:
        cursor.execute(statement)
    assert {line[:2] for line in findings()} == invariants


def test_a_message_charged_to_another_account_is_found(on_submit, on_delivery):
    message = send(on_submit, Status.DELIVERED)
    Message.objects.filter(pk=message.pk).update(account=on_delivery)
    assert {line[:2] for line in findings()} == {"I4"}


def test_a_message_in_two_charges_is_found(on_submit):
    message = send(on_submit, Status.DELIVERED)
    message.charge = ids.new_id()
    with transaction.atomic():
        charge([charge_of(message)])
    assert findings() == [f"I4 charge {message.charge}: 0.5500 charged for messages that cost 0.0000"]


def test_many_messages_in_one_charge_and_ids_drawn_long_before_it_are_no_findings(on_submit):
    first = send(on_submit, Status.DELIVERED)
    early = ids.IdFactory(1).draw(ids.milliseconds(first.pk) - 86_400_000)
    other = send(on_submit, Status.DELIVERED, id=early, charge=None, price="1")
    both = ids.new_id()
    with transaction.atomic():
        charge([Charge(ledger_id=both, account_id=on_submit.pk, amount=Decimal(2), parts=2, source="api")])
    last = send(on_submit, Status.DELIVERED, price="0")
    Message.objects.filter(pk=last.pk).update(price=Decimal(1), unit_price=Decimal(1))
    Message.objects.filter(pk__in=[other.pk, last.pk]).update(charge=both)
    assert findings() == []


def test_traffic_of_many_ranges_is_read_to_its_end(on_submit, monkeypatch):
    monkeypatch.setattr(audit, "ROWS", 3)
    for _ in range(7):
        send(on_submit, Status.DELIVERED)
    bad = send(on_submit, Status.FAILED, submitted=False)
    assert findings() == [f"I6 part {ids.derive(bad.pk, 1)}: FAILED, not refunded (charged on submit)"]


def test_json_says_the_same(on_submit):
    send(on_submit, Status.FAILED, submitted=False)
    status, output = run("--json")
    answer = json.loads(output)
    assert (status, answer["ok"], answer["findings"][0]["invariant"]) == (1, False, "I6")
    assert answer["figures"]["balances"] == "99.4500"
    assert answer["figures"]["books"] == {"customer": "99.4500", "revenue": "0.5500", "top_ups": "-100.0000"}


def test_since_leaves_older_messages_alone(on_submit):
    send(on_submit, Status.FAILED, submitted=False)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    assert run("--since", tomorrow)[0] == 0


def test_seals_are_made_on_demand_and_a_broken_chain_is_not_made_longer(on_submit, monkeypatch):
    later = datetime.now(UTC).replace(hour=12) + timedelta(days=2)
    monkeypatch.setattr("messaging.management.commands.audit_ledger.utc_now", lambda: later)
    assert run()[0] == 0
    assert not LedgerSeal.objects.exists()
    assert "2 days sealed, 0 findings" in run("--seal")[1]
    with tampering() as cursor:
        cursor.execute("UPDATE billing_ledgerentry SET description = 'forged'")
    monkeypatch.setattr("messaging.management.commands.audit_ledger.utc_now", lambda: later + timedelta(days=3))
    status, output = run("--seal")
    assert (status, output[:2], LedgerSeal.objects.count()) == (1, "I8", 2)
