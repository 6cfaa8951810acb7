"""Who can pay: the prefix of each account's messages that its credits cover."""

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

from billing import charging, spending
from common.errors import Code, Rejected
from common.money import from_units
from messaging.intake.jobs import Job
from messaging.preparation import Prepared


class Budget:
    """Credits read once for a batch and spent message by message, in order.

    A message that does not fit ends its account's (or its capped client's) prefix: cheaper ones that come later
    may not jump over it.
    """

    def __init__(
        self, funds: Mapping[int, Decimal | None], caps: Mapping[int, Decimal], capped: Collection[int] = ()
    ) -> None:
        self.capped = capped  # clients that have a spending cap
        self._left = dict(funds)
        self._caps = dict(caps)

    @classmethod
    def read(cls, jobs: Iterable[Job], *, locked: bool) -> "Budget":
        """Funds of the jobs' accounts, and what is left of their clients' spending caps.

        `locked`: the wallets stay locked until the transaction ends, so that what fits now is sure to fit.
        """
        accounts, capped = set(), set()
        for job in jobs:
            accounts.add(job.account_id)
            for command in job.request.commands:
                if command.api_client and command.api_client.spending_cap is not None:
                    capped.add(command.api_client.id)
        caps = _caps(capped, locked=locked) if capped else {}
        funds = charging.lock_wallets(accounts) if locked else charging.funds(accounts)
        return cls(funds, caps, capped)

    def spend(self, message: Prepared) -> Rejected | None:
        """Take the message's price; the refusal when it does not fit."""
        account, client = message.command.account.id, message.command.api_client
        left = self._left.get(account, Decimal(0))
        cap = self._caps.get(client.id) if client else None
        if cap is not None and cap < message.price:
            assert client is not None
            self._caps[client.id] = Decimal(-1)
            return Rejected(Code.NO_CREDIT, "Spending cap reached")
        if left is not None and left < message.price:
            self._left[account] = Decimal(-1)
            return Rejected(Code.NO_CREDIT, "Insufficient credits")
        if left is not None:
            self._left[account] = left - message.price
        if cap is not None:
            assert client is not None
            self._caps[client.id] = cap - message.price
        return None


def _caps(clients: Iterable[int], *, locked: bool) -> dict[int, Decimal]:
    if locked:  # before the wallets, as in every charge
        return {client: from_units(room) for client, room in spending.lock_room(clients).items()}
    return charging.spendable(clients)
