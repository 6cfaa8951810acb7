"""One place in the fleet: a process that is started again when it dies or falls silent, and replaced on reload."""

from collections import deque
from collections.abc import Callable

from gateway_project.fleet.process import Process, say

BACK_OFF = (0.0, 1.0, 2.0, 5.0, 10.0)  # seconds before the first, second … start after a death
LONG_LIFE = 60.0  # seconds after which a death counts as the first again
AGAIN = 5.0  # seconds until the next try, when the machine has no memory, process or descriptor for a start
DEATHS, WITHIN = 10, 300.0  # more deaths than that in so many seconds are told to whoever reads the log
SILENCE = 90.0  # seconds without a sign of life after which it is ended (reliability, section 8)
LAST_WORDS = 10.0  # seconds that a silent process has for an orderly end
READY_WITHIN = 60.0  # seconds that a successor may take until it works


class Post:
    """`start` makes a process; `patience` is how long an orderly end may take, in seconds."""

    def __init__(self, name: str, start: Callable[[], Process], *, beats: bool, patience: float) -> None:
        self.name, self.start, self._beats, self._patience = name, start, beats, patience
        self.process: Process | None = None
        self.coming: Process | None = None
        self.leaving: Process | None = None
        self.first_life, self.refused = True, False
        self._leave_until = self._kill_at = float("inf")
        self._due, self._short_lives = 0.0, 0
        self._deaths: deque[float] = deque(maxlen=DEATHS + 1)

    @property
    def changing(self) -> bool:
        """Whether a replacement is under way."""
        return self.coming is not None or self.leaving is not None

    def lives(self) -> list[Process]:
        """Every process here that is not known to have ended."""
        return [each for each in (self.process, self.coming, self.leaving) if each is not None]

    def begin(self) -> None:
        """Start it; raises OSError or ValueError when that cannot be done."""
        self.process = self.start()
        self.process.noted()

    def replace(self) -> None:
        """Start a successor beside it; when that works, the old one is asked to end. No gap, nothing refused.

        Who is down between two deaths is started now, so that whoever asks hears whether it works.
        """
        self.refused = False
        try:
            self.coming = self.start()
        except (OSError, ValueError) as error:
            say(f"{self.name}: no successor could be started ({error}): {self._stays}")
            self.refused = True
        else:
            beside = f"beside {self.process.pid}" if self.process else "where none was"
            say(f"{self.name}: successor {self.coming.pid} started {beside}")

    @property
    def _stays(self) -> str:
        return "the old one stays" if self.process else "it stays down for now"

    def look(self, now: float) -> None:
        """Go on with what is due."""
        if self.coming is not None:
            self._look_at_successor(self.coming, now)
        if self.leaving is not None:
            self._look_at_leaving(self.leaving, now)
        if self.process is None:
            if now >= self._due and self.coming is None:
                self._begin_again(now)
        elif (status := self.process.ended()) is not None:
            self._died(self.process, status, now)
        else:
            self._look_at_signs(self.process, now)

    def forgive(self, seconds: float) -> None:
        """The fleet itself was asleep: nobody was silent meanwhile."""
        for each in self.lives():
            each.last_sign += seconds

    def _begin_again(self, now: float) -> None:
        try:
            self.begin()
        except (OSError, ValueError) as error:  # the others serve on
            self._due = now + AGAIN
            say(f"{self.name} could not be started ({error}): tried again {_in(AGAIN)}")

    def _died(self, process: Process, status: int, now: float) -> None:
        life = now - process.since
        self.process, self._kill_at = None, float("inf")
        self._deaths.append(now)
        self._short_lives = 0 if life >= LONG_LIFE else self._short_lives + 1
        pause = BACK_OFF[min(max(self._short_lives - 1, 0), len(BACK_OFF) - 1)]
        self._due, self.first_life = now + pause, False
        say(f"{self.name} died (status {status}) after {life:.1f} s: started again {_in(pause)}")
        if len(self._deaths) > DEATHS and now - self._deaths[0] < WITHIN:
            # Others go on to serve, and what it lacks may come back at any hour: the fleet never gives up.
            say(f"{self.name} KEEPS DYING: {len(self._deaths)} times in {now - self._deaths[0]:.0f} s; tried for ever")

    def _look_at_signs(self, process: Process, now: float) -> None:
        process.look(now)
        silent = now - process.last_sign
        if now >= self._kill_at:
            say(f"{self.name} did not end: killed")
            process.kill()
        elif self._kill_at == float("inf") and silent >= SILENCE and (self._beats or process.beats):
            say(f"{self.name} gave no sign of life for {silent:.0f} s: ended")
            self._kill_at = now + LAST_WORDS
            process.terminate()

    def _look_at_successor(self, coming: Process, now: float) -> None:
        coming.look(now)
        if (status := coming.ended()) is not None:
            say(f"{self.name}: the successor ended (status {status}): {self._stays}")
            self.coming, self.refused = None, True
        elif self._beats and not coming.beats:
            if now - coming.since >= READY_WITHIN:
                say(f"{self.name}: the successor does not begin to work: killed")
                coming.kill()
        else:
            self._hand_over(coming, now)

    def _hand_over(self, coming: Process, now: float) -> None:
        coming.noted()
        self.leaving, self.process, self.coming = self.process, coming, None
        self._kill_at = float("inf")
        if self.leaving is not None:
            self._leave_until = now + self._patience
            self.leaving.terminate()

    def _look_at_leaving(self, leaving: Process, now: float) -> None:
        if now >= self._leave_until:
            say(f"{self.name} {leaving.pid} did not end within {self._patience:g} s: killed")
            leaving.kill()
        if (status := leaving.ended()) is not None:
            say(f"{self.name}: replaced, the old one ended with status {status}")
            self.leaving = None


def _in(pause: float) -> str:
    return f"in {pause:g} s" if pause else "at once"
