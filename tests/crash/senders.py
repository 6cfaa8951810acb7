"""Customers over HTTP: one message or several, with a key that they repeat when the answer did not come, or without."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.crash.faults import Answer
from tests.crash.journal import Journal
from tests.crash.texts import Text

PATIENCE = 10.0  # seconds for one answer
KEYED_PATIENCE = 180.0  # seconds until a keyed request is given up: longer than any restart, shorter than a run
IMPATIENT = 0.02  # seconds of a client that hangs up in the middle
ASKED_AGAIN = 0.05  # share of keyed requests that are repeated although they were answered
HANGS_UP = 0.03  # share of keyed requests whose first try is cut off by their sender
NEVER_SENT = "never sent"  # nobody listened: this request cannot have done anything


@dataclass(frozen=True, slots=True)
class Said:
    """What came back: status 0 when nothing did."""

    status: int
    body: Any
    seconds: float
    code: str = ""


class Sender:
    """Sends requests of one customer and writes down each request before and each answer after."""

    def __init__(
        self,
        *,
        url: str,
        key: str,
        who: str,
        journal: Journal,
        dice: random.Random,
        on_accepted: Callable[[Text, str], None],
        on_answer: Callable[[float, Answer], None],
    ) -> None:
        self._url, self._headers, self._who = url, {"X-API-Key": key}, who
        self._journal, self._dice = journal, dice
        self._on_accepted, self._on_answer = on_accepted, on_answer
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Before the first request; in the loop of the load."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def close(self) -> None:
        """After the last one."""
        if self._session is not None:
            await self._session.close()

    async def send(self, texts: Sequence[Text], *, keyed: bool, patience: float = PATIENCE) -> Said:
        """One request about these texts, repeated under its key while nobody knows what became of it."""
        key = f"key-{texts[0].number}" if keyed else None
        self._journal.write(
            e="request", n=[text.number for text in texts], to=[text.to for text in texts], who=self._who,
            contents=[text.content for text in texts], parts=[text.parts for text in texts], key=key,
        )  # fmt: skip
        body = texts[0].body() if len(texts) == 1 else [text.body() for text in texts]
        hangs_up = keyed and self._dice.random() < HANGS_UP
        said = await self._try(texts, body, key, IMPATIENT if hangs_up else patience)
        if keyed:
            said = await self._until_known(texts, body, key, said)
            if said.status == 200 and self._dice.random() < ASKED_AGAIN:
                await self._try(texts, body, key, PATIENCE)
        return said

    async def _until_known(self, texts: Sequence[Text], body: Any, key: str | None, said: Said) -> Said:
        until, pause = time.monotonic() + KEYED_PATIENCE, 0.2
        while (said.status in (0, 409, 429) or said.status >= 500) and time.monotonic() < until:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 2.0)
            said = await self._try(texts, body, key, PATIENCE)
        return said

    async def _try(self, texts: Sequence[Text], body: Any, key: str | None, patience: float) -> Said:
        began = time.monotonic()
        said = await self._post(body, key, patience)
        self._on_answer(began, Answer(said.status, said.seconds))
        results = _results(said, len(texts))
        self._journal.write(
            e="answer", n=[text.number for text in texts], status=said.status, code=said.code, key=key,
            seconds=round(said.seconds, 4), results=results,
        )  # fmt: skip
        for text, result in zip(texts, results, strict=True):
            if result.get("id"):
                self._on_accepted(text, result["id"])
        return said

    async def _post(self, body: Any, key: str | None, patience: float) -> Said:
        assert self._session is not None
        began = time.monotonic()
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        limit = aiohttp.ClientTimeout(total=patience)
        try:
            async with self._session.post(self._url, json=body, headers=headers, timeout=limit) as answer:
                found: Any = None
                with contextlib.suppress(ValueError):  # a page of the web server itself: its status says enough
                    found = await answer.json(content_type=None)
                code = found.get("code", "") if isinstance(found, dict) else ""
                return Said(answer.status, found, time.monotonic() - began, code)
        except aiohttp.ClientConnectorError:
            return Said(0, None, time.monotonic() - began, NEVER_SENT)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Said(0, None, time.monotonic() - began, type(error).__name__)


def _results(said: Said, count: int) -> list[dict[str, Any]]:
    """For each message of the request: `{id, parts, price}`, or `{refused: code}`, or nothing known."""
    if said.status != 200 or not isinstance(said.body, dict):
        return [{} for _ in range(count)]
    found = said.body.get("results", [said.body])
    return [_result(one) for one in found]


def _result(said: dict[str, Any]) -> dict[str, Any]:
    if said.get("ok"):
        return {"id": said["message_id"], "parts": said["parts"], "price": said["price"]}
    return {"refused": said.get("code", "unknown")}
