"""Lines of the ledger, written by the batch and never changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from billing.models import Book, Reason
from common.sql import dialect, hot

_TABLE = "billing_ledgerentry"
_COLUMNS = (
    ("id", "uuid"),
    ("key", "varchar"),
    ("account_id", "bigint"),
    ("debit", "varchar"),
    ("credit", "varchar"),
    ("amount", "bigint"),
    ("before", "bigint"),
    ("after", "bigint"),
    ("reason", "varchar"),
    ("reference", "varchar"),
    ("parts", "integer"),
    ("description", "varchar"),
    ("source", "varchar"),
    ("actor", "varchar"),
    ("api_client_id", "bigint"),
    ("created_at", "timestamptz"),
)

PAID_ON = "Paid on "  # begins the description of a charge


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One transfer of `amount` units (> 0) from book `debit` to book `credit`; the account's balance around it."""

    id: UUID
    key: str
    account_id: int
    debit: Book
    credit: Book
    amount: int
    before: int
    reason: Reason
    reference: str = ""
    parts: int = 0
    description: str = ""
    source: str = ""
    actor: str = ""
    api_client_id: int | None = None

    @property
    def after(self) -> int:
        """The balance after: the customer's book has grown when it is credited."""
        return self.before + (self.amount if self.credit == Book.CUSTOMER else -self.amount)


def charge_key(ledger_id: UUID) -> str:
    """Key of the entry that charges a batch."""
    return f"chg:{ledger_id.hex}"


def refund_key(part_id: UUID) -> str:
    """Key of the one refund a part may have."""
    return f"ref:{part_id.hex}"


def write(lines: Sequence[Line], *, at: datetime) -> None:
    """Insert the lines; raises IntegrityError when a key is there already."""
    with hot() as cursor:
        dialect().insert_few(cursor, _TABLE, _COLUMNS, [_row(line, at) for line in lines])


def _row(line: Line, at: datetime) -> tuple[Any, ...]:
    return (
        line.id,
        line.key,
        line.account_id,
        line.debit.value,
        line.credit.value,
        line.amount,
        line.before,
        line.after,
        line.reason.value,
        line.reference,
        line.parts,
        line.description[:200],
        line.source,
        line.actor,
        line.api_client_id,
        at,
    )


def known_keys(keys: Iterable[str]) -> set[str]:
    """Those of the keys that are in the ledger."""
    where, params = dialect().any_of("key", keys, "text")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT key FROM {_TABLE} WHERE {where}", params)
        return {row[0] for row in cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class Charged:
    """What a charge entry says of itself; `amount` in units."""

    account_id: int
    amount: int
    api_client_id: int | None
    description: str

    @property
    def pays_on(self) -> str:
        """ "submit" or "delivery" as it was when this was charged; empty when the entry does not say."""
        return self.description.removeprefix(PAID_ON) if self.description.startswith(PAID_ON) else ""


def charges_by_id(charge_ids: Iterable[UUID]) -> dict[UUID, Charged]:
    """The charge entries with these ids; unknown ones are left out."""
    sql = dialect()
    where, params = sql.any_of("id", set(charge_ids))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, account_id, amount, api_client_id, description FROM {_TABLE} WHERE {where} AND reason = %s",
            [*params, Reason.CHARGE.value],
        )
        return {sql.uuid(row[0]): Charged(*row[1:]) for row in cursor.fetchall()}
