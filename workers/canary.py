"""Celery's sign of life: a task that a worker sends to itself, through broker, consumer and pool.

A worker may be alive and not consume: its loop hangs, its pool is lost, its consumer was cancelled. Each worker has a
queue that it alone consumes; the task in it gives the sign. What is no fault of the worker's keeps it alive, too: a
broker that is away, and tasks that fill its pool, whose time limits end them.
"""

import os
import threading
from typing import Any

import structlog
from celery import Celery, shared_task
from celery.signals import celeryd_after_setup, worker_ready, worker_shutdown
from celery.worker import state
from django.conf import settings
from kombu import Queue

from common import alive
from workers.deliveries import process as deliveries

log = structlog.get_logger(__name__)

TASK = "canary.sing"
_ended = threading.Event()


@shared_task(name=TASK, time_limit=30, soft_time_limit=20)
def sing() -> None:
    """Heard in the pool of the worker that is asked; its webhook loop must answer, where there is one."""
    if deliveries.answers():
        alive.tell()


def queue_of(worker: str) -> Queue:
    """Of one life of one worker: gone with it, or two minutes later."""
    name = f"{settings.GATEWAY_QUEUE_PREFIX}alive.{worker}.{os.getpid()}"
    return Queue(name, durable=True, auto_delete=True, expires=120.0)


@celeryd_after_setup.connect
def _listen(sender: str, instance: Any, **_: Any) -> None:
    if _is_watched():
        instance.app.amqp.queues.select_add(queue_of(sender))


@worker_ready.connect
def _begin(sender: Any, **_: Any) -> None:
    if _is_watched():
        alive.tell()
        asking = (sender.app, queue_of(sender.hostname), sender.controller.concurrency)
        threading.Thread(target=_ask_for_ever, args=asking, name="canary", daemon=True).start()


@worker_shutdown.connect
def _end(**_: Any) -> None:
    _ended.set()


def _is_watched() -> bool:
    return bool(os.environ.get("GATEWAY_ALIVE_FILE") or os.environ.get("NOTIFY_SOCKET"))


def _ask_for_ever(app: Celery, queue: Queue, concurrency: int) -> None:
    while not _ended.wait(alive.PERIOD):
        try:
            _ask(app, queue)
        except Exception as error:  # the broker is away: there is nothing to consume
            log.info("canary_not_sent", error=str(error))
            alive.tell()
        else:
            if len(state.active_requests) >= concurrency:
                alive.tell()


def _ask(app: Celery, queue: Queue) -> None:
    with app.connection_for_write(heartbeat=0) as connection:
        app.send_task(TASK, queue=queue.name, connection=connection, expires=60, retry=False, confirm_timeout=5)
