"""Sending in tests: commands of the cast, and a post box in place of the broker."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from common.pacer import Pacer
from messaging.commands import Accepted, Answer, Idempotency, Outcome, SubmitCommand, SubmitRequest
from messaging.intake import Intake
from messaging.outbox import Outbox
from tests.support import cast
from tests.support.cast import Cast


@dataclass(slots=True)
class PostBox:
    """Takes letters as the bus does; confirms them when told to, or at once."""

    at_once: bool = False
    open: bool = True
    letters: list[tuple[str, Any]] = field(default_factory=list)
    unconfirmed: list[Callable[[], None]] = field(default_factory=list)

    def publish(self, queue_name: str, body: Any, *, on_confirmed: Callable[[], None] | None = None) -> bool:
        """False while closed, as a bus whose line is full."""
        if not self.open:
            return False
        self.letters.append((queue_name, body))
        if on_confirmed:
            self.unconfirmed.append(on_confirmed)
        if self.at_once:
            self.confirm()
        return True

    def confirm(self) -> None:
        """The broker confirms everything so far."""
        while self.unconfirmed:
            self.unconfirmed.pop(0)()


def make_intake(post: PostBox | None = None) -> Intake:
    """An intake with a post box of its own and limits that only this process knows."""
    box, pacer = post or PostBox(), Pacer(None)
    return Intake(Outbox(lambda: box), lambda: pacer)


def command(who: Cast, **fields: Any) -> SubmitCommand:
    """A short text of the customer over its API client."""
    values = {"to": cast.NUMBER, "content": "hello", "source": "api", "api_client": who.client_view, **fields}
    return SubmitCommand(account=who.view, **values)


def request(who: Cast, *commands: SubmitCommand, key: str = "", body: str = "hash", **fields: Any) -> SubmitRequest:
    """A request of these commands, or of one with `fields`; `key` and the hash of its `body` make it idempotent."""
    idempotency = Idempotency(account_id=who.account.pk, key=key, request_hash=body, render=render) if key else None
    return SubmitRequest(commands or [command(who, **fields)], idempotency)


def render(outcomes: list[Outcome]) -> str:
    """Ids of the accepted, codes of the refused."""
    return ",".join(o.public_id if isinstance(o, Accepted) else o.code.value for o in outcomes)


def accepted(answer: Answer) -> Accepted:
    """The one accepted outcome of an answer."""
    assert isinstance(answer, list), answer
    (outcome,) = answer
    assert isinstance(outcome, Accepted), outcome
    return outcome
