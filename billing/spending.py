"""Spending caps of API clients: how much of the account's credits a client may use, in integer units.

Only clients that have a cap are counted. Their rows are locked before any wallet, in client order.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from django.db import connection

from common.money import from_units
from common.sql import dialect


def spendable(client_ids: Iterable[int]) -> dict[int, Decimal]:
    """Credits that each client with a spending cap may still use; the others are left out. Takes no lock."""
    caps = _caps(client_ids)
    spent = _spent(caps, locked=False)
    return {client_id: from_units(cap - spent.get(client_id, 0)) for client_id, cap in caps.items()}


def lock_room(client_ids: Iterable[int]) -> dict[int, int]:
    """Units that each capped client may still use, its row locked until the transaction ends."""
    caps = _caps(client_ids)
    if not caps:
        return {}
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO billing_clientspending (api_client_id, spent) VALUES (%s, 0) "
            "ON CONFLICT (api_client_id) DO NOTHING",
            [(client_id,) for client_id in sorted(caps)],
        )
    spent = _spent(caps, locked=True)
    return {client_id: cap - spent[client_id] for client_id, cap in caps.items()}


def lock(client_ids: Iterable[int]) -> set[int]:
    """Lock the rows of those clients that are counted; returns which."""
    return set(_spent(client_ids, locked=True))


def add(amounts: Mapping[int, int]) -> None:
    """Count units as spent (given back, when negative) by clients whose rows this transaction has locked."""
    if not amounts:
        return
    source, params = dialect().rows("given", (("v_id", "bigint"), ("v_amount", "bigint")), sorted(amounts.items()))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE billing_clientspending SET spent = spent + v_amount FROM {source} WHERE api_client_id = v_id",
            params,
        )


def _caps(client_ids: Iterable[int]) -> dict[int, int]:
    listed = set(client_ids)
    if not listed:
        return {}
    where, params = dialect().any_of("id", listed, "bigint")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, spending_cap FROM accounts_apiclient WHERE {where} AND spending_cap IS NOT NULL", params
        )
        return dict(cursor.fetchall())


def _spent(client_ids: Iterable[int], *, locked: bool) -> dict[int, int]:
    listed = sorted(set(client_ids))
    if not listed:
        return {}
    sql = dialect()
    where, params = sql.any_of("api_client_id", listed, "bigint")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT api_client_id, spent FROM billing_clientspending WHERE {where} "
            f"ORDER BY api_client_id {sql.for_update if locked else ''}",
            params,
        )
        return dict(cursor.fetchall())
