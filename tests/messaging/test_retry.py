"""What comes after a failed try, as values."""

import pytest

from common.errors import SendKind
from messaging.retry import DELAYS, RESENDS, Decision, Next, after_failure


def decide(kind=SendKind.TEMPORARY, *, attempts, hops=(1,), doubted=False, counted=True):
    return after_failure(
        kind,
        counted=counted,
        attempts=attempts,
        max_attempts=4,
        hop=0,
        hops=hops,
        usable=lambda _: True,
        doubted=doubted,
    )


def test_temporary_errors_wait_longer_each_time_and_then_end():
    assert [decide(attempts=n) for n in range(4)] == [
        *(Decision(Next.LATER, n + 1, delay=DELAYS[n]) for n in range(3)),
        Decision(Next.FAILED, 4),
    ]


@pytest.mark.parametrize("kind", [SendKind.TEMPORARY, SendKind.BUSY])
def test_lost_links_before_do_not_make_the_first_temporary_error_the_last(kind):
    assert decide(kind, attempts=7, doubted=True) == Decision(Next.LATER, 8, delay=DELAYS[-1])
    assert decide(kind, attempts=RESENDS - 1, doubted=True).next is Next.FAILED
    assert decide(kind, attempts=7).next is Next.FAILED


def test_the_next_connector_of_the_route_comes_first():
    assert decide(attempts=7, hops=(1, 2), doubted=True) == Decision(Next.HOP, 0, hop=1)
    assert decide(SendKind.ROUTE, attempts=0, doubted=True).next is Next.REJECTED
    assert decide(SendKind.PERMANENT, attempts=7, hops=(1, 2), doubted=True).next is Next.REJECTED
