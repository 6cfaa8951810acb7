"""Passwords are verified in one thread, behind a short line, and remembered for a minute as a keyed digest."""

import hmac
import secrets
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor

from django.contrib.auth.hashers import check_password, make_password

from common.clock import Monotonic, monotonic
from common.errors import Code, Rejected
from common.secrets import random_token

LONGEST_PASSWORD = 128


class VerificationLine:
    """One thread that hashes, and at most `line` verifications waiting for it.

    Argon2 takes 20 ms and 19 MiB: one thread bounds both, and an event loop never stands still for it.
    """

    def __init__(self, *, line: int = 32) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._places = threading.BoundedSemaphore(line + 1)  # the one in hand does not wait
        self._decoy = make_password(random_token())

    def begin(self, password: str, encoded: str | None) -> "Future[bool]":
        """Verify in the thread; `encoded` None (unknown user) costs the same and is false.

        Raises Rejected(TOO_MANY_ATTEMPTS) when the line is full.
        """
        if not self._places.acquire(blocking=False):
            raise Rejected(Code.TOO_MANY_ATTEMPTS, "Too many attempts", retry_after=1.0)
        try:
            future = self._thread.submit(self._verify, password, encoded)
        except RuntimeError:  # closed
            self._places.release()
            raise
        future.add_done_callback(lambda _: self._places.release())
        return future

    def close(self) -> None:
        """Drop what waits and end the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password: str, encoded: str | None) -> bool:
        usable = encoded is not None and _hashable(password)
        right = check_password(password if usable else "", encoded if usable and encoded else self._decoy)
        return right and usable


def _hashable(password: str) -> bool:
    try:
        password.encode()
    except UnicodeEncodeError:  # lone surrogates
        return False
    return 0 < len(password) <= LONGEST_PASSWORD


class RightAnswers:
    """Passwords that were right within the last `ttl` seconds, as HMAC under a key of this process only.

    The digest covers the stored hash: a changed password no longer fits at once. Bounded to `capacity`.
    """

    def __init__(self, *, ttl: float = 60.0, capacity: int = 10_000, clock: Monotonic = monotonic) -> None:
        self._key = secrets.token_bytes(32)
        self._ttl, self._capacity, self._clock = ttl, capacity, clock
        self._lock = threading.Lock()
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def knows(self, encoded: str, password: str) -> bool:
        """Whether this password was verified against this stored hash a short while ago."""
        return self._until.get(self._digest(encoded, password), 0.0) > self._clock()

    def remember(self, encoded: str, password: str) -> None:
        """Keep a right answer."""
        with self._lock:
            self._until[self._digest(encoded, password)] = self._clock() + self._ttl
            while len(self._until) > self._capacity:
                self._until.popitem(last=False)

    def __len__(self) -> int:
        return len(self._until)

    def _digest(self, encoded: str, password: str) -> bytes:
        # A stored hash has a salt of its own and no NUL, so the user's name need not be part of this.
        text = f"{encoded}\0{password}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, "sha256")
