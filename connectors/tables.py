"""What the JSON columns of a connector may hold; a YAML document is read the same way, with lines (provisioning)."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from common.errors import SendKind
from common.queues import Lane

TLV_TYPES = ("octets", "cstring", "int")
UNCERTAIN = ("resend", "hold")
_NUMBER = re.compile(r"[0-9]{1,10}")


def _tlvs(value: Mapping[str, Any]) -> bool:
    return all(
        isinstance(one, dict)
        and {"tag", "type"} <= one.keys() <= {"tag", "type", "length"}
        and _octets(one["tag"], 0xFFFF)
        and one["type"] in TLV_TYPES
        and _octets(one.get("length", 0), 0xFFFF)
        for one in value.values()
    )


def _octets(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


def _classes(value: Mapping[str, Any]) -> bool:
    return all(_NUMBER.fullmatch(key) for key in value) and set(value.values()) <= {kind.value for kind in SendKind}


def _policies(value: Mapping[str, Any]) -> bool:
    return value.keys() <= {lane.value for lane in Lane} and all(one in UNCERTAIN for one in value.values())


_SHAPES: dict[str, tuple[Callable[[Mapping[str, Any]], bool], str]] = {
    "tlv_dictionary": (_tlvs, '{"name": {"tag": 5120, "type": "octets|cstring|int", "length": 30}}'),
    "error_classes": (_classes, f'{{"1040": "{"|".join(kind.value for kind in SendKind)}"}}'),
    "uncertain_policy": (_policies, f'{{"{"|".join(lane.value for lane in Lane)}": "resend|hold"}}'),
}


def problems(columns: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong, by column, of those that are given; null is no value of any of them."""
    found = {}
    for name, (fits, shape) in _SHAPES.items():
        value = columns.get(name, {})
        try:
            good = isinstance(value, dict) and fits(value)
        except TypeError:  # a list or an object where a word belongs
            good = False
        if not good:
            found[name] = f"An object like {shape}; empty: {{}}"
    return found
