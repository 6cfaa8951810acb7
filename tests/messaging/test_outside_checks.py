"""What a checker outside the system reads: counts of what happened, and every message and transfer as CSV."""

import csv
import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from common.ids import floor_at
from messaging.counters import counters
from messaging.models import Message, Part, Status
from smpp.constants import MessageState
from tests.messaging.underway import accepted, bind, now, receipt, receipt_for, sent
from tests.support.cast import customer

pytestmark = [pytest.mark.both, pytest.mark.django_db]


def said(command: str, *arguments: str) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_counts_tell_what_was_committed_sent_doubted_and_ignored():
    cast = customer()
    line = bind(cast)
    first, _ = sent(cast, line), accepted(cast)
    doubted = accepted(cast, parts=2)
    Part.objects.filter(message_id=doubted.id).update(status=Status.UNCERTAIN, possible_duplicate=True)
    line.hear(receipt_for(first), receipt_for(first, MessageState.UNDELIVERABLE, done=now() + timedelta(minutes=1)))
    line.hear(receipt("nobody-knows"))
    assert json.loads(said("counters", "--json")) == {
        "committed": 3, "parts": 4, "unpublished": 0, "submitted": 1, "uncertain": 2, "resent": 2,
        "parked_receipts": 1, "orphan_receipts": 0, "illegal_transitions": 1, "ledger_diff": "0.0000",
    }  # fmt: skip
    assert "uncertain 2\n" in said("counters")


def test_a_balance_that_nobody_moved_by_the_ledger_shows_as_a_difference():
    cast = customer()
    type(cast.account.wallet).objects.filter(pk=cast.account.pk).update(balance=Decimal("100.5"))
    assert Decimal(str(counters()["ledger_diff"])) == Decimal("0.5")


def test_messages_and_transfers_are_exported_so_that_money_can_be_computed_again(tmp_path):
    cast = customer()
    late = accepted(cast, parts=3, over_limit=True, client_ref="order 7")
    assert json.loads(said("audit_export", str(tmp_path), "--json")) == {"messages": 1, "transfers": 2}
    (message,) = read(tmp_path / "messages.csv")
    assert (message["message_id"], message["client_ref"]) == (f"queued_{late.id}", "order 7")
    transfers = read(tmp_path / "transfers.csv")
    charge = next(row for row in transfers if row["id"] == message["charge"])
    assert Decimal(charge["amount"]) == Decimal(message["price"]) == int(message["parts"]) * Decimal(1)
    signed = {"top_up": 1, "charge": -1}
    assert sum(signed[row["reason"]] * Decimal(row["amount"]) for row in transfers) == cast.balance
    everything = "".join(path.read_text() for path in tmp_path.iterdir())
    assert late.content not in everything and late.recipient not in everything


def test_an_export_since_a_day_leaves_out_what_is_older(tmp_path):
    cast = customer()
    old = now() - timedelta(days=3)
    accepted(cast, id=floor_at(old), created_at=old)
    accepted(cast)
    said("audit_export", str(tmp_path), "--since", str(now().date()))
    assert Message.objects.count() == 2 and len(read(tmp_path / "messages.csv")) == 1


def test_a_directory_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(CommandError, match="taken: "):
        said("audit_export", str(tmp_path / "taken"))
