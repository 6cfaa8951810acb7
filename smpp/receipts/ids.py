"""Rules that bring the id of a receipt and the id of a submit_sm_resp to the same form."""

import re

_HEX = re.compile(r"[0-9a-fA-F]+")
_DECIMAL = re.compile(r"[0-9]+")

ID_RULES = ("as_is", "hex_to_dec", "dec_to_hex", "casefold", "strip_zeros")


def normalise_id(value: str, rule: str) -> str:
    """Return `value` by `rule`; a value that does not fit the rule comes back unchanged.

    `hex_to_dec` and `dec_to_hex` also drop leading zeros; hex comes out in lower case. Raises ValueError
    for an unknown rule.
    """
    if rule == "as_is":
        return value
    if rule == "casefold":
        return value.casefold()
    if rule == "strip_zeros":
        return value.lstrip("0") or value[-1:]
    if rule == "hex_to_dec":
        return str(int(value, 16)) if _HEX.fullmatch(value) else value
    if rule == "dec_to_hex":
        return format(int(value), "x") if _DECIMAL.fullmatch(value) else value
    raise ValueError(f"{rule!r} is not one of {', '.join(ID_RULES)}")
