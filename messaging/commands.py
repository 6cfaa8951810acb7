"""What may be asked of the intake, and what it answers. Every edge speaks these values (architecture section 3)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from accounts.snapshot import AccountView, ClientView, SmppClientView
from common.errors import Rejected, Unavailable
from common.gsm import Encoding
from messaging.esme import SubmitNotes

QUEUED_PREFIX = "queued_"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitCommand:
    """One message that a customer wants sent; nothing in it has been checked yet.

    `validity` in seconds; `send_at` aware; `coding` None means: detect. With `binary` the content is ignored.
    `udh` are the octets of a user data header with its length octet. `traffic_class` is a Lane's value.
    """

    account: AccountView
    source: str  # api smpp portal campaign auto system
    to: str
    content: str = ""
    api_client: ClientView | None = None
    smpp_client: SmppClientView | None = None
    sender: str | None = None
    coding: Encoding | None = None
    client_ref: str = ""
    send_at: datetime | None = None
    validity: int | None = None
    traffic_class: str | None = None
    dlr: bool = True
    dlr_url: str = ""
    flash: bool = False
    udh: bytes = b""
    binary: bytes | None = None
    tlvs: Mapping[str, str | int] | None = None
    max_parts: int | None = None
    tags: Sequence[str] | None = None
    notes: SubmitNotes | None = None  # of an smpp_client
    message_id: UUID | None = None  # drawn ahead by the caller; by the intake where it is None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that is committed and paid. `status` is QUEUED or SCHEDULED; `queued`: over a limit, sent later."""

    message_id: UUID
    public_id: str
    parts: int
    price: Decimal
    status: str
    queued: bool = False


Outcome = Accepted | Rejected


@dataclass(frozen=True, slots=True)
class Replay:
    """The request was answered before under its key: `response` as it was rendered then."""

    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """A key under which the request happens once in 24 h; `render` makes the answer that is stored with it."""

    account_id: int
    key: str
    request_hash: str
    render: Callable[[list[Outcome]], str]


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """Commands of one account that are answered together; under a key they are committed together."""

    commands: Sequence[SubmitCommand]
    idempotency: Idempotency | None = None
    account_id: int = field(init=False)

    def __post_init__(self) -> None:
        owners = {command.account.id for command in self.commands}
        if len(owners) != 1:
            raise ValueError("a request holds commands of exactly one account")
        object.__setattr__(self, "account_id", owners.pop())


# What submit_many says of a request: an outcome per command, the stored answer, or that none of it was done.
Answer = list[Outcome] | Replay | Rejected | Unavailable


def public_id(message_id: UUID, *, over_limit: bool) -> str:
    """The id that customers see: `queued_<uuid>` for ever when a limit put the message off."""
    return f"{QUEUED_PREFIX}{message_id}" if over_limit else str(message_id)
