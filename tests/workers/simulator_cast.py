"""A customer of the simulated carrier, who keeps everything that came over the line."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from smpp import events, stream
from smpp.pdu import BindTransceiver, DeliverSm, Pdu, SubmitSm
from smpp.session import SessionConfig
from workers.simulator import Simulator

T = TypeVar("T")


async def until(condition: Callable[[], T], *, timeout: float = 5.0) -> T:  # noqa: ASYNC109 - fails with the last value
    """Return the first truthy value of `condition`; fail after `timeout` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while not (value := condition()):
        assert loop.time() < deadline, f"not reached within {timeout} s; last value: {value!r}"
        await asyncio.sleep(0.005)
    return value


class Customer:
    """One ESME session; acknowledges what it gets with `verdict`."""

    def __init__(self) -> None:
        self.connection: stream.Connection
        self.log: list[Pdu] = []
        self.faults: list[events.ProtocolFault] = []
        self.ended: events.Closed | None = None
        self.verdict: int | None = 0

    @property
    def received(self) -> list[Any]:
        """The deliver_sm and data_sm, oldest first."""
        return [pdu for pdu in self.log if not pdu.is_response]

    @property
    def texts(self) -> list[str]:
        """Their short_message octets as Latin-1."""
        return [pdu.short_message.decode("latin-1") for pdu in self.received]

    def on_events(self, batch: list[events.Event]) -> None:
        for event in batch:
            if isinstance(event, events.RequestReceived):
                self.log.append(event.pdu)
                if self.verdict is not None:
                    self.connection.respond(event.pdu.reply(self.verdict))
            elif isinstance(event, events.ResponseReceived):
                self.log.append(event.pdu)
            elif isinstance(event, events.ProtocolFault):
                self.faults.append(event)
            elif isinstance(event, events.Closed):
                self.ended = event

    def send(self, destination: str = "31612345678", text: str = "hello", **fields: Any) -> int:
        """Submit without waiting; the answer goes to the log."""
        return self.connection.submit(sms(destination, text, **fields))

    async def ask(self, destination: str = "31612345678", text: str = "hello", **fields: Any) -> Any:
        """Submit and wait for the answer."""
        return await self.connection.request(sms(destination, text, **fields))


def sms(destination: str, text: str = "hello", **fields: Any) -> SubmitSm:
    """A message with a receipt wish."""
    wish = {"registered_delivery": 1, "source_addr": "Acme", "source_addr_ton": 5, **fields}
    return SubmitSm(destination_addr=destination, dest_addr_ton=1, dest_addr_npi=1, **wish | _body(text, wish))


def _body(text: str, wish: dict[str, Any]) -> dict[str, Any]:
    return {} if "short_message" in wish else {"short_message": text.encode("latin-1")}


@asynccontextmanager
async def line(
    smsc: Simulator, bind: Pdu | None = None, *, system_id: str = "customer", **config: Any
) -> AsyncIterator[Customer]:
    """A customer whose TCP connection stands; bound unless `bind` is a refused one."""
    customer = Customer()
    settings = SessionConfig(**{"window": 100, **config})
    customer.connection = await stream.connect("127.0.0.1", smsc.port, config=settings)
    customer.connection.on_events = customer.on_events
    try:
        answer = await customer.connection.request(bind or BindTransceiver(system_id=system_id, password="secret"))
        assert answer.status == 0, answer
        yield customer
    finally:
        customer.connection.abort()
        await asyncio.sleep(0)  # the socket is closed in the next turn of the loop


def is_delivery(pdu: Pdu) -> bool:
    """Whether this came as deliver_sm."""
    return isinstance(pdu, DeliverSm)
