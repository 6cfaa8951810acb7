"""Outboxes of a test end with it: their thread would look into a database that the test no longer has."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import pytest

from messaging.outbox import Outbox, shared_outbox

PATIENCE = 5.0  # seconds for a statement that is under way
_made: "WeakSet[Outbox]" = WeakSet([shared_outbox])


@contextmanager
def outboxes_known() -> Iterator[None]:
    """Know every outbox that is made meanwhile."""
    plain = Outbox.__init__

    def known(self: Outbox, *args: Any, **options: Any) -> None:
        plain(self, *args, **options)
        _made.add(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Outbox, "__init__", known)
        yield


def end_outboxes() -> None:
    """Forget what was confirmed, end the threads; what a publisher confirms later starts none."""
    for outbox in list(_made):
        outbox.close(forget=True, timeout=PATIENCE)
    for thread in threading.enumerate():
        if thread.name == "outbox":  # it has said so and closes its connection
            thread.join(PATIENCE)
