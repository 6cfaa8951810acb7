"""Who is bound to this process, and what was refused."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

import structlog

from accounts.addresses import admits
from accounts.snapshot import SmppClientView
from smpp.constants import status_name
from workers.smpp_server.bound import Bound

log = structlog.get_logger(__name__)

SILENT_FOR: Final = 10.0  # seconds in which one reason of one client is logged once, with its count


class Register:
    """The bound sessions of this process, by client."""

    def __init__(self) -> None:
        self._by_client: dict[int, list[Bound]] = {}

    def add(self, session: Bound) -> None:
        """A session is bound."""
        self._by_client.setdefault(session.client_id, []).append(session)

    def remove(self, session: Bound) -> None:
        """A bound session has ended."""
        held = self._by_client.get(session.client_id, [])
        if session in held:
            held.remove(session)
        if not held:
            self._by_client.pop(session.client_id, None)

    def __iter__(self) -> Iterator[Bound]:
        return iter([session for held in self._by_client.values() for session in held])

    def __len__(self) -> int:
        return sum(len(held) for held in self._by_client.values())

    def receivers(self, client_id: int) -> list[Bound]:
        """Sessions of the client that take receipts and texts."""
        return [session for session in self._by_client.get(client_id, ()) if session.receives]

    def receiving_clients(self) -> list[int]:
        """Clients who hold a bind here that can receive."""
        return [client for client, held in self._by_client.items() if any(session.receives for session in held)]


def why_not(client: SmppClientView | None, password_hash: str, address: str, *, tls: bool) -> str:
    """Why a session that was right when it was bound may not go on; empty: it may."""
    if client is None or not client.active or not client.account.active:
        return "suspended"
    if client.password_hash != password_hash:
        return "the password was changed"
    if not (admits(client.networks, address) and admits(client.account.networks, address)):
        return "the address is no longer allowed"
    return "TLS only" if client.tls_only and not tls else ""


class Refusals:
    """Refused requests, in the log: each reason of a client once in ten seconds, with how many there were."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self._logged: dict[tuple[str, int], float] = {}
        self._kept: Counter[tuple[str, int]] = Counter()

    def note(self, *, system_id: str, address: str, command: str, status: int, reason: str) -> None:
        """One refusal with the reason that its customer is to know."""
        self.counts[status] += 1
        key, now = (system_id, status), time.monotonic()
        self._kept[key] += 1
        if now - self._logged.get(key, float("-inf")) < SILENT_FOR:
            return
        if len(self._logged) > 10_000:  # strangers make up system_ids
            self._logged.clear()
            self._kept = Counter({key: 1})
        self._logged[key] = now
        count = self._kept.pop(key)
        log.info(
            "smpp_refused",
            system_id=system_id,
            address=address,
            command=command,
            status=status_name(status),
            reason=reason,
            count=count,
        )
