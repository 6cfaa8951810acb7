"""Connectors that are being emptied: noticing when nothing is left."""

import time
from collections.abc import Callable, Iterable

import structlog

from connectors.models import Desired
from connectors.snapshot import ConnectorView
from messaging import draining
from workers.database import DatabaseThreads

log = structlog.get_logger(__name__)

# Seconds after we heard of a drain: by then no front door routes by what it knew before (snapshots are a second old).
SETTLE = 3.0


class Drains:
    """Of this process; several may look at one connector, the first that finds it empty ends the drain."""

    def __init__(self, database: DatabaseThreads, clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._clock = database, clock
        self._since: dict[int, float] = {}

    async def look(self, views: Iterable[ConnectorView]) -> None:
        """Call it about once a second with the connectors that are served."""
        now = self._clock()
        names = {view.id: view.name for view in views if view.desired == Desired.DRAINING}
        self._since = {key: self._since.get(key, now) for key in names}
        for connector_id in [key for key, since in self._since.items() if now - since >= SETTLE]:
            try:
                if await self._database.run(draining.finish, connector_id):
                    log.info("connector_drained", connector=names[connector_id])
            except Exception as error:  # the store is away: look again
                log.warning("drain_not_looked_at", connector=names[connector_id], error=str(error))
