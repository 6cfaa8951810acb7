"""Carriers whose receipts name ids in another form than their answers; used by the tests of the DLR doctor."""

from dataclasses import dataclass, field
from typing import Any

from common.ids import derive
from common.jobs import recorder
from connectors.models import Connector
from messaging.models import IdRuleProposal, Message, Part, Receipt
from messaging.receipts import doctor
from tests.messaging.underway import Line, accepted, bind, receipt
from tests.support.cast import Cast, customer, forget_snapshots

BASE = 0x51A1_0000_0F00


def answer_hex(n: int) -> str:
    return f"{BASE + n:x}"


def report_dec(n: int) -> str:
    return str(BASE + n)


@dataclass
class Carrier:
    """A customer over one line, and what was sent over it."""

    cast: Cast
    line: Line
    messages: list[Message] = field(default_factory=list)

    @property
    def account(self) -> str:
        return self.connector.carrier_account or self.connector.name

    @property
    def connector(self) -> Connector:
        return Connector.objects.get(pk=self.line.connector_id)

    def take(self, many: int, answer: Any = answer_hex, **fields: Any) -> list[Message]:
        """Messages, each to a number of its own, that the carrier takes under `answer(n)`."""
        first = len(self.messages)
        made = [
            accepted(self.cast, recipient=f"9715{first + n:08d}", connector_id=self.line.connector_id, **fields)
            for n in range(many)
        ]
        self.line.claim([derive(message.id, 1) for message in made], limit=many)
        results = [
            self.line.result(derive(message.id, 1), provider_id=answer(first + n)) for n, message in enumerate(made)
        ]
        self.line.record(*results)
        self.messages += made
        return made

    def report(self, messages: list[Message], reported: Any = report_dec, **fields: Any) -> None:
        """Receipts of these messages under `reported(n)`."""
        numbers = {message.id: n for n, message in enumerate(self.messages)}
        self.line.hear(
            *(
                receipt(reported(numbers[message.id]), recipient=f"+{message.recipient}", **fields)
                for message in messages
            )
        )

    def states(self) -> set[str]:
        ids = [derive(message.id, 1) for message in self.messages]
        return set(Part.objects.filter(id__in=ids).values_list("status", flat=True))


def carrier(credits: int = 200, *, account: dict[str, Any] | None = None, **connector: Any) -> Carrier:
    """A customer, a connector with these fields, and its bind."""
    cast = customer(credits, **(account or {}))
    if connector:
        Connector.objects.filter(pk=cast.connector.pk).update(**connector)
        forget_snapshots()
    return Carrier(cast, bind(cast))


def proposed(found: Carrier) -> IdRuleProposal | None:
    return doctor.propose(found.account, at_once=True)


def heal(proposal: IdRuleProposal, **options: Any) -> int:
    """Accept, and do what the job would."""
    with recorder():
        accepted_one = doctor.accept(proposal, **options)
    forget_snapshots()
    found, over = doctor.rehome(accepted_one)
    assert over
    return found


def give_up() -> None:
    """As after 72 h: waiting receipts are orphans."""
    Receipt.objects.filter(state="PARKED").update(state="ORPHAN", next_try_at=None)
