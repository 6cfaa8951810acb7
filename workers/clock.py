"""`python -m workers.clock`: what happens by the clock, as a small process of its own (workers.beat says what).

Not `celery beat`: that needs the application and its tasks, three times the memory and start of this, and waits for
ever for a broker that is away. Here a tick that the broker does not take in time is dropped; the next does its work.
"""

import heapq
import os
import signal
import time
from collections.abc import Callable, Mapping

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")

import structlog
from django.conf import settings
from django.utils.log import configure_logging

from common import alive, bus, jobs
from workers.beat import TICKS, expiry

log = structlog.get_logger(__name__)
NAP = 0.1  # seconds until the end is heard


class Clock:
    """Gives each job to `tick` every period, in seconds; two clocks at once do no harm."""

    def __init__(self, ticks: Mapping[jobs.Job, float], tick: Callable[[jobs.Job, float], None]) -> None:
        self._ticks, self._tick = ticks, tick
        self._ended = False  # no Event: a signal that comes while its lock is held would wait for it for ever

    def stop(self) -> None:
        """End after the present tick; from a signal or another thread, too."""
        self._ended = True

    def run(self) -> None:
        """Until `stop`. A late tick is not made up for: its work is done by the next."""
        now = told = time.monotonic()
        alive.tell()
        due = [(now + min(period, 5.0), place, job) for place, (job, period) in enumerate(self._ticks.items())]
        heapq.heapify(due)
        while self._sleeps_until(min(due[0][0], told + alive.PERIOD)):
            now = time.monotonic()
            if due[0][0] <= now:
                at, place, job = heapq.heappop(due)
                self._tick(job, expiry(self._ticks[job]))
                now, at = time.monotonic(), at + self._ticks[job]
                heapq.heappush(due, (at if at > now else now + self._ticks[job], place, job))
            if now - told >= alive.PERIOD:
                alive.tell()
                told = now

    def _sleeps_until(self, moment: float) -> bool:
        """False as soon as it is to end."""
        while not self._ended and (left := moment - time.monotonic()) > 0:
            time.sleep(min(left, NAP))
        return not self._ended


def main() -> None:
    """Until SIGTERM or SIGINT."""
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
    clock = Clock(TICKS, lambda job, expires: jobs.publish(job, expires=expires))
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: clock.stop())
    log.info("clock_started", ticks=len(TICKS))
    clock.run()
    bus.close()


if __name__ == "__main__":
    main()
