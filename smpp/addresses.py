"""Finds type of number and numbering plan of an address (SMPP 3.4 §5.2.5 and §5.2.6, field practice)."""

from dataclasses import dataclass

from smpp.constants import Npi, Ton

# Nobody has an international number of six digits; short codes have three to six.
_SHORT_CODE_MAX = 6
# ITU-T E.164 §6.
_E164_MAX = 15


@dataclass(frozen=True, slots=True)
class Address:
    """An address as it goes on the wire: no plus, no 00."""

    value: str
    ton: int
    npi: int


def detect_source(address: str, *, short_code_ton: int = Ton.NETWORK_SPECIFIC) -> Address:
    """Return the sender with its TON and NPI; anything but digits is alphanumeric.

    `short_code_ton` is 3 or 6, as the vendor wants it.
    """
    found = _detect_number(address, short_code_ton)
    if found is not None:
        return found
    return Address(address, Ton.ALPHANUMERIC, Npi.UNKNOWN)


def detect_destination(address: str, *, short_code_ton: int = Ton.NETWORK_SPECIFIC) -> Address:
    """Return the recipient with its TON and NPI; what is not a number stays unknown."""
    found = _detect_number(address, short_code_ton)
    if found is not None:
        return found
    return Address(address, Ton.UNKNOWN, Npi.UNKNOWN)


def _detect_number(address: str, short_code_ton: int) -> Address | None:
    digits = address[1:] if address.startswith("+") else address
    if not address:
        return Address("", Ton.UNKNOWN, Npi.UNKNOWN)
    if not (digits.isascii() and digits.isdigit()):
        return None
    if address.startswith("+"):
        return Address(digits, Ton.INTERNATIONAL, Npi.ISDN)
    if len(digits) <= _SHORT_CODE_MAX:
        return Address(digits, short_code_ton, Npi.UNKNOWN)
    if digits.startswith("00"):
        return Address(digits[2:], Ton.INTERNATIONAL, Npi.ISDN)
    if digits.startswith("0"):
        return Address(digits, Ton.NATIONAL, Npi.ISDN)
    if len(digits) > _E164_MAX:
        return Address(digits, Ton.UNKNOWN, Npi.UNKNOWN)
    return Address(digits, Ton.INTERNATIONAL, Npi.ISDN)
