"""How a TLV is named in Message.tlvs: a name of the carrier's dictionary, a tag (`0x1400`, the value is text), or a tag
whose value is octets in hex (`0x1400:hex`)."""

from typing import Final

_HEX: Final = ":hex"
_VENDOR: Final = 0x1400  # the standard tags are numbers and structures, not text


def kept(tag: int, raw: bytes) -> tuple[str, str]:
    """Name and value that carry these octets unchanged, readable where they are text."""
    if tag >= _VENDOR and raw and raw.isascii() and raw.decode("ascii").isprintable():
        return f"0x{tag:04x}", raw.decode("ascii")
    return f"0x{tag:04x}{_HEX}", raw.hex()


def tag_of(name: str) -> int | None:
    """The tag that a name gives as a number; None for a name of a dictionary."""
    try:
        return int(name.removesuffix(_HEX), 0)
    except ValueError:
        return None


def octets(name: str, value: str | int) -> bytes:
    """The octets of a value under a numeric name; raises ValueError for what is not hex."""
    return bytes.fromhex(str(value)) if name.endswith(_HEX) else str(value).encode()


def is_octets(name: str) -> bool:
    """Whether the value must be hex."""
    return name.endswith(_HEX)
