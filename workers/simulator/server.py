"""The simulator itself: a listening socket, its sessions, and what a test may do with them."""

import asyncio
import time
from itertools import count
from pathlib import Path
from typing import IO, Any, Self

from smpp.session import Role, SessionConfig
from smpp.stream import Connection, SmppServer, StreamLimits
from workers.simulator.carrier import Carrier
from workers.simulator.config import CUT_KINDS, SimulatorConfig
from workers.simulator.control import ControlServer
from workers.simulator.counters import Counters
from workers.simulator.inbound import InboundText
from workers.simulator.intake import Intake
from workers.simulator.link import Link
from workers.simulator.mailbox import Outgoing
from workers.simulator.messages import Message
from workers.simulator.wire import CarrierConnection


class Simulator:
    """A carrier's SMSC on a real socket: `async with Simulator(SimulatorConfig(...)) as smsc: smsc.port`."""

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        self._carrier = Carrier(config or SimulatorConfig())
        self._journal: IO[str] | None = None
        self._server = SmppServer()
        self._control: ControlServer | None = None
        self._numbers = count(1)
        self._mo_number = count(1)
        self._mo_planned = False

    # -- life -------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; raises OSError if a port is taken (nothing is left listening then) or the journal unwritable."""
        config = self.config
        if config.journal:
            self._journal = Path(config.journal).open("a", encoding="utf-8")  # noqa: ASYNC230, SIM115 - at start
        self._desk = Intake(self._carrier, self._journal)
        self._carrier.schedule.start()
        try:
            await self._listen(config)
        except OSError:
            await self.stop(0)
            raise
        self._carrier.schedule.at(self._carrier.now() + 1, self._second)
        self._plan_mo()

    async def _listen(self, config: SimulatorConfig) -> None:
        loop = asyncio.get_running_loop()
        self._server.attach(
            await loop.create_server(self._build, config.host, config.port, ssl=config.ssl_context, backlog=1024)
        )
        if config.control_port is not None:
            control = ControlServer(self)
            await control.start(config.control_port)
            self._control = control

    async def stop(self, grace: float = 2.0) -> None:
        """Stop accepting, unbind every session, wait up to `grace` seconds for the answers, close."""
        if self._control is not None:
            await self._control.stop()
        await self._server.close(grace)
        self._carrier.schedule.stop()
        if self._journal is not None:
            self._journal.close()

    def _build(self) -> Connection:
        config = self.config
        session = SessionConfig(
            window=config.receipt_window,
            response_seconds=config.receipt_response_seconds,
            enquire_link_seconds=config.enquire_link_seconds,
            inactivity_seconds=0,
            interface_version=config.interface_version,
        )
        return CarrierConnection(
            Role.SMSC,
            session,
            StreamLimits(tick_seconds=min(0.25, config.receipt_response_seconds / 4)),
            on_connection=self._on_connection,
            on_lost=self._server.connections.discard,
        )

    def _on_connection(self, connection: Connection) -> None:
        assert isinstance(connection, CarrierConnection)
        self._server.connections.add(connection)
        link = Link(self._carrier, self._desk, connection, next(self._numbers))
        self._desk.links[link.number] = link
        self._carrier.counters.sessions = len(self._desk.links)

    # -- what a test looks at ---------------------------------------------------------------------

    @property
    def config(self) -> SimulatorConfig:
        """The settings in force."""
        return self._carrier.config

    @property
    def host(self) -> str:
        """The address we listen on."""
        return self.config.host

    @property
    def port(self) -> int:
        """The port we listen on."""
        return self._server.port

    @property
    def control_port(self) -> int | None:
        """The port of the control server, None without one."""
        return None if self._control is None else self._control.port

    @property
    def counters(self) -> Counters:
        """Totals since the start, gauges up to date."""
        counters = self._carrier.counters
        counters.receipts_waiting = self._carrier.waiting()
        counters.scheduled = len(self._carrier.schedule)
        return counters

    @property
    def messages(self) -> list[Message]:
        """The last record_limit accepted messages, oldest first."""
        return list(self._carrier.record)

    @property
    def links(self) -> list[Link]:
        """The open sessions."""
        return list(self._desk.links.values())

    def snapshot(self) -> dict[str, Any]:
        """The counters as JSON values, with the time and the system_ids that are bound."""
        bound = sorted(link.system_id for link in self.links if link.system_id)
        return {"time": round(time.time(), 3), "bound": bound, **self.counters.as_dict()}

    # -- what a test does -------------------------------------------------------------------------

    def configure(self, **changes: Any) -> None:
        """Change settings while running; raises ValueError for what is unknown or fixed at start."""
        self._carrier.apply(self.config.changed(changes))
        self._desk.settings_changed()
        self._plan_mo()

    def send_mo(self, source: str, destination: str, text: str, *, system_id: str = "", **shape: Any) -> int:
        """Queue a text from a handset and return its number of PDUs; `shape`: the fields of InboundText."""
        return self.send_inbound(
            InboundText(source=source, destination=destination, text=text, **shape), system_id=system_id
        )

    def send_inbound(self, inbound: InboundText, *, system_id: str = "") -> int:
        """Queue a text from a handset for a system_id, or for anybody, and return its number of PDUs."""
        pdus = inbound.pdus(self._carrier.dice)
        for pdu in pdus:
            self._post(Outgoing(pdu, kind="mo"), system_id)
        return len(pdus)

    def send_receipt(self, pdu: Any, *, system_id: str = "") -> None:
        """Queue this deliver_sm or data_sm as it is."""
        self._post(Outgoing(pdu), system_id)

    def send_raw(self, data: bytes, *, system_id: str = "") -> int:
        """Write these octets on every bound session (of a system_id) and return how many there were."""
        links = self._of(system_id)
        for link in links:
            link.deliver(Outgoing(None, kind="raw", raw=data))
        return len(links)

    def disconnect(self, kind: str = "rst", *, system_id: str = "") -> int:
        """End every bound session (of a system_id) by rst, fin, unbind or silence; return how many."""
        if kind not in CUT_KINDS:
            raise ValueError(f"a session ends by {', '.join(CUT_KINDS)}")
        links = self._of(system_id)
        for link in links:
            link.cut(kind)
        return len(links)

    def _of(self, system_id: str) -> list[Link]:
        return [link for link in self.links if link.system_id and link.system_id == (system_id or link.system_id)]

    def _post(self, item: Outgoing, system_id: str) -> None:
        if system_id:
            self._carrier.mailbox(system_id).post(item)
        else:
            self._carrier.post_to_anybody(item)

    # -- what happens by itself -------------------------------------------------------------------

    def _second(self) -> None:
        self._carrier.counters.second_passed()
        if self._journal is not None:
            self._journal.flush()
        self._carrier.schedule.at(self._carrier.now() + 1, self._second)

    def _plan_mo(self) -> None:
        if self.config.mo_every > 0 and not self._mo_planned:
            self._mo_planned = True
            self._carrier.schedule.at(self._carrier.now() + self.config.mo_every, self._mo_due)

    def _mo_due(self) -> None:
        self._mo_planned = False
        config = self.config
        if config.mo_every > 0:
            text = config.mo_text.replace("{n}", str(next(self._mo_number)))
            self.send_mo(config.mo_source, config.mo_destination, text)
        self._plan_mo()
