"""Septets packed into octets (3GPP TS 23.038 §6.1.2.1)."""


def fill_bits_after(header_octets: int) -> int:
    """Zero bits (0..6) between a user data header (octets with its length octet) and the first septet."""
    return -header_octets * 8 % 7


def pack7(septets: bytes, *, fill_bits: int = 0) -> bytes:
    """Eight septets in seven octets, low bits first, after `fill_bits` zero bits; spare bits are zero."""
    packed = 0
    for septet in reversed(septets):
        packed = packed << 7 | septet & 0x7F
    return (packed << fill_bits).to_bytes((len(septets) * 7 + fill_bits + 7) // 8, "little")


def unpack7(packed: bytes, count: int | None = None, *, fill_bits: int = 0) -> bytes:
    """The septets, one per octet; `count` says how many there are and never reads past the data.

    Without `count` a last septet of zero that fills exactly the seven spare bits is taken for padding: SMPP
    counts octets only, and a text that ends there is commoner than one that ends in `@`.
    """
    there = max(0, (len(packed) * 8 - fill_bits) // 7)
    bits = int.from_bytes(packed, "little") >> fill_bits
    septets = bytes(bits >> 7 * index & 0x7F for index in range(there if count is None else min(count, there)))
    padded = count is None and (len(packed) * 8 - fill_bits) % 7 == 0 and septets.endswith(b"\x00")
    return septets[:-1] if padded else septets
