"""What a run of the suite leaves in the services, and its removal: they may be somebody's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from django.conf import settings
from kombu import Connection, Queue

from common.queues import Work, work_queue


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Afterwards the queues and keys that carry this process's prefix are gone."""
    with pytest.MonkeyPatch.context() as patch:
        declared = _remember_queues(patch)
        yield
    if settings.BROKER_URL.startswith("amqp"):
        # Child processes declare these; AMQP cannot list what there is.
        delete_queues(declared | {work_queue(work) for work in Work})
    if settings.CACHE_URL.startswith("redis"):
        _delete_keys()


def _remember_queues(patch: pytest.MonkeyPatch) -> set[str]:
    declared: set[str] = set()
    plain = Queue.queue_declare

    def queue_declare(self: Queue, *args: Any, **options: Any) -> Any:
        declared.add(self.name)
        return plain(self, *args, **options)

    patch.setattr(Queue, "queue_declare", queue_declare)
    return declared


def delete_queues(names: set[str]) -> None:
    """Delete those of the names that carry this process's prefix."""
    with Connection(settings.BROKER_URL, connect_timeout=3) as connection, connection.channel() as channel:
        for name in names:
            if name.startswith(settings.GATEWAY_QUEUE_PREFIX):
                channel.queue_delete(name)  # RabbitMQ does not mind one that is gone


def _delete_keys() -> None:
    with redis.Redis.from_url(settings.CACHE_URL) as store:
        for key in store.scan_iter(f"{settings.GATEWAY_QUEUE_PREFIX}*", count=1_000):
            store.delete(key)
