from collections.abc import Iterator

import pytest

from accounts import credentials, last_used
from accounts.guessing import GuessDelay
from accounts.models import ApiClient, ApiKey, StaffKey
from accounts.verification import VerificationLine
from tests.support.cast import forget_snapshots
from tests.support.passwords import forget_guesses


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def line() -> Iterator[VerificationLine]:
    line = VerificationLine()
    yield line
    line.close()


@pytest.fixture
def password_gate(clock: Clock, line: VerificationLine) -> credentials.PasswordGate:
    return credentials.PasswordGate(verification=line, delay=GuessDelay(clock=clock), clock=clock)


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots, guess delay and last use as in a process that has just started."""
    forget_snapshots()
    forget_guesses()
    monkeypatch.setattr(last_used, "keys", last_used.LastUsed(ApiKey))
    monkeypatch.setattr(last_used, "clients", last_used.LastUsed(ApiClient))
    monkeypatch.setattr(last_used, "staff_keys", last_used.LastUsed(StaffKey))
