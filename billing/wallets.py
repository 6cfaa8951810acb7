"""The only statements that read or change balances on the hot path; all amounts here are integer units.

A balance changes in one statement for all accounts of a batch. Rows are locked in account order, so that two
batches never wait for each other in a circle, and the guard and the change are one: nobody can come between.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from common.money import from_units
from common.sql import Row, dialect, hot

_AMOUNTS = (("v_id", "bigint"), ("v_amount", "bigint"))
_COVERED = "(unlimited OR balance + v_amount >= -credit_limit)"


def funds(account_ids: Iterable[int]) -> dict[int, Decimal | None]:
    """Credits each account may still spend (balance + credit limit); None: unlimited. Takes no lock.

    An account without a wallet has 0.
    """
    return _funds(account_ids, locked=False)


def lock_wallets(account_ids: Iterable[int]) -> dict[int, Decimal | None]:
    """`funds`, with the wallets locked in account order until the transaction ends."""
    return _funds(account_ids, locked=True)


def _funds(account_ids: Iterable[int], *, locked: bool) -> dict[int, Decimal | None]:
    asked = sorted(set(account_ids))
    found: dict[int, Decimal | None] = dict.fromkeys(asked, Decimal("0.0000"))
    for account_id, balance, credit_limit, unlimited in _read(asked, locked=locked):
        found[account_id] = None if unlimited else from_units(balance + credit_limit)
    return found


def lock_balances(account_ids: Iterable[int]) -> dict[int, int]:
    """Balances in units, the wallets locked in account order; accounts without a wallet are left out."""
    return {row[0]: row[1] for row in _read(sorted(set(account_ids)), locked=True)}


def _read(account_ids: list[int], *, locked: bool) -> list[Row]:
    if not account_ids:
        return []
    sql = dialect()
    where, params = sql.any_of("account_id", account_ids, "bigint")
    with hot() as cursor:
        cursor.execute(
            f"SELECT account_id, balance, credit_limit, unlimited FROM billing_wallet WHERE {where} "
            f"ORDER BY account_id {sql.for_update if locked else ''}",
            params,
        )
        rows: list[Row] = cursor.fetchall()
        return rows


def take(amounts: Mapping[int, int]) -> dict[int, int]:
    """Subtract units from each account that has them; returns the balances after, of those accounts only."""
    return _change({account_id: -units for account_id, units in amounts.items()}, _COVERED)


def give(amounts: Mapping[int, int]) -> dict[int, int]:
    """Add units to accounts; returns the balances after."""
    return _change(amounts, "TRUE")


def _change(amounts: Mapping[int, int], guard: str) -> dict[int, int]:
    if not amounts:
        return {}
    sql = dialect()
    source, params = sql.rows("given", _AMOUNTS, sorted(amounts.items()))
    held = "FOR UPDATE OF w" if sql.for_update else ""
    with hot() as cursor:
        cursor.execute(
            "UPDATE billing_wallet SET balance = balance + v_amount "
            "FROM (SELECT w.account_id AS v_account, given.v_amount FROM billing_wallet w "
            f"JOIN {source} ON w.account_id = given.v_id ORDER BY w.account_id {held}) AS held "
            f"WHERE billing_wallet.account_id = held.v_account AND {guard} RETURNING account_id, balance",
            params,
        )
        return dict(cursor.fetchall())
