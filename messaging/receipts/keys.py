"""One form of a provider's message id for the answer and for the receipt, so that the two can be compared."""

from collections.abc import Mapping
from enum import Enum

from connectors.models import IdRule
from smpp.receipts import normalise_id

LENGTH = 65  # message_id of SMPP 3.4 §5.2.23 with its NUL


class Side(Enum):
    """Where an id came from: the rules name a base for each."""

    ANSWER = "answer"
    RECEIPT = "receipt"


def provider_key(value: str, rule: str, *, side: Side) -> str:
    """The id by the connector's rule; the same for the answer and the receipt of one message.

    `hex_to_dec` reads the answer as hex and takes the receipt for decimal, `dec_to_hex` the other way round, and the
    rules of the low 32 bits take the receipt for a decimal number, cut or not; an id that is no such number (a UUID,
    say) is compared as it is. Cut to 65 characters, without NULs.
    """
    text = value.replace("\0", "").strip()
    if rule in _SIDED:
        fitted = normalise_id(text, rule if side is Side.ANSWER else _SIDED[rule])
        text = _canonical(fitted)
    else:
        text = normalise_id(text, rule)
    return text[:LENGTH]


# How the receipt's side is read, where it is another one than the answer's.
_SIDED: Mapping[str, str] = {
    IdRule.HEX_TO_DEC: IdRule.AS_IS,
    IdRule.DEC_TO_HEX: IdRule.AS_IS,
    IdRule.LOW_32_HEX: IdRule.LOW_32_DEC,
    IdRule.LOW_32_DEC: IdRule.LOW_32_DEC,
}


def bounded(value: str) -> str:
    """The id as it came, in the length that the table has."""
    return value.replace("\0", "")[:LENGTH]


def _canonical(number: str) -> str:
    text = number.casefold()
    return text.lstrip("0") or text[-1:]
