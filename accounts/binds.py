"""Reading who is bound and who was: the rows that SMPP servers write (ClientBind)."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from accounts.models import ClientBind, SmppClient

PAGE, LARGEST_PAGE = 50, 500
MOST_CLIENTS = 500


@dataclass(frozen=True, slots=True)
class BindPage:
    """Binds, the newest first; `cursor` begins the next page, None at the end."""

    items: list[ClientBind]
    cursor: UUID | None


def own_clients(account_id: int) -> list[SmppClient]:
    """The SMPP clients of an account by system_id, at most 500."""
    return list(SmppClient.objects.filter(account_id=account_id).order_by("system_id")[:MOST_CLIENTS])


def own_client(account_id: int, system_id: str) -> SmppClient | None:
    """The account's SMPP client of this name; another's is as unknown as none."""
    return SmppClient.objects.filter(account_id=account_id, system_id=system_id).first()


def live(clients: Iterable[SmppClient]) -> dict[int, list[ClientBind]]:
    """The binds that are up, by client."""
    found: dict[int, list[ClientBind]] = {client.pk: [] for client in clients}
    rows = ClientBind.objects.filter(smpp_client__in=list(found), ended_at=None).order_by("since")
    for row in rows[: MOST_CLIENTS * 10]:
        found[row.smpp_client_id].append(row)
    return found


def history(client: SmppClient, *, before: UUID | None = None, limit: int = PAGE) -> BindPage:
    """At most `limit` (≤ 500) binds of a client that began before that one; ids grow with time."""
    size = max(1, min(limit, LARGEST_PAGE))
    rows = ClientBind.objects.filter(smpp_client=client)
    if before is not None:
        rows = rows.filter(id__lt=before)
    found = list(rows.order_by("-id")[: size + 1])
    return BindPage(found[:size], found[size - 1].pk if len(found) > size else None)
