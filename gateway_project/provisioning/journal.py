"""What a run changed, in the words in which it is printed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from common.secrets import MASK

_LONGEST_VALUE = 60


@dataclass(slots=True)
class Entry:
    """One object that the file names: created (+), changed (~), removed (-) or as it should be (no line)."""

    kind: str
    name: str
    sign: str = "~"
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def note(self, key: str, before: Any, after: Any) -> None:
        """A value that was changed; a new object is one line whatever it holds."""
        if self.sign == "~":
            self.fields[key] = (before, after)

    def note_secret(self, key: str) -> None:
        """A secret that was changed; neither value is kept."""
        self.note(key, MASK, MASK)

    @property
    def changed(self) -> bool:
        """Whether there is anything to tell."""
        return self.sign != "~" or bool(self.fields)

    def line(self) -> str:
        """`~ connector smpp1: tps 0 -> 50`."""
        told = ", ".join(_told(key, *values) for key, values in self.fields.items())
        return f"{self.sign} {self.kind} {self.name}" + (f": {told}" if told else "")

    def facts(self) -> dict[str, Any]:
        """The same for machines."""
        action = {"+": "create", "~": "change", "-": "remove"}[self.sign]
        fields = {key: {"from": _plain(old), "to": _plain(new)} for key, (old, new) in self.fields.items()}
        return {"action": action, "kind": self.kind, "name": self.name, "fields": fields}


@dataclass(frozen=True, slots=True)
class Generated:
    """A secret that was drawn; shown once, in the output of this run."""

    kind: str
    name: str
    key: str
    value: str = field(repr=False)


@dataclass(slots=True)
class Journal:
    """Everything one run did, in order."""

    entries: list[Entry] = field(default_factory=list)
    generated: list[Generated] = field(default_factory=list)

    def open(self, kind: str, name: str, *, new: bool = False) -> Entry:
        """The entry of one object; without notes it stays silent unless the object is new."""
        entry = Entry(kind, name, "+" if new else "~")
        self.entries.append(entry)
        return entry

    def removed(self, kind: str, name: str) -> None:
        """An object that is gone."""
        self.entries.append(Entry(kind, name, "-"))

    def drew(self, entry: Entry, key: str, value: str) -> None:
        """A secret was drawn for this object."""
        self.generated.append(Generated(entry.kind, entry.name, key, value))

    @property
    def changes(self) -> list[Entry]:
        """Entries that tell something."""
        return [entry for entry in self.entries if entry.changed]

    def lines(self) -> list[str]:
        """One line per change."""
        return [entry.line() for entry in self.changes] or ["= nothing to do"]


def differing(row: Any, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Of `wanted` (column → value) what the row does not hold yet."""
    return {column: value for column, value in wanted.items() if getattr(row, column) != value}


def _told(key: str, before: Any, after: Any) -> str:
    return f"{key} changed" if before == MASK else f"{key} {_short(before)} -> {_short(after)}"


def _short(value: Any) -> str:
    plain = _plain(value)
    text = plain if isinstance(plain, str) and plain else json.dumps(plain, ensure_ascii=False)
    text = text.replace("\n", " ")
    return "none" if value is None else text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _plain(value: Any) -> Any:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value
