"""What a browser sends back from a form that was not touched."""

from html.parser import HTMLParser
from typing import Any


class _Form(HTMLParser):
    def __init__(self, form_id: str) -> None:
        super().__init__()
        self._id, self._inside = form_id, False
        self.values: dict[str, list[str]] = {}
        self._select: str | None = None
        self._text: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        got = dict(attrs)
        if tag == "form":
            self._inside = got.get("id") == self._id
        elif self._inside:
            self._field(tag, got)

    def _field(self, tag: str, got: dict[str, Any]) -> None:
        name = got.get("name")
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in got:
            self._add(self._select, got.get("value") or "")
        elif tag == "textarea" and name:
            self._text = (name, [])
        elif tag == "input" and name:
            self._input(name, got)

    def _input(self, name: str, got: dict[str, Any]) -> None:
        kind = got.get("type", "text")
        if kind in ("checkbox", "radio"):
            if "checked" in got:
                self._add(name, got.get("value") or "on")
        elif kind != "submit":
            self._add(name, got.get("value") or "")

    def handle_data(self, data: str) -> None:
        if self._text:
            self._text[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = None
        elif tag == "textarea" and self._text:
            name, pieces = self._text
            self._add(name, "".join(pieces).removeprefix("\n"))
            self._text = None

    def _add(self, name: str, value: str) -> None:
        self.values.setdefault(name, []).append(value)


def untouched(page: Any, form_id: str) -> dict[str, list[str]]:
    """The fields of the form and their values as the page shows them."""
    form = _Form(form_id)
    form.feed(page.text)
    assert form.values, f"no form {form_id}"
    return form.values
