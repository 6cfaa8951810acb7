from accounts.guessing import GuessDelay
from tests.accounts.conftest import Clock


def test_the_first_five_failures_cost_nothing_then_the_wait_doubles_to_thirty_seconds(clock: Clock) -> None:
    delay = GuessDelay(clock=clock)
    waits = []
    for _ in range(12):
        waits.append(delay.wait("a"))
        clock.forward(delay.wait("a"))
        delay.failed("a")
    assert waits == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30]


def test_one_who_waited_may_try_again(clock: Clock) -> None:
    delay = GuessDelay(clock=clock)
    for _ in range(5):
        delay.failed("a")
    clock.forward(1.0)
    assert delay.wait("a") == 0


def test_others_do_not_wait(clock: Clock) -> None:
    delay = GuessDelay(clock=clock)
    for _ in range(50):
        delay.failed("a")
    assert delay.wait("a") == 30
    assert delay.wait("b") == 0
    assert delay.wait("b", "a") == 30


def test_quiet_time_and_forgiveness_end_the_delay(clock: Clock) -> None:
    delay = GuessDelay(clock=clock, forget=900)
    for _ in range(9):
        delay.failed("a", "b")
    delay.forgive("b")
    assert delay.wait("b") == 0
    clock.forward(901)
    assert delay.wait("a") == 0
    delay.failed("a")
    assert delay.wait("a") == 0


def test_memory_is_bounded(clock: Clock) -> None:
    delay = GuessDelay(clock=clock, capacity=100)
    for number in range(1_000):
        delay.failed(f"guesser {number}")
    assert len(delay) == 100
