"""Which wallets somebody holds locked: asked after a batch waited in vain."""

from collections.abc import Collection

from django.db import OperationalError, connection, transaction

from common.sql import dialect
from common.transactions import is_lock_timeout

_LOOK = 0.2  # seconds: a wallet that is merely busy is free again by then


def stuck(account_ids: Collection[int]) -> set[int]:
    """Accounts whose wallet is locked now and stays so for 0.2 s; empty on SQLite, which has no row locks."""
    if connection.vendor != "postgresql":
        return set()
    return {account_id for account_id in _locked_now(account_ids) if _stays_locked(account_id)}


def _locked_now(account_ids: Collection[int]) -> list[int]:
    where, params = dialect().any_of("account_id", account_ids, "bigint")
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(f"SELECT account_id FROM billing_wallet WHERE {where} FOR UPDATE SKIP LOCKED", params)
        free = {row[0] for row in cursor.fetchall()}
    return sorted(set(account_ids) - free)


def _stays_locked(account_id: int) -> bool:
    try:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {int(_LOOK * 1000)}")
            cursor.execute("SELECT 1 FROM billing_wallet WHERE account_id = %s FOR UPDATE", [account_id])
    except OperationalError as error:
        if is_lock_timeout(error):
            return True
        raise
    return False
