"""YAML as a tree of values that know their line; nothing of it is turned into Python objects.

Built from the parser's events: depth, size and what aliases expand to are bounded while reading, and a value keeps the
letters in which it was written (a prefix `0044` stays `0044`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

LARGEST_FILE: Final = 5 * 1024 * 1024
DEEPEST: Final = 20  # the format needs 8
MOST_VALUES: Final = 500_000  # a 5 MB file holds fewer, unless aliases multiply them

_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset({"str", "int", "float", "bool", "null", "timestamp", "seq", "map"})
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Any = yaml.resolver.Resolver
_resolve = _RESOLVER().resolve


class Problem(Exception):
    """Why a file is refused, and the line (from 1) to look at; nothing was written."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line, self.message, self.source = line, message, ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.message}" if self.source else f"line {self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as it is written; `tag` is str, int, float, bool, null or timestamp."""

    text: str
    tag: str
    line: int
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Listing:
    """A list."""

    items: "tuple[Node, ...]"
    line: int
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys with their values; `lines` tells where each key stands."""

    entries: "dict[str, Node]"
    lines: dict[str, int]
    line: int
    weight: int = 1


Node = Scalar | Listing | Mapping


def read_tree(path: Path) -> Node:
    """The only document of the file; raises Problem, and OSError when the file cannot be read."""
    with path.open("rb") as file:
        raw = file.read(LARGEST_FILE + 1)
    try:
        return parse_tree(raw)
    except Problem as problem:
        problem.source = str(path)
        raise


def parse_tree(raw: bytes) -> Node:
    """The only document of these octets (UTF-8); raises Problem."""
    if len(raw) > LARGEST_FILE:
        raise Problem(1, f"the file is larger than {LARGEST_FILE // 1024 // 1024} MB")
    text = _decoded(raw)
    try:
        return _Composer(yaml.parse(text, Loader=_LOADER)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        last = max(1, len(text.splitlines()))  # what is never closed is missed behind the last line
        line = min(mark.line + 1, last) if mark else 1
        raise Problem(line, f"not YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else 1
        raise Problem(line, f"not YAML: {error.reason}") from error


def _decoded(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(raw.count(b"\n", 0, error.start) + 1, "the file is not UTF-8") from error
    control = next((at for at, mark in enumerate(text) if mark < " " and mark not in "\t\n\r"), None)
    if control is not None:
        raise Problem(text.count("\n", 0, control) + 1, "not YAML: a control character")
    return text


class _Composer:
    """Turns the events of one document into nodes."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, Node | None] = {}  # None: still open, an alias to it would never end
        self._left = MOST_VALUES

    def document(self) -> Node:
        """The tree; raises Problem when there is no document or more than one."""
        found: list[Node] = []
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if found:
                    raise Problem(_line(event), "a second document; one file holds one")
                found.append(self._node(next(self._events), 0))
        if not found:
            raise Problem(1, "the file is empty")
        return found[0]

    def _node(self, event: Any, depth: int) -> Node:
        line = _line(event)
        if depth > DEEPEST:
            raise Problem(line, f"nested deeper than {DEEPEST} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor, line)
        self._spend(1, line)
        if event.anchor:
            self._anchors[event.anchor] = None
        node = self._fresh(event, depth, line)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, anchor: Any, line: int) -> Node:
        node = self._anchors.get(anchor)
        if node is None:
            raise Problem(
                line, f"the anchor &{anchor} {'contains itself' if anchor in self._anchors else 'is missing'}"
            )
        self._spend(node.weight, line)
        return node

    def _spend(self, values: int, line: int) -> None:
        self._left -= values
        if self._left < 0:
            raise Problem(line, f"more than {MOST_VALUES} values; aliases count as what they stand for")

    def _fresh(self, event: Any, depth: int, line: int) -> Node:
        if isinstance(event, yaml.SequenceStartEvent):
            _check_tag(event.tag, line)
            return self._listing(depth, line)
        if isinstance(event, yaml.MappingStartEvent):
            _check_tag(event.tag, line)
            return self._mapping(depth, line)
        return _scalar(event, line)

    def _listing(self, depth: int, line: int) -> Listing:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return Listing(tuple(items), line, 1 + sum(item.weight for item in items))

    def _mapping(self, depth: int, line: int) -> Mapping:
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            at = _line(event)
            if not isinstance(key, Scalar) or key.tag == "null":
                raise Problem(at, "a key must be one word")
            if key.text in entries:
                raise Problem(at, f"the key {key.text!r} stands here twice; first at line {lines[key.text]}")
            lines[key.text] = at
            entries[key.text] = self._node(next(self._events), depth + 1)
        return Mapping(entries, lines, line, 1 + sum(1 + value.weight for value in entries.values()))


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(event: Any, line: int) -> Scalar:
    tag = event.tag
    if tag is None or tag == "!":
        tag = _resolve(yaml.ScalarNode, event.value, event.implicit)
    _check_tag(tag, line)
    return Scalar(event.value, tag.removeprefix(_TAG), line)


def _check_tag(tag: str | None, line: int) -> None:
    if tag is None or tag == "!" or tag == f"{_TAG}merge" or tag == f"{_TAG}value":
        return
    if not tag.startswith(_TAG) or tag.removeprefix(_TAG) not in _PLAIN_TAGS:
        _refuse_tag(tag, line)


def _refuse_tag(tag: str, line: int) -> NoReturn:
    raise Problem(line, f"the tag {tag.replace(_TAG, '!!')} is not allowed")
