"""A carrier that hangs up eight times in the middle of the window: nothing is lost, and no slot with it."""

import pytest

from tests.crash import report
from tests.crash.campaign import Orders
from tests.crash.disconnects import KINDS, WINDOW, disconnect, within_windows


def test_copies_of_all_disconnects_are_counted_against_all_their_windows():
    faults = [{"skipped": ""}, {"skipped": "nobody is bound now"}, {"skipped": ""}]
    done = {"figures": [{"name": "ambiguous_duplicates", "count": 2 * WINDOW + 1}], "faults": faults}
    assert not within_windows(done).holds
    done["figures"][0]["count"] = 2 * WINDOW
    assert within_windows(done).holds


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_eight_disconnects_in_the_middle_of_the_window_and_every_promise_holds(tmp_path):
    done = disconnect(Orders(seed=8, per_kind=2, rate=30, out=tmp_path / "report", place=tmp_path / "run"))
    assert report.holds(done), report.markdown(done)
    assert sum(not fault["skipped"] for fault in done["faults"]) == 2 * len(KINDS)
