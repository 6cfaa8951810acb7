"""A process that dies between the customer's 2xx and its record: the event comes again, under the same id (P8)."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from common.clock import utc_now
from messaging import webhooks
from messaging.models import Delivery
from tests.support.cast import customer
from tests.support.waiting import wait_until
from tests.support.web_sink import WebSink
from tests.support.webhooks import due, loop_running, states

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import sys, asyncio, django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
django.setup()
from workers.deliveries.loop import DeliveryLoop
asyncio.run(DeliveryLoop().run())
"""


@pytest.mark.both
@pytest.mark.django_db(transaction=True)
def test_what_was_taken_but_not_recorded_is_sent_again_with_the_same_id():
    sink = WebSink()
    [key] = due(customer(), f"http://127.0.0.1:{sink.port}/ok")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "gateway_project.settings.test",
        "CRASH_AT": "webhook-taken-before-record:1",
    }
    arguments = [sys.executable, "-c", CHILD, str(connection.settings_dict["NAME"])]
    child = subprocess.run(arguments, env=environment, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert child.returncode == 137, child.stderr.decode()
    assert states([key]) == {"CLAIMED"}
    assert sink.hits["/ok"] == 1
    assert webhooks.release_stale() == 0  # the lease still runs
    Delivery.objects.update(lease_until=utc_now() - timedelta(seconds=1))
    assert webhooks.release_stale() == 1
    with loop_running():
        wait_until(lambda: states([key]) == {"DELIVERED"})
    sink.stop()
    assert [headers["webhook-id"] for headers, _ in sink.seen] == [str(key)] * 2
    assert len({body for _, body in sink.seen}) == 1
