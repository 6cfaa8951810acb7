"""What clients who are bound to us hear of the messages they submitted: whether, and in which words."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connection

from common.gsm import Encoding
from common.sql import dialect
from messaging.esme import (
    LONGEST_TEXT,
    STATES,
    ReceiptFacts,
    SubmitNotes,
    error_word,
    id_text,
    sender_address,
    unpacked,
    wants_receipt,
)
from messaging.events import Told
from messaging.rows import MessageRow
from smpp.addresses import Address
from smpp.constants import Npi, Ton

_INTERNATIONAL: Final = (int(Ton.INTERNATIONAL), int(Npi.ISDN))


@dataclass(frozen=True, slots=True)
class Wish:
    """How the customer asked, and the beginning of his text."""

    notes: SubmitNotes
    text: str

    def wants(self, status: str, *, final: bool) -> bool:
        """Whether this event is told to him."""
        return wants_receipt(self.notes.registered, status, final=final)


def wishes(messages: Iterable[MessageRow]) -> dict[UUID, Wish]:
    """The wishes of those messages that came over a client bind; costs nothing where there is none."""
    ids = {message.id for message in messages if message.smpp_client_id is not None and message.dlr}
    if not ids:
        return {}
    d = dialect()
    among, values = d.any_of("id", ids)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, esme, encoding, substr(content, 1, {LONGEST_TEXT}) FROM messaging_message WHERE {among}",
            values,
        )
        rows = cursor.fetchall()
    return {
        d.uuid(key): Wish(
            unpacked(json.loads(stored) if isinstance(stored, str) else stored),
            "" if encoding == Encoding.BINARY else text,
        )
        for key, stored, encoding, text in rows
    }


def body(event: Told, wish: Wish) -> str:
    """The facts of one receipt, as its Delivery row keeps them."""
    message, notes = event.message, wish.notes
    ton, npi = notes.destination or _INTERNATIONAL
    return ReceiptFacts(
        message_id=id_text(notes.group or message.id, notes.id_style),
        state=STATES[event.status],
        submitted=message.created_at,
        done=event.at,
        err=error_word(event.error_code),
        sub=message.parts,
        text=wish.text,
        source=Address(message.recipient_given or message.recipient, ton, npi),
        destination=sender_address(notes, message.sender),
        reference=notes.reference,
    ).dumped()
