"""The routing table follows the database without a restart."""

from decimal import Decimal

import pytest

from common.errors import Rejected
from connectors.services import start, switch, update_connector
from routing import snapshot
from routing.engine import Question, decide
from routing.services import (
    add_route,
    assign_profile,
    create_profile,
    register_sender,
    set_connectors,
    unassign_profile,
)
from tests.support import cast
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db


def table():
    cast.forget_snapshots()
    return snapshot.routing_table()


def ask(account, **fields) -> Question:
    return Question(account_id=account.pk, recipient=cast.NUMBER, **fields)


def test_what_was_configured_is_what_is_decided():
    account, first, second = cast.make_account(), cast.make_connector(cost="0.02"), cast.make_connector()
    profile = create_profile(name="gold", sender="+971501112233")
    route = add_route(profile=profile, connectors=[second, first], prefix="971", rate=Decimal("0.5500"))
    add_route(profile=profile, connectors=[first])
    assign_profile(profile=profile, to=account)
    decision = decide(table(), ask(account))
    assert (decision.route_id, decision.hops, decision.sender) == (route.pk, (second.pk, first.pk), "971501112233")
    assert (decision.rate, decision.cost) == (Decimal("0.55"), Decimal(0))


def test_a_change_is_live_within_two_seconds_in_a_process_that_goes_on():
    account, line = cast.make_account(), cast.make_connector()
    profile = create_profile(name="live", sender="ONE")
    before = table()
    with pytest.raises(Rejected, match="no_route"):
        decide(before, ask(account))
    add_route(profile=profile, connectors=[line])
    assign_profile(profile=profile, to=account)
    wait_until(lambda: snapshot.routing_table().version != before.version, timeout=2.0)
    assert decide(snapshot.routing_table(), ask(account)).hops == (line.pk,)


def test_a_connector_that_is_emptied_is_passed_over_and_a_stopped_one_is_not():
    account, first, second = cast.make_account(), cast.make_connector(), cast.make_connector()
    cast.make_profile(first, second, assigned_to=account)
    for desired, hops in (("stopped", (first.pk, second.pk)), ("draining", (second.pk,)), ("drained", (second.pk,))):
        update_connector(connector=first, desired=desired)
        decision = decide(table(), ask(account))
        assert decision.hops == hops
        assert (f"connector {first.name} skipped: {desired}" in decision.why) == (len(hops) == 1)
    start(connector=first)
    assert decide(table(), ask(account)).hops == (first.pk, second.pk)


def test_a_connector_switched_off_leaves_the_table():
    account, line = cast.make_account(), cast.make_connector()
    cast.make_profile(line, assigned_to=account)
    assert decide(table(), ask(account)).hops == (line.pk,)
    switch(connector=line, active=False)
    with pytest.raises(Rejected, match="no_route"):
        decide(table(), ask(account))


def test_a_route_switched_off_leaves_the_table():
    account, line = cast.make_account(), cast.make_connector()
    cast.make_route(cast.make_profile(assigned_to=account), line, active=False)
    with pytest.raises(Rejected, match="no_route"):
        decide(table(), ask(account))


def test_senders_belong_to_their_account_or_to_everybody():
    account, other, line = cast.make_account(), cast.make_account(), cast.make_connector()
    cast.make_profile(line, assigned_to=account)
    register_sender(value="MINE", account=account)
    register_sender(value="ALL")
    register_sender(value="THEIRS", account=other)
    register_sender(value="GONE", account=account, active=False)
    now = table()
    for sender in ("MINE", "ALL"):
        assert decide(now, ask(account, sender=sender, sender_policy="registered")).sender == sender
    for sender in ("THEIRS", "GONE"):
        with pytest.raises(Rejected, match="sender_not_allowed"):
            decide(now, ask(account, sender=sender, sender_policy="registered"))


def test_taking_an_assignment_back_lets_the_default_serve():
    account, line = cast.make_account(), cast.make_connector()
    own = cast.make_profile(line, assigned_to=account)
    default = create_profile(name="house", sender="HOUSE", is_default=True)
    add_route(profile=default, connectors=[line])
    assert decide(table(), ask(account)).profile_id == own.pk
    assert unassign_profile(from_=account) is True
    assert unassign_profile(from_=account) is False
    assert decide(table(), ask(account)).profile_id == default.pk


def test_a_route_can_be_given_other_connectors():
    account, first, second = cast.make_account(), cast.make_connector(), cast.make_connector()
    profile = cast.make_profile(assigned_to=account)
    route = add_route(profile=profile, connectors=[first, second])
    before = table().version
    set_connectors(route=route, connectors=[second])
    assert decide(table(), ask(account)).hops == (second.pk,)
    assert table().version > before


def test_the_table_is_read_in_five_statements_and_a_version(django_assert_num_queries):
    account, line = cast.make_account(), cast.make_connector()
    for _ in range(3):
        cast.make_route(cast.make_profile(line), line, prefix="44")
    cast.assign(cast.make_profile(line), account)
    with django_assert_num_queries(6):
        snapshot.read_table()
