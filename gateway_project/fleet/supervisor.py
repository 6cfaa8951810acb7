"""Keeps every post manned until SIGTERM or SIGINT; SIGHUP replaces one process after the other."""

import contextlib
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from gateway_project.fleet.place import Occupied, RunDirectory
from gateway_project.fleet.post import Post
from gateway_project.fleet.process import ROOT, Process, say

STOP_SECONDS = 45.0  # for all together; the same patience as stop_grace_period in docker-compose.yml
MISCONFIGURED = 5.0  # seconds; whoever ends by itself so soon after the first start will do it again
TICK = 0.1  # seconds between looks
ASLEEP = 5.0  # seconds between two looks after which the fleet itself was stopped, not its processes
BACKLOG = 2048
ALL_NEW = "every process is new"  # how a reload ends that did what it should
WEB = "web"
BEATING = frozenset({"web", "worker", "deliveries", "beat", "binds", "smpp"})  # who touches GATEWAY_ALIVE_FILE


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall run: commands by name, in the order of their start, and the environment around all of them."""

    commands: dict[str, str]
    environment: dict[str, str]


class Supervisor:
    """`plan` is asked at the start and at each reload."""

    def __init__(self, plan: Callable[[], Plan]) -> None:
        self._read, self._plan = plan, plan()
        self._asked = self._reload = False
        self._place = RunDirectory(run_directory(self._plan.environment))
        self._listening: socket.socket | None = None
        self._posts: dict[str, Post] = {}
        self._replacing, self._to_replace = False, deque[str]()

    def run(self) -> int:
        """Returns 0 when we were asked to end and all were there and ended in peace, 1 otherwise."""
        for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(sign, self._ask)
        try:
            self._place.occupy()
        except (Occupied, OSError) as error:
            say(f"not started: {error}")
            return 1
        try:
            self._see_off()
            self._listen()
        except OSError as error:
            say(f"not started: {error}")
            self._place.leave()
            return 1
        mistaken = not all(map(self._man, self._plan.commands)) or self._watch()
        down = self._down()
        statuses = self._stop(down)
        self._place.leave()
        return 1 if mistaken or down or any(statuses.values()) else 0

    def _ask(self, sign: int, _frame: FrameType | None) -> None:
        """Notes it for the next tick. No Event: a signal that comes while its lock is held would wait for ever."""
        if sign == signal.SIGHUP:
            self._reload = True
        else:
            self._asked = True

    def _see_off(self) -> None:
        """What a killed fleet left behind drains, and holds the port of the web until it has ended."""
        if left := self._place.left_behind():
            say(f"still ending from before: {', '.join(f'{name} {pid}' for name, pid in left)}")
        until = time.monotonic() + STOP_SECONDS
        while left and not self._asked and time.monotonic() < until:
            time.sleep(TICK)
            left = self._place.left_behind()
        for name, pid in left:
            say(f"{name} {pid} did not end within {STOP_SECONDS:g} s: killed")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def _listen(self) -> None:
        """The socket of the web is ours: while its processes change, connections wait and none is refused."""
        if WEB in self._plan.commands:
            host = self._plan.environment.get("GATEWAY_BIND") or "127.0.0.1"
            port = self._plan.environment.get("GATEWAY_HTTP_PORT") or "8080"
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                self._listening = socket.create_server((host.strip("[]"), int(port)), family=family, backlog=BACKLOG)
            except (OSError, ValueError, OverflowError) as error:
                reason = getattr(error, "strerror", None) or error
                raise OSError(f"{WEB} cannot listen on {host}:{port}: {reason}") from error

    def _man(self, name: str) -> bool:
        """Start it; False when that cannot be done."""
        post = Post(name, lambda: self._start(name), beats=name in BEATING, patience=STOP_SECONDS)
        try:
            post.begin()
        except (OSError, ValueError) as error:
            say(f"{name} could not be started ({error}): stopping the others")
            return False
        self._posts[name] = post
        return True

    def _start(self, name: str) -> Process:
        environment = dict(self._plan.environment)
        if environment.get("GATEWAY_CRASH_SEAM") == "1":
            environment |= self._place.take_order(name)
        listening = self._listening.fileno() if name == WEB and self._listening is not None else None
        width = max(map(len, self._plan.commands))
        return Process(
            name, self._plan.commands[name], environment, label=f"{name:{width}} | ", place=self._place,
            listening=listening,
        )  # fmt: skip

    def _watch(self) -> bool:
        """Until we are asked to end; True when a process ended that will never work."""
        looked = time.monotonic()
        while not self._asked:
            time.sleep(TICK)
            now = time.monotonic()
            for post in self._posts.values():
                if now - looked > ASLEEP:
                    post.forgive(now - looked)
                if post.first_life and self._is_mistaken(post, now):
                    return True
                post.look(now)
            looked = now
            self._go_on_replacing()
        return False

    @staticmethod
    def _is_mistaken(post: Post, now: float) -> bool:
        if post.process is None or now - post.process.since > MISCONFIGURED:
            return False
        status = post.process.ended()
        if status is None or status < 0 or status > 128:  # killed from outside, or by a test's order
            return False
        say(f"{post.name} ended by itself (status {status}): stopping the others")
        return True

    def _go_on_replacing(self) -> None:
        if self._reload:
            self._reload = False
            self._begin_to_replace()
        if not self._replacing or any(post.changing for post in self._posts.values()):
            return
        refused = [name for name, post in self._posts.items() if post.refused]
        if refused:
            self._end_replacing(f"given up, not replaced: {', '.join([*refused, *self._to_replace])}")
        elif self._to_replace:
            self._posts[self._to_replace.popleft()].replace()
        elif down := self._down():
            self._end_replacing(f"every process was replaced, but down: {', '.join(down)}")
        else:
            self._end_replacing(ALL_NEW)

    def _down(self) -> list[str]:
        """Who has died and not been started again yet."""
        return [name for name, post in self._posts.items() if post.process is None]

    def _end_replacing(self, how: str) -> None:
        self._replacing = False
        self._to_replace.clear()
        say(f"reload: {how}")
        with contextlib.suppress(OSError):  # a full disk: whoever waits for it is told by his own patience
            self._place.tell_reloaded(how)

    def _begin_to_replace(self) -> None:
        try:
            plan = self._read()
        except Exception as error:  # a half-written file must not end what runs
            self._end_replacing(f"refused: {error!r}")
            return
        if plan.commands.keys() != self._plan.commands.keys():
            self._end_replacing("refused: the Procfile has other processes now, which needs a stop and a start")
            return
        self._plan = plan
        for post in self._posts.values():
            post.refused = False
        self._replacing, self._to_replace = True, deque(plan.commands)

    def _stop(self, down: list[str]) -> dict[str, int]:
        if self._listening is not None:
            self._listening.close()
        lives = [process for post in self._posts.values() for process in post.lives()]
        for each in lives:
            if each.ended() is None:
                each.terminate()
        until = time.monotonic() + STOP_SECONDS
        statuses = {each: _finish(each, until) for each in lives}
        ended = ", ".join(f"{each.name} {status}" for each, status in statuses.items())
        say(f"ended: {ended}" + (f"; down: {', '.join(down)}" if down else ""))
        return {f"{each.name} {each.pid}": status for each, status in statuses.items()}


def _finish(process: Process, until: float) -> int:
    while (status := process.ended()) is None and time.monotonic() < until:
        time.sleep(0.02)
    if status is None:
        say(f"{process.name} did not end within {STOP_SECONDS:g} s: killed")
        process.kill()
    while (status := process.ended()) is None:
        time.sleep(0.02)
    return status


def run_directory(environment: Mapping[str, str]) -> Path:
    """Where the fleet of this environment leaves its files."""
    return ROOT / (environment.get("GATEWAY_VAR") or "var") / "run"


def environment_of(named: Mapping[str, str]) -> dict[str, str]:
    """Our own environment with `named` over it, for processes that print line by line."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", **named}
