"""The Celery application. Reasons for the settings: each was tried under kill -9 (docs/adr/0002)."""

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import (
    task_postrun,
    task_prerun,
    worker_before_create_process,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
)
from kombu import Connection, Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")
# Django's checks import every page and its libraries; migrate and check have run them before a worker starts.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

import django

django.setup()

from django.conf import settings  # noqa: E402

from common import process_number  # noqa: E402
from common.bus import durable_queue, transport_options  # noqa: E402
from common.queues import Work, work_queue  # noqa: E402
from messaging import outbox  # noqa: E402
from workers.beat import schedule  # noqa: E402
from workers.database import connections_used, renew_connections  # noqa: E402
from workers.deliveries import process as deliveries  # noqa: E402


class SteadyConnection(Connection):
    """Asks for a broker that is away every second: kombu's own wait grows to 30 s, and by as much we would be late."""

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        """See kombu."""
        return super().ensure_connection(*args, interval_start=1, interval_step=0, interval_max=1, **options)


app = Celery("gateway")
QUEUES: list[Queue] = [durable_queue(work_queue(work)) for work in Work]
app.conf.update(
    broker_url=settings.BROKER_URL,
    broker_transport_options=transport_options(settings.BROKER_URL),
    broker_heartbeat=10,
    broker_connection_timeout=3,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    task_queues=QUEUES,
    task_default_queue=work_queue(Work.HOUSEKEEPING),
    task_create_missing_queues=False,
    # Together: alone, acks_late loses the work of a pool child that dies (5 of 400, measured).
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # A task that kills its child is published again with its count in the header, at once (a delay would be an ETA),
    # and ends after three: a rejected body knows no count and came back for ever, a child every 0.2 s (measured).
    task_retry_on_worker_lost=True,
    task_annotations={"*": {"max_retries": 3, "default_retry_delay": 0}},
    task_acks_on_failure_or_timeout=True,  # poison is counted in its row and ends there
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_time_limit=300,
    task_soft_time_limit=240,
    task_serializer="json",
    accept_content=["json"],  # never pickle
    worker_prefetch_multiplier=1,
    worker_enable_prefetch_count_reduction=False,  # celery#9512
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_max_tasks_per_child=20_000,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    worker_redirect_stdouts=False,
    worker_hijack_root_logger=False,
    timezone="UTC",
    enable_utc=True,
    beat_schedule=schedule(),
    beat_scheduler="celery.beat:Scheduler",  # in memory: every job here is a short tick over rows
    # More modules of tasks: of an installation's own, and the poison of the crash tests.
    imports=["workers.tasks", *filter(None, os.environ.get("EXTRA_TASK_MODULES", "").split(","))],
    # Celery closes the database connection before and after each task, whatever CONN_MAX_AGE says: a new one cost
    # more than most tasks. So it never does, and `_renew_connections` does what Django does around a request.
    CELERY_DB_REUSE_MAX=2**62,
)
app.amqp.Connection = SteadyConnection


@task_prerun.connect
def _renew_connections(**_: Any) -> None:
    """Drop a connection that is too old or broken; after a rest the first statement of a task finds out."""
    renew_connections()


@task_postrun.connect
def _keep_connections(**_: Any) -> None:
    connections_used()


@worker_before_create_process.connect
def _share_memory(**_: Any) -> None:
    """What is loaded stays shared with the children: a collection of garbage would touch, and so copy, every page."""
    gc.collect()
    gc.freeze()


@worker_process_init.connect
def _take_number(**_: Any) -> None:
    """Of a pool of processes each child draws ids; of a pool of threads the one process, below."""
    process_number.start()


@worker_process_shutdown.connect
def _end_of_a_child(**_: Any) -> None:
    """Its tasks have told queues of parts (ticks, outcomes): what is confirmed is deleted, within seven seconds."""
    outbox.close()
    process_number.stop()


@worker_ready.connect
def _start_webhooks(**_: Any) -> None:
    """A worker of the deliveries queue looks at its table even when no task ever comes."""
    if work_queue(Work.DELIVERIES) in app.amqp.queues.consume_from:
        process_number.start()
        deliveries.start()


@worker_shutdown.connect
def _end_of_a_worker(**_: Any) -> None:
    """Of a pool of threads this is where the tasks ran; of a pool of processes there is nothing to end here."""
    deliveries.stop()
    outbox.close()
    process_number.stop()
