"""Leases on binds, in database time: who may write to a carrier, with a fence that grows with every owner."""

from dataclasses import dataclass

from django.db import connection, transaction

from common.sql import dialect
from common.transactions import retried
from messaging import claims

TTL = 15.0  # seconds; a dead owner's connectors are taken over within this time (reliability P9)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to hold one bind until it ends or is renewed; `fence` marks every row claimed under it."""

    connector_id: int
    bind_no: int
    owner: str
    fence: int
    abandoned: int = 0  # parts of a dead owner that became uncertain


@retried()
def acquire(connector_id: int, bind_no: int, owner: str, *, ttl: float = TTL, instead_of: str = "") -> Lease | None:
    """Take a lease that is free or whose owner has let it end; None while somebody holds it.

    `instead_of` is an owner who is known to be dead: nobody waits for the end of that one's lease. What the former
    owner had claimed and not recorded becomes uncertain in the same transaction.
    """
    sql = dialect()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO connectors_bindlease (connector_id, bind_no, owner, fence, expires_at) "
                f"VALUES (%s, %s, %s, 1, {sql.seconds_ahead()}) "
                "ON CONFLICT (connector_id, bind_no) DO UPDATE SET owner = excluded.owner, "
                "fence = connectors_bindlease.fence + 1, expires_at = excluded.expires_at "
                "WHERE connectors_bindlease.expires_at IS NULL "
                f"OR connectors_bindlease.expires_at <= {sql.now} OR connectors_bindlease.owner = %s RETURNING fence",
                [connector_id, bind_no, owner, ttl, instead_of],
            )
            row = cursor.fetchone()
        if row is None:
            return None
        fence = int(row[0])
        left = claims.abandon(connector_id=connector_id, bind_no=bind_no, fence_below=fence)
    return Lease(connector_id, bind_no, owner, fence, left)


def holder(connector_id: int, bind_no: int) -> str:
    """The owner of a bind's lease, empty without one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT owner FROM connectors_bindlease WHERE connector_id = %s AND bind_no = %s", [connector_id, bind_no]
        )
        row = cursor.fetchone()
        return str(row[0]) if row else ""


def renew(lease: Lease, *, ttl: float = TTL) -> bool:
    """Extend a lease that has not ended; False means that it is lost, even if nobody has taken it yet."""
    sql = dialect()
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE connectors_bindlease SET expires_at = {sql.seconds_ahead()} "
            f"WHERE connector_id = %s AND bind_no = %s AND fence = %s AND expires_at > {sql.now}",
            [ttl, lease.connector_id, lease.bind_no, lease.fence],
        )
        return bool(cursor.rowcount)


def release(lease: Lease) -> bool:
    """Give a lease up at once, so that nobody waits for its end; the fence stays for the next owner to exceed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE connectors_bindlease SET expires_at = NULL, owner = '' "
            "WHERE connector_id = %s AND bind_no = %s AND fence = %s",
            [lease.connector_id, lease.bind_no, lease.fence],
        )
        return bool(cursor.rowcount)


def sweep_ended() -> int:
    """Make uncertain what was claimed under leases that have ended without a new owner; returns how many parts."""
    sql = dialect()
    alive = (
        "SELECT 1 FROM connectors_bindlease l WHERE l.connector_id = messaging_part.connector_id "
        f"AND l.bind_no = messaging_part.bind_no AND l.fence = messaging_part.fence AND l.expires_at > {sql.now}"
    )
    return claims.make_uncertain(f"NOT EXISTS ({alive})", ())
