"""The server under test with its customers, and the list of cases; one server serves them all."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from accounts.models import SmppClient
from common.clock import utc_now
from messaging import deliveries
from messaging.deliveries import Told
from messaging.models import Message, Status
from messaging.rows import read_messages
from tests.conformance.raw_peer import BIND_TRANSCEIVER, RawPeer
from tests.support.cast import SMPP_PASSWORD, Cast, customer, make_smpp_client
from tests.workers.smpp_server.cast import Running

Case = Callable[["House"], None]
CASES: dict[str, Case] = {}


def rule(name: str) -> Callable[[Case], Case]:
    """The case of a rule: its section in spec/smpp.md and what must hold."""

    def keep(case: Case) -> Case:
        assert name not in CASES, name
        CASES[name] = case
        return case

    return keep


@dataclass
class House:
    """A running server and who may come. `esme` may do everything; the others are named after what they may not."""

    server: Running
    owner: Cast
    clients: dict[str, SmppClient]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(971501000000))

    @property
    def port(self) -> int:
        return self.server.port

    def number(self) -> str:
        """A destination that no other case uses."""
        return str(next(self._numbers))

    def system_id(self, who: str = "esme") -> str:
        return self.clients[who].system_id

    @contextmanager
    def stranger(self) -> Iterator[RawPeer]:
        """A connection that has not bound."""
        with RawPeer(self.port) as peer:
            yield peer

    @contextmanager
    def peer(self, mode: int = BIND_TRANSCEIVER, who: str = "esme", *, version: int = 0x34) -> Iterator[RawPeer]:
        """A bound session."""
        with self.stranger() as peer:
            answer = peer.bind(mode, self.system_id(who), SMPP_PASSWORD, version=version)
            assert answer.status == 0, hex(answer.status)
            yield peer

    def message(self, number: str) -> Message:
        """The only message to this number."""
        return Message.objects.get(recipient=number)

    def untouched(self, number: str) -> bool:
        """Whether nothing was written for this number."""
        return not Message.objects.filter(recipient=number).exists()

    def end(self, number: str, status: str = Status.DELIVERED, code: str = "") -> None:
        """The network has told how the message to this number ended."""
        message = self.message(number)
        told = Told(
            message=read_messages([message.id])[message.id], status=status, error_code=code,
            connector_id=self.owner.connector.pk, at=utc_now(), number=deliveries.FINAL,
        )  # fmt: skip
        deliveries.plan([told], now=utc_now())


OTHERS: dict[str, dict[str, Any]] = {
    "throttled": {"tps": 1},
    "narrow": {"window": 2},
    "single": {"max_binds": 1},
    "elsewhere": {"ip_whitelist": ["10.0.0.0/8"]},
    "sender": {"bind_modes": ["transmitter"]},
    "secure": {"tls_only": True},
    "decimal": {"id_style": "dec"},
    "hexadecimal": {"id_style": "hex"},
    "latin": {"default_alphabet": "latin1"},
    "off": {"active": False},
    "old": {},
    "busy": {},
}


@contextmanager
def open_house() -> Iterator[House]:
    """Customers first, then the server, so that it knows them all."""
    owner = customer("100000")
    clients = {"esme": make_smpp_client(owner.account, max_binds=50)}
    clients |= {name: make_smpp_client(owner.account, **fields) for name, fields in OTHERS.items()}
    poor, strict = customer("0"), customer("100", sender_policy="registered")
    clients |= {"poor": make_smpp_client(poor.account), "strict": make_smpp_client(strict.account)}
    gone = customer("100")
    gone.account.active = False
    gone.account.save()
    clients["suspended"] = make_smpp_client(gone.account)
    with Running() as server:
        yield House(server, owner, clients)
