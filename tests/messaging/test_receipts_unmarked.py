"""What reads like a receipt but is not marked as one waits a minute for its part; then it is somebody's words."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from inbound import receive
from inbound.models import InboundMessage
from messaging import failover, receipts, sweep
from messaging.models import LineBatch, Part, Receipt, Status
from messaging.receipts import parked
from smpp.codec import encode
from smpp.pdu import DeliverSm
from tests.messaging.test_receipts_concurrently import run_together
from tests.messaging.underway import accepted, bind, now, past, receipt, sent, shown, state_of, told, unmarked
from tests.support.cast import NUMBER, forget_snapshots

pytestmark = [pytest.mark.both, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import os, signal, sys, django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
django.setup()
from inbound import receive
from messaging import receipts, sweep
from messaging.models import LineBatch

def die(moment):
    if moment == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

def keep(texts):
    receive.store(texts)
    die("kept")

receipts.record_line_events(list(LineBatch.objects.values_list("id", flat=True)), on_text=keep)
die("recorded")
sweep.rematch_parked(on_text=keep)
die("committed")
"""


def a_minute_later():
    Receipt.objects.update(received_at=now() - timedelta(seconds=61), next_try_at=past())


def texts_kept():
    return list(InboundMessage.objects.order_by("received_at", "id").values_list("content", flat=True))


def test_one_that_comes_before_the_answer_settles_its_part_and_is_no_text(cast, line):
    message = accepted(cast)
    line.claim()
    texts = []
    line.hear(unmarked("77"), texts=texts)
    assert (texts, state_of(message)) == ([], Status.SUBMITTING)
    line.answer(message, provider_id="77")
    assert (shown(message).status, len(told(message))) == (Status.DELIVERED, 1)
    a_minute_later()
    assert sweep.rematch_parked(on_text=texts.extend) == 0
    assert texts == []


def test_one_that_nothing_meets_is_a_text_after_a_minute_as_it_came_and_once(line):
    line.hear(unmarked("88"))
    waiting = Receipt.objects.get()
    assert timedelta(0) < waiting.next_try_at - now() < timedelta(seconds=2)
    Receipt.objects.update(next_try_at=past())
    assert sweep.rematch_parked(on_text=receive.store) == 0
    assert (texts_kept(), Receipt.objects.get().tries) == ([], 2)
    Receipt.objects.update(next_try_at=past(), tries=3)
    sweep.rematch_parked(on_text=receive.store)  # the next look would be in five minutes
    assert Receipt.objects.get().next_try_at <= waiting.received_at + timedelta(seconds=60)
    a_minute_later()
    for _ in range(2):
        sweep.rematch_parked(on_text=receive.store)
    assert [text.startswith("id:88 ") for text in texts_kept()] == [True]
    kept = InboundMessage.objects.get()
    assert (kept.source, kept.connector_id, kept.raw) == (NUMBER, line.connector_id, unmarked("88").hex())
    assert not Receipt.objects.exists() and not LineBatch.objects.exists()


def test_the_same_words_twice_are_two_texts(line):
    line.hear(unmarked("88"), unmarked("88"))
    line.hear(unmarked("88"))
    a_minute_later()
    sweep.rematch_parked(on_text=receive.store)
    assert len(texts_kept()) == 3


def test_the_others_of_the_batch_do_not_wait_with_it(cast, line):
    message = sent(cast, line)
    texts = []
    plain = encode(DeliverSm(source_addr="1", destination_addr="2", short_message=b"Hi"))
    line.hear(unmarked("88"), receipt(f"{message.id.hex[:24]}-1"), plain, texts=texts)
    assert (state_of(message), [text.raw for text in texts]) == (Status.DELIVERED, [plain])
    assert not LineBatch.objects.exists()


def test_one_that_is_recorded_late_is_a_text_at_once(line):
    texts = []
    batch = receipts.store(line.connector_id, line.bind_no, [unmarked("88")])
    LineBatch.objects.update(received_at=now() - timedelta(seconds=61))
    receipts.record_line_events([batch], on_text=texts.extend)
    assert len(texts) == 1 and not Receipt.objects.exists()


def test_one_that_met_a_part_on_its_way_over_another_connector_waits_for_what_becomes_of_it(cast, second):
    cast.connector.receipt_timeout = 30
    cast.connector.save()
    forget_snapshots()
    first = bind(cast)
    message = sent(cast, first, hops=(cast.connector.pk, second.pk))
    Part.objects.update(uncertain_until=past())
    assert failover.resend_without_receipt() == 1
    first.hear(unmarked(f"{message.id.hex[:24]}-1", "UNDELIV"))
    a_minute_later()
    sweep.rematch_parked(on_text=receive.store)
    assert texts_kept() == []
    assert (Receipt.objects.get().state, state_of(message)) == (Receipt.State.PARKED, Status.QUEUED)


def test_a_marked_one_never_becomes_a_text(line):
    line.hear(receipt("nobody-knows-it"))
    a_minute_later()
    sweep.rematch_parked(on_text=receive.store)
    assert texts_kept() == []
    assert Receipt.objects.get().state == Receipt.State.PARKED


def test_a_text_that_cannot_be_kept_is_tried_later_whole_and_the_others_now(line):
    line.hear(unmarked("88"), unmarked("99"))
    a_minute_later()

    def broken(texts):
        receive.store(texts)
        if any(b"id:88" in text.raw for text in texts):
            raise ValueError("no room")  # after the row was written: both or none

    sweep.rematch_parked(on_text=broken)
    assert [text[:5] for text in texts_kept()] == ["id:99"]
    late = Receipt.objects.get()
    assert (late.provider_id, late.state, late.next_try_at > now()) == ("88", Receipt.State.PARKED, True)
    Receipt.objects.update(next_try_at=past())
    sweep.rematch_parked(on_text=receive.store)
    assert sorted(text[:5] for text in texts_kept()) == ["id:88", "id:99"]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
def test_two_ticks_at_once_make_one_text_of_it(line):
    line.hear(*(unmarked(f"88{number}") for number in range(40)))
    a_minute_later()
    run_together(*[lambda: parked.rematch_due(limit=7, on_text=receive.store)] * 3)
    assert len(texts_kept()) == len(set(texts_kept())) == 40
    assert not Receipt.objects.exists()


def killed(moment):
    """Record and look in a process that is killed at that moment."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "gateway_project.settings.test"}
    arguments = [sys.executable, "-c", CHILD, str(connection.settings_dict["NAME"]), moment]
    child = subprocess.run(arguments, env=environment, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()


def test_a_process_that_is_killed_while_it_waits_or_becomes_a_text_leaves_one_text(line):
    receipts.store(line.connector_id, line.bind_no, [unmarked("88")])
    killed("recorded")
    assert (texts_kept(), Receipt.objects.count(), LineBatch.objects.count()) == ([], 1, 0)
    a_minute_later()
    killed("kept")
    assert (texts_kept(), Receipt.objects.count()) == ([], 1)
    killed("committed")
    assert (len(texts_kept()), Receipt.objects.count()) == (1, 0)
    assert sweep.rematch_parked(on_text=receive.store) == 0
    assert len(texts_kept()) == 1
