"""The messages of a run: each has a number, a handset and a text of its own, so that nothing can stand for another."""

import random
from dataclasses import dataclass, field
from typing import Any

PREFIX = "9715"  # a handset is PREFIX and the number of the message in eight digits
GSM7 = (160, 153)  # septets of a single part and of one among several (3GPP TS 23.040)
UCS2 = (70, 67)  # characters


@dataclass(slots=True)
class Text:
    """One message as its sender knows it."""

    number: int
    to: str
    content: str
    parts: int

    @property
    def ref(self) -> str:
        """Our own reference: it comes back in the export."""
        return f"m{self.number}"

    def body(self) -> dict[str, Any]:
        """As JSON of the API."""
        return {"to": self.to, "content": self.content, "client_ref": self.ref}


@dataclass(slots=True)
class Writer:
    """Draws texts; the numbers go on from `first`."""

    dice: random.Random
    number: int = 0
    _words: tuple[str, ...] = field(default=("bread", "river", "stone", "seven", "cloud", "table", "green", "night"))

    def text(self) -> Text:
        """Four of five are short; the others are long, Unicode, or both."""
        self.number += 1
        marker = f"#{self.number:08d}#"
        shape = self.dice.random()
        content = marker + " " + " ".join(self.dice.choices(self._words, k=4))
        limits = GSM7
        if shape < 0.12:
            content = self._until(content, self.dice.choice((200, 330)))
        elif shape < 0.20:
            content, limits = f"{content} ✓ привет", UCS2
            if shape < 0.15:
                content = self._until(content, 90)
        return Text(self.number, f"{PREFIX}{self.number:08d}", content, parts(content, limits))

    def bad_number(self) -> Text:
        """No handset has such a number: it must be refused."""
        text = self.text()
        text.to = str(text.number % 10)
        return text

    def _until(self, content: str, length: int) -> str:
        while len(content) < length:
            content += " " + self.dice.choice(self._words)
        return content


def parts(content: str, limits: tuple[int, int]) -> int:
    """How many parts a text of plain characters takes, counted without any code of the product."""
    single, joined = limits
    return 1 if len(content) <= single else -(-len(content) // joined)
