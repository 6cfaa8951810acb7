"""What an outage says of its answers, and that the kinds of outages and restarts have names of their own."""

from tests.crash import outages, rolling
from tests.crash.faults import Answer
from tests.crash.faults.catalogue import catalogue


def test_answers_are_counted_by_status_with_their_times_and_the_slow_ones_are_told():
    answers = [Answer(200, 0.1), Answer(200, 0.3), Answer(503, 2.5), Answer(0, 10.0)]
    said = outages.of_answers(answers, 4.0)
    assert said["answers"]["200"] == {"n": 2, "p50": 0.3, "p99": 0.3, "max": 0.3}
    assert said["answers"]["503"] == {"n": 1, "p50": 2.5, "p99": 2.5, "max": 2.5}
    assert said["accepted_per_second"] == 0.5
    assert (said["beyond_2s"], said["beyond_5s"]) == (2, 1)


def test_nothing_answered_is_no_error_of_the_report():
    assert outages.of_answers([], 1.0) == {"answers": {}, "accepted_per_second": 0.0, "beyond_2s": 0, "beyond_5s": 0}


def test_no_outage_and_no_restart_has_the_name_of_a_fault():
    ours = [one.name for one in [*outages.kinds(600, 60, 30), *rolling.kinds()]]
    assert len(set(ours)) == len(ours)
    assert not set(ours) & set(catalogue())
