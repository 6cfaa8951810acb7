"""The broker: whether it answers, and whether our queues are there, of the right type, and listened to."""

from collections.abc import Iterator
from typing import Any

from amqp.exceptions import NotFound, PreconditionFailed
from django.conf import settings
from kombu import Connection

from common.bus import durable_queue
from common.queues import Work, work_queue
from gateway_project.doctor.findings import Finding, address, fail, ok, warn

CONNECT = 1.5  # seconds
MANY = 10_000  # hints that wait in one queue
_STARTS = {Work.DELIVERIES: "deliveries"}


def look() -> Iterator[Finding]:
    """Whether it answers, and how our work queues are."""
    url = settings.BROKER_URL
    if url.startswith("memory"):
        yield ok("in memory, as it should be for one process")
        return
    link = Connection(url, connect_timeout=CONNECT, heartbeat=0, transport_options={"read_timeout": CONNECT})
    try:
        try:
            link.connect()
        except Exception as error:  # refused, timed out, wrong password: each library has its own
            yield fail(f"{address(url)} does not answer: {_reason(error)}", "start RabbitMQ, or correct BROKER_URL")
            return
        found = [finding for work in Work for finding in _queue(link, work)]
        yield from found or [ok(f"{address(url)} answers; {len(Work)} queues, each with a worker")]
    finally:
        link.collect(socket_timeout=1)


def _queue(link: Any, work: Work) -> Iterator[Finding]:
    name, process = work_queue(work), _STARTS.get(work, "worker")
    start = f"start the process {process} (make up, or its line of the Procfile)"
    try:
        # Passive: to look must not make. An unknown queue closes the channel, so each look has its own.
        found = link.channel().queue_declare(name, passive=True)
    except NotFound:
        yield fail(f"there is no queue {name}", start)
        return
    try:
        durable_queue(name)(link.channel()).queue_declare()
    except PreconditionFailed:
        kind = settings.BROKER_QUEUE_TYPE or "classic"
        yield fail(
            f"queue {name} is not a durable {kind} queue",
            f"stop the fleet and delete the queue (rabbitmqctl delete_queue {name}), or set BROKER_QUEUE_TYPE",
        )
    if not found.consumer_count:
        yield fail(f"nobody listens to {name} ({found.message_count} wait)", start)
    elif found.message_count > MANY:
        yield warn(f"{found.message_count} hints wait in {name}", f"start more of the process {process}")


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:160] or type(error).__name__
