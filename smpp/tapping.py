"""Listening to the wire of a session: every frame as it came or went, and a word on why.

A tap is called for each PDU, so it must be quick; it keeps what it wants, after `without_password`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from smpp.codec import decode, encode
from smpp.constants import HEADER_LENGTH, CommandId
from smpp.errors import PduError
from smpp.pdu import BIND_COMMANDS
from smpp.tlvs import Tlvs

RECEIVED: Final = 0
SENT: Final = 1
# RECEIVED or SENT, the whole frame, and why it was sent where that is not plain ("" mostly).
Tap = Callable[[int, bytes, str], None]

MASK: Final = "********"  # always eight, whatever the length of the password was
WITH_PASSWORD: Final = BIND_COMMANDS | {CommandId.OUTBIND}
# The last octet of their command_id: a look at it is all that other PDUs cost.
MAY_HOLD_PASSWORD: Final = frozenset(command & 0xFF for command in WITH_PASSWORD)


def without_password(frame: bytes) -> bytes:
    """The frame with its password masked; of a bind that cannot be read nothing but the header.

    A client that pads or forgets a NUL has its password where we do not look for it.
    """
    if int.from_bytes(frame[4:8], "big") not in WITH_PASSWORD:
        return frame
    try:
        pdu = decode(frame)
        masked = MASK if getattr(pdu, "password", "") else ""
        # What follows the last field is no parameter of a bind (SMPP 3.4 §4.1).
        return encode(replace(pdu, password=masked, tlvs=Tlvs()), lenient=True)  # type: ignore[call-arg]
    except PduError:
        return HEADER_LENGTH.to_bytes(4, "big") + frame[4:HEADER_LENGTH]
