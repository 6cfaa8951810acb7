"""Who may post next: nobody takes the places of the others (design rule P8)."""

import time

from common.ids import new_id
from messaging.due import Due
from messaging.webhooks import Claimed
from workers.deliveries import endpoints as rules
from workers.deliveries.endpoints import (
    DOUBTFUL_IN_FLIGHT,
    DOUBTFUL_OF_ACCOUNT,
    FIRST,
    HELD,
    IN_FLIGHT,
    PER_ENDPOINT,
    QUEUED,
    Endpoints,
)


def due(url, count=1, account=1):
    return [Due(new_id(), account, url.replace("{n}", str(number))) for number in range(count)]


def take(lines, items, age=0.0):
    """Claim them; the claim was asked for `age` seconds ago."""
    chosen = lines.choose(items)
    claimed = [Claimed(item.id, 1, item.account_id, item.url, "{}", 0, "") for item in chosen]
    lines.arrived(chosen, claimed, asked=time.monotonic() - age)
    return chosen


def fly(lines):
    flights = []
    while (flight := lines.next_flight()) is not None:
        flights.append(flight)
    return flights


def trust(lines, url, account=1):
    """Let the endpoint answer until it has all its places."""
    for _ in range(PER_ENDPOINT):
        take(lines, due(url, 1, account))
        for flight in fly(lines):
            lines.landed(flight, 0.01, timed_out=False)


def test_an_endpoint_begins_with_a_few_places_and_gets_sixteen():
    lines = Endpoints()
    take(lines, due("https://a.example/dlr", 100))
    assert len(fly(lines)) == FIRST
    lines = Endpoints()
    trust(lines, "https://a.example/dlr")
    assert len(take(lines, due("https://a.example/dlr", QUEUED + 9))) == QUEUED
    assert len(fly(lines)) == PER_ENDPOINT


def test_the_query_makes_no_new_endpoint():
    lines = Endpoints()
    take(lines, due("https://a.example/dlr?message={n}", 100))
    assert len(fly(lines)) == FIRST


def test_after_a_timeout_there_is_one_place_and_answers_bring_back_the_others():
    lines = Endpoints()
    trust(lines, "https://a.example/")
    take(lines, due("https://a.example/", 40))
    first, *others = fly(lines)
    lines.landed(first, 10.0, timed_out=True)
    assert fly(lines) == []
    for flight in others[:-1]:
        lines.landed(flight, 10.0, timed_out=True)
    assert fly(lines) == []
    lines.landed(others[-1], 10.0, timed_out=True)
    [probe] = fly(lines)
    lines.landed(probe, 0.01, timed_out=False)
    assert len(fly(lines)) == 3


def test_one_customer_with_many_urls_gets_few_of_the_places_and_the_others_fly():
    lines = Endpoints()
    assert len(take(lines, due("https://{n}.evil.example/{n}", 2000, account=1))) == DOUBTFUL_OF_ACCOUNT
    assert lines.skip().accounts == [1]
    take(lines, due("https://good.example/", 3, account=2))
    assert sum(flight.item.account_id == 2 for flight in fly(lines)) == 3


def test_the_good_endpoint_of_a_customer_does_not_suffer_from_the_bad_ones():
    lines = Endpoints()
    trust(lines, "https://good.example/")
    take(lines, due("https://bad.example/{n}", 500))
    assert len(take(lines, due("https://good.example/", 20))) == 20
    assert lines.skip().trusted == ["https://good.example/"]
    assert sum(flight.item.url == "https://good.example/" for flight in fly(lines)) == PER_ENDPOINT


def test_endpoints_that_are_new_or_slow_leave_half_of_all_places_to_the_trusted():
    lines = Endpoints()
    trust(lines, "https://good.example/", 999)
    for account in range(100):
        take(lines, due("https://bad.example/" + f"{account}/{{n}}", 60, account))
    assert lines.skip().strangers
    assert len(fly(lines)) == DOUBTFUL_IN_FLIGHT
    take(lines, due("https://good.example/", 20, 999))
    assert len(fly(lines)) == PER_ENDPOINT


def test_a_doubtful_flight_that_ends_makes_place_for_the_next():
    lines = Endpoints()
    for account in range(100):
        take(lines, due("https://bad.example/" + f"{account}/{{n}}", 60, account))
    flights = fly(lines)
    lines.landed(flights[0], 10.0, timed_out=True)
    assert len(fly(lines)) == 1


def test_all_together_never_fly_more_than_the_limit_or_are_held_beyond_it():
    lines = Endpoints()
    for number in range(60):
        trust(lines, f"https://{number}.example/", number)
    for number in range(60):
        take(lines, due(f"https://{number}.example/", 100, number))
    assert lines.held == HELD
    assert len(fly(lines)) == HELD // 100 * PER_ENDPOINT  # the first had the room
    assert lines.flying <= IN_FLIGHT


def test_places_are_given_in_turn():
    lines = Endpoints()
    for number in range(3):
        take(lines, due(f"https://{number}.example/", 4, number))
    assert [flight.item.account_id for flight in fly(lines)] == [0, 1, 2] * FIRST


def test_what_waited_until_its_lease_may_end_is_not_posted(monkeypatch):
    monkeypatch.setattr(rules, "MARGIN", 100.0)
    lines = Endpoints()
    take(lines, due("https://a.example/", 3))
    assert fly(lines) == []
    assert lines.held == 0
    lines = Endpoints(kept={1}.__contains__)  # unless everybody knows that it is ours
    take(lines, due("https://a.example/", 3))
    assert len(fly(lines)) == 3


def test_a_claim_is_as_old_as_its_question_not_as_the_news_of_it():
    lines = Endpoints()
    take(lines, due("https://a.example/", 3), age=3600)  # the process stood still in between
    assert fly(lines) == [] and lines.held == 0


def test_what_somebody_else_claimed_takes_no_room():
    lines = Endpoints()
    chosen = lines.choose(due("https://a.example/", 5))
    assert lines.held == 5
    lines.arrived(chosen, [], asked=time.monotonic())
    assert lines.held == 0
    assert lines.skip().endpoints == []


def test_nothing_is_held_when_all_have_landed_or_were_given_back():
    lines = Endpoints()
    take(lines, due("https://a.example/{n}", 9))
    flights = fly(lines)[:4]
    take(lines, due("https://b.example/", 8, account=2))
    unsent = lines.empty()
    assert len(unsent) == 8
    for flight in flights:
        lines.landed(flight, 0.1, timed_out=False)
    assert lines.held == 9 - 4
    assert lines.next_flight() is None


def test_only_endpoints_that_will_soon_have_room_make_the_loop_look_again_at_once():
    lines = Endpoints()
    take(lines, due("https://slow.example/", 1))
    [flight] = fly(lines)
    lines.landed(flight, 10.0, timed_out=True)
    take(lines, due("https://slow.example/", 50))
    lines.skip()
    assert not lines.left_behind
    take(lines, due("https://new.example/", 50))
    assert lines.left_behind


def test_endpoints_are_remembered_in_bounded_number_and_bad_ones_push_out_no_good_one(monkeypatch):
    monkeypatch.setattr(rules, "REMEMBERED", 10)
    lines = Endpoints()
    trust(lines, "https://good.example/")
    for number in range(30):
        take(lines, due(f"https://{number}.example/"))
        for flight in fly(lines):
            lines.landed(flight, 10.0, timed_out=True)
    assert len(lines._doubted) == 10
    assert len(take(lines, due("https://good.example/", 100))) == 100
