"""Rules that bring the id of a receipt and the id of a submit_sm_resp to the same form."""

import re
from collections.abc import Callable, Mapping

# Longer than any id (SMPP 3.4 §5.2.23): a receipt may hold 60,000 digits, and numbers of those cost seconds, or raise.
_HEX = re.compile(r"[0-9a-fA-F]{1,128}")
_DECIMAL = re.compile(r"[0-9]{1,128}")
_WORD = re.compile(r"[0-9a-z]+")
_LOW_32 = 0xFFFFFFFF


def _core(value: str) -> str:
    """The longest run of letters and digits, of equal ones the first: prefix, suffix and domain are dropped."""
    return max(_WORD.findall(value.casefold()), key=len, default=value)


def _without_punctuation(value: str) -> str:
    return "".join(_WORD.findall(value.casefold())) or value


_RULES: Mapping[str, Callable[[str], str]] = {
    "as_is": lambda value: value,
    "casefold": str.casefold,
    "strip_zeros": lambda value: value.lstrip("0") or value[-1:],
    "hex_to_dec": lambda value: str(int(value, 16)) if _HEX.fullmatch(value) else value,
    "dec_to_hex": lambda value: format(int(value), "x") if _DECIMAL.fullmatch(value) else value,
    "punctuation": _without_punctuation,
    "core": _core,
    "low_32_hex": lambda value: str(int(value, 16) & _LOW_32) if _HEX.fullmatch(value) else value,
    "low_32_dec": lambda value: str(int(value) & _LOW_32) if _DECIMAL.fullmatch(value) else value,
}
# The mildest first: where several bring the same ids together, the first of them is meant.
ID_RULES = tuple(_RULES)


def normalise_id(value: str, rule: str) -> str:
    """Return `value` by `rule`; a value that does not fit the rule comes back unchanged.

    `hex_to_dec` and `dec_to_hex` also drop leading zeros; hex comes out in lower case. `punctuation` leaves letters
    and digits, `core` only the longest run of them, both in lower case. `low_32_hex` and `low_32_dec` give the low
    32 bits of a hex or decimal number, in decimal. Raises ValueError for an unknown rule.
    """
    if rule not in _RULES:
        raise ValueError(f"{rule!r} is not one of {', '.join(ID_RULES)}")
    return _RULES[rule](value)
