"""A customer with SMPP clients, and the server on a real port in a thread of its own."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import uvloop

from accounts.models import SmppClient
from messaging.models import Delivery, Message
from smpp.session_config import SessionConfig
from smpp.stream import connect
from tests.support.cast import SMPP_PASSWORD, Cast, customer, make_smpp_client
from tests.support.waiting import wait_until
from workers.smpp_server.service import SmppService

NUMBER = "971501234567"


class Running:
    """The server in a thread; `stop` drains."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._thread = threading.Thread(target=self._run, name="smpp server", daemon=True)
        self._made = threading.Event()
        self.service: SmppService

    def __enter__(self) -> "Running":
        self._thread.start()
        assert self._made.wait(15)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """SIGTERM's way."""
        if self._thread.is_alive():
            self.service.stop()
            self._thread.join(40)
            assert not self._thread.is_alive()

    @property
    def port(self) -> int:
        return self.service.port

    def _run(self) -> None:
        uvloop.run(self._serve())

    async def _serve(self) -> None:
        self.service = SmppService(**{"port": 0, "tls_port": 0, "on_ready": self._made.set, **self._options})
        await self.service.run()


@dataclass
class Scene:
    """What a test looks at."""

    server: Running
    cast: Cast
    client: SmppClient

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def messages(self) -> list[Message]:
        """The client's messages, oldest first."""
        return list(Message.objects.filter(smpp_client=self.client).order_by("id"))

    @property
    def message(self) -> Message:
        """The only one."""
        [found] = self.messages
        return found

    def joined_by(self, other: SmppClient) -> SmppClient:
        """Another client, once the server's snapshot is whole again: the cast makes it forget what it knew."""
        from accounts.snapshot import accounts

        wait_until(lambda: accounts().smpp(other.pk))
        return other

    def change(self, **fields: Any) -> None:
        """Change the client's settings and wait until the server knows."""
        from accounts.snapshot import accounts

        for name, value in fields.items():
            setattr(self.client, name, value)
        self.client.save()

        def known() -> bool:
            view = accounts().smpp(self.client.pk)
            seen = {name: getattr(view, name) for name in fields}
            return seen == {name: frozenset(v) if isinstance(v, list) else v for name, v in fields.items()}

        wait_until(known, timeout=5)


@contextlib.contextmanager
def scene(*, credits: int = 1000, server: dict[str, Any] | None = None, account: dict[str, Any] | None = None,
          **client: Any) -> Iterator[Scene]:  # fmt: skip
    """A customer, his client, and a server that knows them."""
    cast = customer(credits, **(account or {}))
    esme = make_smpp_client(cast.account, **client)
    with Running(**(server or {})) as running:
        yield Scene(running, cast, esme)


class Esme:
    """Our own session as the customer: for the odd cases. `received`: what the server sent."""

    def __init__(self, connection: Any, *, status: int = 0, silent: bool = False) -> None:
        self.connection = connection
        self.received: list[Any] = []
        self.events: list[Any] = []
        self.status, self.silent = status, silent

    def on_events(self, events: list[Any]) -> None:
        from smpp.events import RequestReceived

        for event in events:
            self.events.append(event)
            if isinstance(event, RequestReceived):
                self.received.append(event.pdu)
                if not self.silent:
                    self.connection.respond(event.pdu.reply(self.status))

    async def request(self, pdu: Any) -> Any:
        return await self.connection.request(pdu, timeout=15)

    async def got(self, count: int) -> list[Any]:
        """Wait for so many PDUs of the server."""
        await until(lambda: len(self.received) >= count)
        return self.received

    async def close(self) -> None:
        await self.connection.unbind()


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for a condition beside the loop's other work."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition may stand in another thread
            await asyncio.sleep(0.01)


async def link(port: int, *, ssl: Any = None, window: int = 500, **esme: Any) -> Esme:
    """An open, unbound connection."""
    connection = await connect(
        "127.0.0.1", port, config=SessionConfig(window=window, enquire_link_seconds=0), ssl=ssl,
        server_hostname="localhost" if ssl else None,
    )  # fmt: skip
    found = Esme(connection, **esme)
    connection.on_events = found.on_events
    return found


async def bound(
    scene: Scene, command: Any = None, *, password: str = SMPP_PASSWORD, version: int = 0x34, **options: Any
) -> Esme:
    """A bound connection of the scene's client."""
    from smpp.pdu import BindTransceiver

    esme = await link(scene.port, **options)
    command = command or BindTransceiver
    answer = await esme.request(command(system_id=scene.client.system_id, password=password, interface_version=version))
    assert answer.status == 0, hex(answer.status)
    return esme


def deliveries(scene: Scene) -> list[Delivery]:
    return list(Delivery.objects.filter(smpp_client=scene.client).order_by("id"))
