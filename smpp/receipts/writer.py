"""Writes receipts that the strictest client reads: every field, fixed widths, both TLVs."""

from datetime import UTC, datetime

from smpp.addresses import Address
from smpp.constants import EsmClass, MessageState, Tag
from smpp.pdu import DeliverSm
from smpp.receipts.reader import NetworkError
from smpp.receipts.words import STAT_WORDS
from smpp.tlvs import Tlvs

_TEXT_MAX = 20


def receipt_text(
    *,
    message_id: str,
    state: MessageState,
    submitted: datetime,
    done: datetime,
    err: int | str = 0,
    sub: int = 1,
    dlvrd: int | None = None,
    text: str = "",
    with_counts: bool = True,
    with_seconds: bool = False,
) -> bytes:
    """Return the text of appendix B in ASCII: 10-digit dates in UTC, stat of 7 letters, err of 3 characters.

    `dlvrd` defaults to `sub` when delivered, else 0; `text` is cut to 20 characters; `with_seconds` makes dates of
    12 digits. Raises ValueError when a field does not fit its width.
    """
    if dlvrd is None:
        dlvrd = sub if state is MessageState.DELIVERED else 0
    parts = (
        f"id:{_one_word(message_id)}",
        *((f"sub:{_three(sub)}", f"dlvrd:{_three(dlvrd)}") if with_counts else ()),
        f"submit date:{_digits(submitted, with_seconds)}",
        f"done date:{_digits(done, with_seconds)}",
        f"stat:{STAT_WORDS[state]}",
        f"err:{_three(err)}",
        f"text:{text[:_TEXT_MAX]}",
    )
    return " ".join(parts).encode("ascii", errors="replace")


def receipt_tlvs(*, message_id: str, state: MessageState, network_error: NetworkError | None = None) -> Tlvs:
    """Return receipted_message_id and message_state, and network_error_code where one is known."""
    tlvs = Tlvs()
    tlvs.add(Tag.RECEIPTED_MESSAGE_ID, message_id)
    tlvs.add(Tag.MESSAGE_STATE, int(state))
    if network_error is not None:
        raw = bytes((network_error.network_type,)) + network_error.code.to_bytes(2, "big")
        tlvs.add(Tag.NETWORK_ERROR_CODE, raw)
    return tlvs


def write_receipt(
    *,
    message_id: str,
    state: MessageState,
    submitted: datetime,
    done: datetime,
    source: Address,
    destination: Address,
    err: int | str = 0,
    sub: int = 1,
    dlvrd: int | None = None,
    text: str = "",
    network_error: NetworkError | None = None,
    intermediate: bool = False,
    with_tlvs: bool = True,
) -> DeliverSm:
    """Return the deliver_sm of a receipt: `source` is the phone, `destination` the original sender."""
    body = receipt_text(
        message_id=message_id,
        state=state,
        submitted=submitted,
        done=done,
        err=err,
        sub=sub,
        dlvrd=dlvrd,
        text=text,
    )
    tlvs = receipt_tlvs(message_id=message_id, state=state, network_error=network_error)
    return DeliverSm(
        source_addr_ton=source.ton,
        source_addr_npi=source.npi,
        source_addr=source.value,
        dest_addr_ton=destination.ton,
        dest_addr_npi=destination.npi,
        destination_addr=destination.value,
        esm_class=EsmClass.INTERMEDIATE if intermediate else EsmClass.SMSC_RECEIPT,
        short_message=body,
        tlvs=tlvs if with_tlvs else Tlvs(),
    )


def _one_word(message_id: str) -> str:
    if not message_id or len(message_id) > 64 or any(character.isspace() for character in message_id):
        raise ValueError(f"{message_id!r} is not a message id of 1 to 64 characters without spaces")
    return message_id


def _three(value: int | str) -> str:
    written = f"{value:03}" if isinstance(value, int) else value
    if len(written) != 3 or not (written.isascii() and written.isalnum()):
        raise ValueError(f"{value!r} does not fit three characters")
    return written


def _digits(moment: datetime, with_seconds: bool) -> str:
    return f"{moment.astimezone(UTC):{'%y%m%d%H%M%S' if with_seconds else '%y%m%d%H%M'}}"
