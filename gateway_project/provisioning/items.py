"""The file as objects with their lines: known keys only, every value of the right type, no name twice."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway_project.provisioning.document import Listing, Mapping, Node, Problem, Scalar, read_tree
from gateway_project.provisioning.readers import nearest, shown
from gateway_project.provisioning.schema import GLOBAL_SENDERS, SECTIONS, Kind, read_global_senders


@dataclass(slots=True)
class Item:
    """One object: the values that the file gives (only those), and where each stands."""

    kind: Kind
    line: int
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    children: "dict[str, list[Item]]" = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the object is called."""
        return str(self.values[self.kind.identity])

    def problem(self, key: str, message: str) -> Problem:
        """A problem at the line of this key."""
        return Problem(self.lines.get(key, self.line), message)


@dataclass(slots=True)
class Document:
    """The whole file; `senders` None: not named."""

    source: str
    sections: dict[str, list[Item]]
    senders: list[str] | None = None

    def of(self, section: str) -> list[Item]:
        """Objects of one section, in the order of the file."""
        return self.sections.get(section, [])

    def everywhere(self, list_name: str) -> Iterator[tuple[Item, Item]]:
        """Children of all accounts (or profiles) in lists of this name, each with its owner."""
        for owners in self.sections.values():
            for owner in owners:
                for child in owner.children.get(list_name, ()):
                    yield owner, child


def read_document(path: Path) -> Document:
    """Read and check the file by itself; raises Problem (with the file's name) and OSError."""
    tree = read_tree(path)
    try:
        return document_of(tree, str(path))
    except Problem as problem:
        problem.source = str(path)
        raise


def document_of(tree: Node, source: str) -> Document:
    """The objects of a tree; raises Problem."""
    if isinstance(tree, Scalar) and tree.tag == "null":
        raise Problem(tree.line, "the file is empty")
    top = _mapping(tree, "the file")
    _refuse_unknown(top, {*SECTIONS, GLOBAL_SENDERS}, "the file")
    sections = {
        name: [_item(kind, node) for node in _items(top.entries[name], name)]
        for name, kind in SECTIONS.items()
        if name in top.entries
    }
    senders = top.entries.get(GLOBAL_SENDERS)
    return Document(source, sections, None if senders is None else read_global_senders(senders, GLOBAL_SENDERS))


def _item(kind: Kind, node: Node) -> Item:
    mapping = _mapping(node, kind.phrase)
    _refuse_unknown(mapping, {*kind.keys, *kind.children}, kind.phrase)
    item = Item(kind, mapping.line, lines=dict(mapping.lines))
    for name, value in mapping.entries.items():
        if name in kind.children:
            item.children[name] = [_item(kind.children[name], entry) for entry in _items(value, name)]
        else:
            item.values[name] = kind.keys[name].read(value, name)
    if kind.identity and kind.identity not in item.values:
        raise Problem(mapping.line, f"{kind.phrase} needs the key {kind.identity!r}")
    return item


def _mapping(node: Node, phrase: str) -> Mapping:
    if not isinstance(node, Mapping):
        raise Problem(node.line, f"{phrase} must be an object with keys, not {shown(node)}")
    return node


def _items(node: Node, name: str) -> tuple[Node, ...]:
    if not isinstance(node, Listing):
        raise Problem(node.line, f"{name} must be a list, not {shown(node)}")
    return node.items


def _refuse_unknown(mapping: Mapping, known: set[str], phrase: str) -> None:
    for key in mapping.entries:
        if key not in known:
            raise Problem(mapping.lines[key], f"unknown key {key[:60]!r} in {phrase}{nearest(key, known)}")
