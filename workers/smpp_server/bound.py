"""A session as those rooms see it that are there before any session: register, postman, binds table."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from accounts.snapshot import SmppClientView
from smpp.stream import Connection


class Bound(Protocol):
    """What a bound session tells of itself; client_session has the only one."""

    client_id: int
    system_id: str
    password_hash: str
    mode: str
    bind_id: UUID | None
    since: datetime
    address: str
    port: int
    tls: bool
    connection: Connection
    submitted: int
    refused: int
    delivered: int
    leaving: str

    @property
    def receives(self) -> bool:
        """Whether receipts and texts may go out here now."""

    @property
    def client(self) -> SmppClientView | None:
        """The settings as they are now; None when the client is gone."""
