"""A tick is several steps: one that fails keeps none of the others from being taken, and is not hidden."""

import pytest

from messaging import failover, outbox, sweep
from workers.tasks import schedule


def test_a_step_that_fails_stops_no_other_and_is_raised(monkeypatch):
    taken = []

    def failing():
        taken.append("relay")
        raise OSError("the broker is away")

    monkeypatch.setattr(outbox, "relay", failing)
    monkeypatch.setattr(sweep, "rematch_parked", lambda **_: taken.append("rematch"))
    monkeypatch.setattr(sweep, "pending_line_batches", lambda: taken.append("lines"))
    monkeypatch.setattr(failover, "leave_down_lines", lambda: taken.append("down"))
    monkeypatch.setattr(failover, "resend_without_receipt", lambda: taken.append("silent"))
    with pytest.raises(ExceptionGroup) as raised:
        schedule.recover()
    assert taken == ["relay", "rematch", "lines", "down", "silent"]
    assert [str(error) for error in raised.value.exceptions] == ["the broker is away"]
