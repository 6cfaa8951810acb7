"""A process that dies at the worst moment: committed is sent, uncommitted is neither sent nor paid (F1, P1, P4)."""

import os
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection

from common.clock import utc_now
from messaging.models import Message, OutboxBatch, Part
from messaging.outbox import Outbox, relay
from tests.support import cast
from tests.support.intake import PostBox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import sys, django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
django.setup()
from accounts.snapshot import accounts
from messaging.commands import SubmitCommand, SubmitRequest
from tests.support.intake import PostBox, make_intake
client = accounts().client(int(sys.argv[2]))
command = SubmitCommand(account=client.account, api_client=client, source="api", to="971501234567", content="hi")
intake = make_intake(PostBox(at_once=True))
for _ in range(3):
    intake.submit_many([SubmitRequest([command])])
"""


def run(who, crash_at):
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "gateway_project.settings.test", "CRASH_AT": crash_at}
    arguments = [sys.executable, "-c", CHILD, str(connection.settings_dict["NAME"]), str(who.client.pk)]
    child = subprocess.run(arguments, env=environment, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert child.returncode == 137, child.stderr.decode()


@pytest.mark.parametrize(
    ("crash_at", "messages"),
    [
        ("between-messages-and-ledger:2", 1),
        ("after-commit-before-publish:2", 2),
        ("after-publish-before-delete:1", 1),
    ],
)
def test_after_a_crash_what_was_committed_is_told_and_paid_and_nothing_else(crash_at, messages):
    who, box = cast.customer("100"), PostBox()
    run(who, crash_at)
    assert Message.objects.count() == Part.objects.count() == messages
    assert who.balance == Decimal(100 - messages)
    OutboxBatch.objects.update(created_at=utc_now() - timedelta(seconds=6))
    relay(outbox=Outbox(lambda: box))
    told = {part for _, body in box.letters for part in body["ids"]}
    newest = Part.objects.order_by("id").last()
    assert told == {newest.id.hex}  # the others' letters were confirmed before


def test_without_an_order_the_points_cost_nothing_and_do_nothing():
    from common import crash

    assert crash.point is crash._unarmed
    crash.point("anything")


def test_an_order_given_by_a_file_kills_exactly_one_of_those_who_pass(tmp_path):
    program = "from common import crash; crash.point('here'); crash.point('there'); print(crash.armed)"
    (tmp_path / "there").touch()
    environment = {**os.environ, "CRASH_ORDERS": str(tmp_path)}
    ends = [
        subprocess.run([sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True)
        for _ in range(2)
    ]
    assert [(end.returncode, end.stdout) for end in ends] == [(137, ""), (0, "True\n")]
