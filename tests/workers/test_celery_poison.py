"""A task that kills the process it runs in comes back three times and never again; the worker goes on with others."""

import os
import signal
import subprocess
import sys
from collections import Counter
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection as database
from kombu import Connection, Producer

from common.bus import durable_queue
from common.queues import Work, work_queue
from tests.crash import poison_runs
from tests.crash.poison import RUNS
from tests.support.embedded import ROOT
from tests.support.waiting import wait_until

RUNS_OF_ONE = 4


@pytest.fixture
def worker(tmp_path, transactional_db):
    """A Celery worker with two children, in a process of its own; the directory in which poison leaves its traces."""
    url = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database.settings_dict['NAME']}"))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "GATEWAY_"))}
    environment = clean | {
        "DATABASE_URL": url, "GATEWAY_QUEUE_PREFIX": settings.GATEWAY_QUEUE_PREFIX, "GATEWAY_VAR": str(tmp_path),
        "EXTRA_TASK_MODULES": "tests.crash.poison",
    }  # fmt: skip
    command = [
        sys.executable, "-m", "celery", "-A", "gateway_project", "worker", "-c", "2", "-n", f"poison{os.getpid()}@%h",
        "-Q", work_queue(Work.CAMPAIGNS),
    ]  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    yield tmp_path
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    finally:
        process.kill()


def publish(task, name):
    queue, headers = work_queue(Work.CAMPAIGNS), {"task": task, "id": name}
    with Connection(settings.BROKER_URL) as connection, connection.channel() as channel:
        durable_queue(queue)(channel).declare()
        Producer(channel).publish([[], {}, {}], routing_key=queue, serializer="json", headers=headers)


def runs(place):
    return Counter({name: len(at) for name, at in poison_runs.runs(place / RUNS).items()})


@pytest.mark.slow
def test_poison_that_kills_its_process_ends_after_a_few_runs_and_stops_nobody(worker):
    publish("poison.kills", "bad")
    wait_until(lambda: runs(worker)["bad"] == RUNS_OF_ONE, timeout=60)
    for number in range(20):
        publish("poison.raises", f"other-{number}")
    wait_until(lambda: sum(runs(worker).values()) >= RUNS_OF_ONE + 20, timeout=30)
    assert runs(worker)["bad"] == RUNS_OF_ONE
    with Connection(settings.BROKER_URL) as connection, connection.channel() as channel:
        left = channel.queue_declare(work_queue(Work.CAMPAIGNS), passive=True).message_count
    assert left == 0
