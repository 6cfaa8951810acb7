"""Entries as lines on a terminal. What strangers sent is in them, so nothing that is not printable gets through."""

from datetime import UTC, datetime
from typing import Any, Final

_WHERE: Final = {"in": "<-", "out": "->", "event": "--"}
_TOLD_FIELDS: Final = ("system_id", "source_addr", "destination_addr", "message_id")


def entry_line(entry: dict[str, Any]) -> str:
    """One PDU or event."""
    words = [_time(entry["at"]), _WHERE[entry["direction"]], entry["link"]]
    if entry["direction"] != "event":
        words += [entry["command"], f"#{entry['sequence']}", *_status(entry), *_fields(entry)]
        if "milliseconds" in entry:
            words.append(f"after {entry['milliseconds']} ms")
    if entry["reason"]:
        words.append(f"| {entry['reason']}")
    return _printable("  ".join(words))


def bind_line(bind: dict[str, Any]) -> str:
    """One bind of the history."""
    ended = _time(bind["ended_at"]) if bind["ended_at"] else "bound"
    counts = [f"{name} {bind[name]}" for name in ("submitted", "refused", "delivered")]
    mode = f"{bind['mode']} tls" if bind["tls"] else bind["mode"]
    words = [_time(bind["since"]), ended, mode, bind["link"], bind["server"], *counts, bind["reason"]]
    return _printable("  ".join(words))


def refused_line(refused: dict[str, Any]) -> str:
    """One bind that was not."""
    return _printable(
        f"{_time(refused['at'])}  refused  {refused['command']}  {refused['link']}  {refused['status_name']}  "
        f"{refused['reason']}"
    )


def _status(entry: dict[str, Any]) -> list[str]:
    is_answer = entry["command"].endswith(("_resp", "_nack"))
    return [f"0x{entry['status']:08X} {entry['status_name']}"] if is_answer or entry["status"] else []


def _fields(entry: dict[str, Any]) -> list[str]:
    fields = entry["fields"]
    words = [f"{name}={fields[name]}" for name in _TOLD_FIELDS if fields.get(name)]
    words += [f"to={one.get('destination_addr', one.get('dl_name'))}" for one in fields.get("dest_addresses", ())]
    if "data_coding" in fields:
        words.append(f"data_coding={fields['data_coding']}")
    words += [f"{tlv['name']}={tlv.get('text', tlv['value'])}" for tlv in entry["tlvs"] if tlv["value"] is not None]
    if "receipt" in entry:
        receipt = entry["receipt"]
        words.append(f"receipt {receipt['message_id']} {receipt['stat']} err={receipt['err']}")
    text = entry.get("text")
    if text is not None:
        words.append(f"{text['octets']} octets" if text["content"] is None else repr(text["content"]))
    if "fault" in entry:
        words.append(f"unreadable: {entry['fault']}")
    return words


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "·" for character in text)
