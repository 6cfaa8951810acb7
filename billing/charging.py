"""Charges and refunds by the batch, inside the caller's transaction; wallets come last, in account order.

A charge covers many messages of one account in one line of the ledger, a refund is a line per part. Both are
either wholly written (balance, ledger, spending) or not at all.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from billing import ledger, spending, wallets
from billing.models import Book, Reason
from billing.spending import spendable
from billing.wallets import funds, lock_wallets
from common.clock import utc_now
from common.ids import new_id
from common.money import to_units

__all__ = ["Charge", "Refund", "charge", "funds", "lock_wallets", "refund", "spendable", "terms"]

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """`amount` credits for `parts` parts of one account, as ledger entry `ledger_id`.

    `client_id` is the API client whose spending cap counts, None when there is none; `source` says where the
    messages came from (api, smpp, portal …); `reference` is free.
    """

    ledger_id: UUID
    account_id: int
    amount: Decimal
    parts: int
    source: str
    client_id: int | None = None
    reference: str = ""
    pays_on: str = ""  # "submit" or "delivery": what refunds go by, whatever the account is changed to afterwards


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """`amount` credits for one part of the charge `charge_id` (the ledger entry's id).

    `why` begins with the status of the part that calls for it: the audit tells a part that was refunded as
    UNKNOWN and delivered late from one that should never have been refunded.
    """

    part_id: UUID
    account_id: int
    amount: Decimal
    charge_id: UUID
    why: str


def charge(charges: Sequence[Charge], *, capped: Collection[int] | None = None) -> set[int]:
    """Take the amounts from the wallets and write the ledger; all charges of an account or none of them.

    Returns the account ids that did not fit: credits or a client's spending cap were short, nothing was written
    for these. Amounts of 0 write nothing. Raises ValueError on an amount that is negative or finer than
    1/10,000. Needs an open transaction. `capped`: the clients that may have a spending cap, None: any may.
    """
    due = [(item, units) for item in charges if (units := _units(item.amount))]
    clients = {item.client_id for item, _ in due if item.client_id is not None}
    room = spending.lock_room(clients if capped is None else clients.intersection(capped))
    over = _over_cap(due, room)
    totals = _sum((item.account_id, units) for item, units in due if item.account_id not in over)
    after = wallets.take(totals)
    taken = [(item, units) for item, units in due if item.account_id in after]
    before = {account_id: balance + totals[account_id] for account_id, balance in after.items()}
    ledger.write(_charge_lines(taken, before), at=utc_now())
    spending.add(_sum((item.client_id, units) for item, units in taken if item.client_id in room))
    return {item.account_id for item, _ in due} - after.keys()


def _charge_lines(taken: Iterable[tuple[Charge, int]], balances: dict[int, int]) -> list[ledger.Line]:
    lines = []
    for item, units in taken:
        line = ledger.Line(
            id=item.ledger_id,
            key=ledger.charge_key(item.ledger_id),
            account_id=item.account_id,
            debit=Book.CUSTOMER,
            credit=Book.REVENUE,
            amount=units,
            before=balances[item.account_id],
            reason=Reason.CHARGE,
            reference=item.reference,
            parts=item.parts,
            description=f"{ledger.PAID_ON}{item.pays_on}" if item.pays_on else "",
            source=item.source,
            api_client_id=item.client_id,
        )
        balances[item.account_id] = line.after
        lines.append(line)
    return lines


def terms(charge_ids: Iterable[UUID]) -> dict[UUID, str]:
    """On what these charges were to be paid ("submit", "delivery"); those that do not say are left out."""
    charged = ledger.charges_by_id(charge_ids)
    return {key: entry.pays_on for key, entry in charged.items() if entry.pays_on}


def _over_cap(due: Iterable[tuple[Charge, int]], room: dict[int, int]) -> set[int]:
    """Accounts one of whose clients would pass its spending cap."""
    wanted = _sum((item.client_id, units) for item, units in due if item.client_id in room)
    over = {client_id for client_id, units in wanted.items() if units > room[client_id]}
    return {item.account_id for item, _ in due if item.client_id in over}


def refund(refunds: Sequence[Refund]) -> set[UUID]:
    """Give credits back, once per part whatever happens at the same time; returns the parts refunded now.

    Parts that have their refund already, and amounts of 0, are passed over. Raises ValueError when a charge is
    unknown, is another account's or is smaller than the refund. Needs an open transaction.
    """
    wanted = {item.part_id: item for item in reversed(refunds) if _units(item.amount)}
    if not wanted:
        return set()
    charged = ledger.charges_by_id({item.charge_id for item in wanted.values()})
    _check_founded(wanted.values(), charged)
    counted = spending.lock({c.api_client_id for c in charged.values() if c.api_client_id is not None})
    # Whoever refunds a part of this account holds its wallet, so what is missing now stays missing until we wrote it.
    balances = wallets.lock_balances(item.account_id for item in wanted.values())
    done = ledger.known_keys(ledger.refund_key(part_id) for part_id in wanted)
    fresh = [item for item in wanted.values() if ledger.refund_key(item.part_id) not in done]
    lines = _refund_lines(fresh, charged, balances)
    ledger.write(lines, at=utc_now())
    spending.add(_sum((line.api_client_id, -line.amount) for line in lines if line.api_client_id in counted))
    wallets.give(_sum((line.account_id, line.amount) for line in lines))
    return {item.part_id for item in fresh}


def _check_founded(wanted: Iterable[Refund], charged: dict[UUID, ledger.Charged]) -> None:
    for item in wanted:
        entry = charged.get(item.charge_id)
        if entry is None or entry.account_id != item.account_id:
            raise ValueError(f"part {item.part_id}: account {item.account_id} has no charge {item.charge_id}")
        if to_units(item.amount) > entry.amount:
            raise ValueError(f"part {item.part_id}: refund of {item.amount} is more than charge {item.charge_id}")


def _refund_lines(
    fresh: Iterable[Refund], charged: dict[UUID, ledger.Charged], balances: dict[int, int]
) -> list[ledger.Line]:
    lines = []
    for item in fresh:
        line = ledger.Line(
            id=new_id(),
            key=ledger.refund_key(item.part_id),
            account_id=item.account_id,
            debit=Book.REVENUE,
            credit=Book.CUSTOMER,
            amount=to_units(item.amount),
            before=balances[item.account_id],
            reason=Reason.REFUND,
            reference=item.charge_id.hex,
            parts=1,
            description=item.why,
            api_client_id=charged[item.charge_id].api_client_id,
        )
        balances[item.account_id] = line.after
        lines.append(line)
    return lines


def _units(amount: Decimal) -> int:
    units = to_units(amount)
    if units < 0:
        raise ValueError(f"an amount is not negative: {amount}")
    return units


def _sum(pairs: Iterable[tuple[Key | None, int]]) -> dict[Key, int]:
    totals: dict[Key, int] = {}
    for key, units in pairs:
        if key is not None:
            totals[key] = totals.get(key, 0) + units
    return totals
