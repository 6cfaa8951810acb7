"""Connectors as the life of a message sees them: one short look into the in-memory snapshot."""

from collections.abc import Collection, Sequence

from connectors.snapshot import ConnectorView, connectors


def line(connector_id: int | None) -> ConnectorView | None:
    """The connector, or None when it is gone."""
    return None if connector_id is None else connectors().by_id.get(connector_id)


def line_name(connector_id: int | None) -> str:
    """Its name, or an empty string."""
    found = line(connector_id)
    return found.name if found else ""


def siblings(carrier_account: str) -> Sequence[int]:
    """Connectors that share a carrier's account: a receipt may come over any of them (architecture 3)."""
    return connectors().of_carrier(carrier_account)


def usable(connector_id: int) -> bool:
    """Whether a message may be handed to it: never when off or draining; on one that is stopped it waits."""
    found = line(connector_id)
    return found is not None and found.candidate


def next_hop(hops: Sequence[int], hop: int, *, without: Collection[int] = ()) -> int | None:
    """Place of the next connector of a route behind `hop` that may be handed a message, but for those `without`."""
    behind = range(hop + 1, len(hops))
    return next((place for place in behind if usable(hops[place]) and hops[place] not in without), None)
