"""What carriers answered, counted in memory and added to the minute's row every few seconds."""

from collections import Counter

import structlog

from connectors import answer_counts
from workers.binds.runner import ConnectorRunner
from workers.database import DatabaseThreads

log = structlog.get_logger(__name__)


class Tally:
    """Of all connectors of this process; what could not be written is written next time."""

    def __init__(self, database: DatabaseThreads) -> None:
        self._database = database
        self._counts: Counter[tuple[int, int]] = Counter()

    def take(self, runner: ConnectorRunner) -> None:
        """Take over what its binds have counted."""
        for status, count in runner.take_answers().items():
            self._counts[runner.view.id, status] += count

    async def flush(self) -> None:
        """Write what is counted."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            await self._database.run(answer_counts.add, counts)
        except Exception as error:  # only people read these rows
            log.info("answers_not_counted", error=str(error))
            self._counts.update(counts)
