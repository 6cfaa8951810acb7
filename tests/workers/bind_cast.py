"""A customer, a line, the bind worker and a simulated carrier; the other workers are turned by hand."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from kombu import Connection

from common import bus
from common.ids import derive
from common.jobs import recorder
from common.queues import Lane, submit_queue
from connectors.models import Connector
from inbound import receive
from messaging import failover, receipts, sweep
from messaging.commands import Accepted, SubmitCommand, SubmitRequest
from messaging.intake import submit_many
from messaging.models import LineBatch, Message, Part
from tests.support.cast import Cast, customer, forget_snapshots, make_connector
from tests.support.waiting import wait_until
from workers.embedded import Binds
from workers.simulator import SimulatorConfig, SimulatorThread

T = TypeVar("T")
NUMBER = "971501234567"


@dataclass(slots=True)
class Scene:
    """Everything that a test of the binds looks at."""

    smsc: SimulatorThread
    line: Connector
    cast: Cast
    binds: Binds
    used: list[str] = field(default_factory=list)

    def send(self, to: str = NUMBER, content: str = "Hello", **fields: Any) -> UUID:
        """Have one message accepted; returns its id."""
        return self.send_all([{"to": to, "content": content, **fields}])[0]

    def send_all(self, wanted: list[dict[str, Any]]) -> list[UUID]:
        """Have messages accepted in one request."""
        view, client = self.cast.view, self.cast.client_view
        commands = [SubmitCommand(account=view, api_client=client, **{"source": "api", **one}) for one in wanted]
        [outcomes] = submit_many([SubmitRequest(commands=commands)])
        assert isinstance(outcomes, list), outcomes
        assert all(isinstance(one, Accepted) for one in outcomes), outcomes
        return [one.message_id for one in outcomes if isinstance(one, Accepted)]

    def until(self, condition: Callable[[], T], timeout: float = 10.0) -> T:
        """Turn the other workers until the condition holds."""

        def turned() -> T:
            turn()
            return condition()

        return wait_until(turned, timeout=timeout)

    def until_status(self, message_id: UUID, status: str, *, seq: int = 1, timeout: float = 10.0) -> Part:
        """Turn until a part has this status; returns it."""
        seen = {}

        def there() -> bool:
            seen["now"] = state(message_id, seq)
            return seen["now"] == status

        try:
            self.until(there, timeout)
        except AssertionError as error:
            raise AssertionError(f"{seen['now']} instead of {status}") from error
        return part(message_id, seq)

    def change(self, **fields: Any) -> None:
        """Change the connector's settings."""
        for name, value in fields.items():
            setattr(self.line, name, value)
        self.line.save()
        forget_snapshots()

    @property
    def texts(self) -> list[str]:
        """What the carrier took, in order."""
        return [message.text for message in self.smsc.messages]


def turn() -> None:
    """What Celery and beat would do now."""
    waiting = list(LineBatch.objects.values_list("id", flat=True))
    if waiting:
        receipts.record_line_events(waiting, on_text=receive.store)
    sweep.dispatch_due()
    sweep.resolve_uncertain()
    sweep.rematch_parked()
    failover.leave_down_lines()
    failover.resend_without_receipt()


def part(message_id: UUID, seq: int = 1) -> Part:
    return Part.objects.get(id=derive(message_id, seq))


def state(message_id: UUID, seq: int = 1) -> str:
    return part(message_id, seq).status


def message(message_id: UUID) -> Message:
    return Message.objects.get(id=message_id)


@contextlib.contextmanager
def carrier(**simulator: Any) -> Iterator[SimulatorThread]:
    """A simulated carrier; receipts come soon unless told otherwise."""
    with SimulatorThread(SimulatorConfig(**{"delay_ms": 20, **simulator})) as smsc:
        yield smsc


@contextlib.contextmanager
def on_line(smsc: SimulatorThread, *, bound: bool = True, credits: int = 1000, **line: Any) -> Iterator[Scene]:
    """A customer over one connector to this carrier, with the bind worker running."""
    connector = make_connector(port=smsc.port, **{"window": 50, "reconnect_max": 1, **line})
    cast = customer(credits, connector=connector, client={"otp_allowed": True, "dlr_url": "https://example.com/dlr"})
    binds = Binds()
    # What a bind stores for Celery is recorded by `turn`.
    with recorder():
        binds.start()
        try:
            if bound:
                wait_until(lambda: binds.bound() == connector.binds)
            yield Scene(smsc, connector, cast, binds)
        finally:
            binds.stop()
            bus.close()
            delete_queues(connector.name)


@contextlib.contextmanager
def scene(*, simulator: dict[str, Any] | None = None, **line: Any) -> Iterator[Scene]:
    """Carrier, customer, line and bind worker."""
    with carrier(**(simulator or {})) as smsc, on_line(smsc, **line) as found:
        yield found


def delete_queues(name: str) -> None:
    """Leave no queue behind in a broker that outlives the test."""
    if settings.BROKER_URL.startswith("memory"):
        return
    with Connection(settings.BROKER_URL, connect_timeout=3) as connection:
        for lane in Lane:
            connection.channel().queue_delete(submit_queue(name, lane))
