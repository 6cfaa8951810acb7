"""Configuration that processes hold in memory, versioned: a change is live everywhere within seconds.

A snapshot is rebuilt when its topic's version moved. The version row is bumped in the same transaction as
the change, so a reader never sees a version without the data behind it.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from django.db import models
from django.db.models import F

T = TypeVar("T")
log = logging.getLogger(__name__)


def bump(topic: str) -> None:
    """Say that configuration under `topic` changed; call it inside the transaction that changes it."""
    from common.models import ConfigVersion

    if not ConfigVersion.objects.filter(topic=topic).update(version=F("version") + 1):
        ConfigVersion.objects.get_or_create(topic=topic, defaults={"version": 1})


class Versioned(models.Model):
    """Mixin of models that snapshots are built from: saving or deleting one bumps its topic."""

    config_topic = ""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        from django.db import transaction

        with transaction.atomic():
            super().save(*args, **kwargs)
            bump(self.config_topic)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        from django.db import transaction

        with transaction.atomic():
            gone = super().delete(*args, **kwargs)
            bump(self.config_topic)
        return gone


class Snapshot(Generic[T]):
    """A value built from the database, at most `max_age` seconds behind it.

    `get()` answers from memory; one thread at a time looks at the version, the others go on with what they
    have. When the database is down the last value stays (degraded, not down).
    """

    def __init__(self, topics: tuple[str, ...], build: Callable[[], T], *, max_age: float = 1.0) -> None:
        self._topics, self._build, self._max_age = topics, build, max_age
        self._lock = threading.Lock()
        self._value: T | None = None
        self._versions: tuple[int, ...] = ()
        self._checked = float("-inf")
        self._keepers = 0  # in the embedded run several parts keep the same snapshot

    def get(self) -> T:
        """The present value; raises what the database raises only when there is no value yet."""
        if self._keepers and self._value is not None:
            return self._value
        if self._value is None or time.monotonic() - self._checked > self._max_age:
            self._refresh()
        assert self._value is not None
        return self._value

    def clear(self) -> None:
        """Forget the value; the next `get` builds it anew."""
        with self._lock:
            self._value, self._checked = None, float("-inf")

    def keep_fresh(self, stop: threading.Event) -> threading.Thread:
        """Look twice per `max_age` from a thread until `stop` is set; meanwhile `get` answers from memory alone.

        For processes with an event loop, where Django refuses to ask the database. The value is there on return.
        """
        self.get()
        self._keepers += 1
        keeper = threading.Thread(target=self._keep, args=(stop,), name="snapshot-keeper", daemon=True)
        keeper.start()
        return keeper

    def _keep(self, stop: threading.Event) -> None:
        from django.db import close_old_connections, connection

        while not stop.wait(self._max_age / 2):
            close_old_connections()
            try:
                with self._lock:
                    self._load()
            except Exception:  # a value that cannot be built must not end the looking
                log.exception("the snapshot of %s stays as it is", ", ".join(self._topics))
        self._keepers -= 1
        connection.close()

    def _refresh(self) -> None:
        if not self._lock.acquire(blocking=self._value is None):
            return
        try:
            if self._value is not None and time.monotonic() - self._checked <= self._max_age:
                return
            self._load()
        finally:
            self._lock.release()

    def _load(self) -> None:
        from django.db import DatabaseError

        try:
            versions = self._read_versions()
            if self._value is None or versions != self._versions:
                self._value, self._versions = self._build(), versions
        except DatabaseError:
            if self._value is None:
                raise
        self._checked = time.monotonic()

    def _read_versions(self) -> tuple[int, ...]:
        from common.models import ConfigVersion

        found = dict(ConfigVersion.objects.filter(topic__in=self._topics).values_list("topic", "version"))
        return tuple(found.get(topic, 0) for topic in self._topics)
