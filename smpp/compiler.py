"""Turns the field table of a PDU class into one straight-line encoder and one decoder.

Source text is written once at import and compiled, as `dataclasses` does for `__init__`: no loop over
fields, no call per field. The functions know only the good case; at anything unusual they raise and
`smpp.wire` finds out what is wrong. Classes with list fields have no compiled form.
"""

import struct
from collections.abc import Callable
from itertools import groupby
from typing import Any, NamedTuple

from smpp.fields import Wire
from smpp.pdu import Pdu
from smpp.tlvs import Tlvs, pack_tlvs, unpack_tlvs
from smpp.wire import wire_table

# What the compiled functions may raise instead of an answer.
UNUSUAL = (ValueError, TypeError, AttributeError, IndexError, OverflowError, struct.error)

Encoder = Callable[[Any], bytes]
Decoder = Callable[[bytes, int, int], Pdu]


class Compiled(NamedTuple):
    """The two functions of one PDU class."""

    encode: Encoder
    decode: Decoder


def compile_pdu(cls: type[Pdu]) -> Compiled | None:
    """Return the compiled functions, or None where the table has a kind that needs a loop."""
    table = wire_table(cls)
    if any(wire.kind not in _KINDS for _, wire in table):
        return None
    names: dict[str, Any] = {
        "cls": cls,
        "new": object.__new__,
        "Tlvs": Tlvs,
        "pack_tlvs": pack_tlvs,
        "unpack_tlvs": unpack_tlvs,
        "header": struct.Struct(">LLLL").pack,
        "command_id": cls.command_id,
    }
    groups = _groups(table)
    for size in {len(group) for kind, group in groups if kind == "int8"}:
        names[f"ints{size}"] = struct.Struct(f">{size}B")
    source = _encoder_source(groups) + _decoder_source(groups)
    # The text is made of our own field names and numbers only.
    exec(compile(source, f"<smpp {cls.name}>", "exec"), names)  # noqa: S102
    return Compiled(names["encode"], names["decode"])


Groups = list[tuple[str, list[tuple[str, Wire]]]]


def _groups(table: list[tuple[str, Wire]]) -> Groups:
    """Put neighbouring integers together, so that one struct call packs them all."""
    groups: Groups = []
    for kind, items in groupby(table, key=lambda item: item[1].kind):
        members = list(items)
        groups += [(kind, members)] if kind == "int8" else [(kind, [item]) for item in members]
    return groups


def _encoder_source(groups: Groups) -> str:
    template, values, checks, texts = "", [], [], []
    for kind, members in groups:
        name, wire = members[0]
        if kind == "int8":
            template += "%b"
            values.append(f"ints{len(members)}.pack({', '.join(f'p.{item}' for item, _ in members)})")
            continue
        checks.append(f"len({name}) > {wire.limit}")
        if kind == "cstring":
            template += "%b\\0"
            values.append(f"{name}.encode('latin-1')")
            texts.append(name)
        else:
            template += "%c%b"
            values += [f"len({name})", name]
    if texts:
        checks.append(f"'\\0' in f\"{''.join(f'{{{name}}}' for name in texts)}\"")
    loads = [f"{members[0][0]} = p.{members[0][0]}" for kind, members in groups if kind != "int8"]
    lines = [*loads]
    if checks:
        lines.append(f"if {' or '.join(checks)}: raise ValueError")
    lines.append(f'body = b"{template}" % ({"".join(f"{value}, " for value in values)})')
    lines.append("if p.tlvs: body += pack_tlvs(p.tlvs)")
    lines.append("return header(16 + len(body), command_id, p.status, p.sequence) + body")
    return _function("encode(p)", lines)


def _decoder_source(groups: Groups) -> str:
    lines = ["p = new(cls)", "p.status = status", "p.sequence = sequence", "pos = 16"]
    for kind, members in groups:
        lines += _KINDS[kind](members)
    lines.append("p.tlvs = unpack_tlvs(frame, pos) if pos != len(frame) else Tlvs()")
    lines.append("return p")
    return _function("decode(frame, status, sequence)", lines)


def _read_cstring(members: list[tuple[str, Wire]]) -> list[str]:
    (name, wire) = members[0]
    return [
        "end = frame.index(0, pos)",
        f"if end - pos > {wire.accepted}: raise ValueError",
        f"p.{name} = frame[pos:end].decode('latin-1') if end != pos else ''",
        "pos = end + 1",
    ]


def _read_ints(members: list[tuple[str, Wire]]) -> list[str]:
    targets = ", ".join(f"p.{name}" for name, _ in members)
    return [f"{targets}, = ints{len(members)}.unpack_from(frame, pos)", f"pos += {len(members)}"]


def _read_octets(members: list[tuple[str, Wire]]) -> list[str]:
    (name, wire) = members[0]
    return [
        "count = frame[pos]",
        "end = pos + 1 + count",
        f"if count > {wire.accepted} or end > len(frame): raise ValueError",
        f"p.{name} = frame[pos + 1:end]",
        "pos = end",
    ]


def _function(signature: str, lines: list[str]) -> str:
    return f"def {signature}:\n" + "".join(f"    {line}\n" for line in lines)


_KINDS: dict[str, Callable[[list[tuple[str, Wire]]], list[str]]] = {
    "cstring": _read_cstring,
    "int8": _read_ints,
    "octets8": _read_octets,
}
