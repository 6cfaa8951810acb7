"""The kinds of mandatory field; a PDU class is a table of them (SMPP 3.4 §3.1)."""

from dataclasses import dataclass, field
from typing import Any

from smpp.statuses import CommandStatus

WIRE = "smpp_wire"


@dataclass(frozen=True, slots=True)
class Wire:
    """How one field travels.

    `kind`: int8 | cstring | octets8 (one length octet, then octets) | destinations | failures.
    `limit`: octets without the NUL that we write; `accepted`: what we tolerate from a peer.
    `status`: the command_status that blames this field.
    """

    kind: str
    limit: int = 0
    accepted: int = 0
    status: int = CommandStatus.ESME_RINVMSGLEN


def int8(default: int = 0) -> Any:
    """One octet, unsigned."""
    return field(default=default, metadata={WIRE: Wire("int8", 255, 255)})


def cstring(size: int, *, accepted: int | None = None, status: int = CommandStatus.ESME_RINVMSGLEN) -> Any:
    """Text with a closing NUL; `size` and `accepted` count the NUL, as the specification does."""
    wire = Wire("cstring", size - 1, (accepted or size) - 1, status)
    return field(default="", metadata={WIRE: wire})


def octets8(limit: int) -> Any:
    """Octets after one length octet (sm_length and short_message)."""
    return field(default=b"", metadata={WIRE: Wire("octets8", limit, limit)})


def destinations() -> Any:
    """number_of_dests and the dest_address list of submit_multi (§4.5.1)."""
    wire = Wire("destinations", 254, 255, CommandStatus.ESME_RINVNUMDESTS)
    return field(default_factory=list, metadata={WIRE: wire})


def failures() -> Any:
    """no_unsuccess and the unsuccess_sme list of submit_multi_resp (§4.5.2)."""
    return field(default_factory=list, metadata={WIRE: Wire("failures", 255, 255)})
