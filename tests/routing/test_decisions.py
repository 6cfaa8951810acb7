"""The longest prefix with a connector wins, and the decision says why."""

from decimal import Decimal

import pytest

from common.errors import Code, Rejected
from routing.engine import Assignment, Hop, Profile, Question, Route, RoutingTable, decide, explain

NUMBER = "971501234567"


def hop(number: int, *, active: bool = True, cost: str = "0.01") -> Hop:
    return Hop(number, f"line{number}", active, Decimal(cost))


def route(number: int, prefix: str = "", *hops: Hop, order: int = 100, sender: str = "", rate: str = "0.5") -> Route:
    return Route(number, prefix, order, sender, Decimal(rate), hops or (hop(number),))


def profile(number: int, *routes: Route, sender: str = "GATEWAY", active: bool = True) -> Profile:
    return Profile(number, f"p{number}", sender, active, routes)


def table(*profiles: Profile, assignments: tuple = (), default: int | None = 1, senders: dict | None = None):
    return RoutingTable.build(profiles, assignments, default_id=default, senders=senders)


def ask(**fields) -> Question:
    return Question(**{"account_id": 1, "recipient": NUMBER, **fields})


def test_the_longest_prefix_wins():
    routes = table(profile(1, route(1), route(2, "971"), route(3, "97150"), route(4, "97156")))
    assert decide(routes, ask()).route_id == 3


def test_among_equal_prefixes_the_lower_order_wins():
    routes = table(profile(1, route(1, "971", order=20), route(2, "971", order=10), route(3, "971", order=30)))
    assert decide(routes, ask()).route_id == 2


def test_connectors_are_tried_in_their_order_and_those_switched_off_are_left_out():
    hops = (hop(7, active=False), hop(9, cost="0.03"), hop(8, cost="0.02"))
    decision = decide(table(profile(1, route(1, "971", *hops, rate="0.55"))), ask())
    assert (decision.hops, decision.rate, decision.cost) == ((9, 8), Decimal("0.55"), Decimal("0.03"))
    assert "connector line7 skipped: switched off" in decision.why


def test_a_route_without_an_active_connector_gives_way_to_the_next_order_then_to_a_shorter_prefix():
    off = hop(1, active=False)
    routes = table(profile(1, route(1, "97150", off), route(2, "971", off, order=1), route(3, "971", order=2)))
    decision = decide(routes, ask())
    assert decision.route_id == 3
    assert "prefix 97150, order 100 skipped: no active connector" in decision.why
    assert "prefix 971, order 1 skipped: no active connector" in decision.why


def test_nothing_that_matches_is_no_route():
    with pytest.raises(Rejected) as refusal:
        decide(table(profile(1, route(1, "44"), route(2, "971", hop(1, active=False)))), ask())
    assert refusal.value.code is Code.NO_ROUTE


def test_without_any_profile_there_is_no_route_and_the_explanation_says_so():
    with pytest.raises(Rejected, match="no_route"):
        decide(table(default=None), ask())
    assert explain(table(default=None), ask()) == ("no profile left", "no route")


def test_the_credentials_profile_goes_before_the_accounts_and_that_before_the_default():
    routes = table(
        *(profile(n, route(n)) for n in (1, 2, 3, 4)),
        assignments=(Assignment(2, account_id=1), Assignment(3, api_client_id=5), Assignment(4, smpp_client_id=5)),
    )
    assert decide(routes, ask(account_id=99)).profile_id == 1
    assert decide(routes, ask()).profile_id == 2
    assert decide(routes, ask(api_client_id=6)).profile_id == 2
    assert decide(routes, ask(api_client_id=5)).profile_id == 3
    assert decide(routes, ask(smpp_client_id=5)).profile_id == 4
    assert decide(routes, ask(api_client_id=5)).why[0] == "profile p3: assigned to the API client"


def test_a_profile_switched_off_gives_way_and_is_named():
    routes = table(profile(1, route(1)), profile(2, route(2), active=False), assignments=(Assignment(2, account_id=1),))
    decision = decide(routes, ask())
    assert decision.profile_id == 1
    assert decision.why[0] == "profile p2: assigned to the account; skipped: switched off"


def test_a_profile_without_a_matching_route_does_not_fall_back_to_another_profile():
    routes = table(profile(1, route(1)), profile(2, route(2, "44")), assignments=(Assignment(2, account_id=1),))
    with pytest.raises(Rejected, match="no_route"):
        decide(routes, ask())


@pytest.mark.parametrize(
    ("fields", "route_sender", "profile_sender", "chosen", "whose"),
    [
        ({"sender": "ASKED", "client_default_sender": "CLIENT"}, "ROUTE", "PROFILE", "ASKED", "from the request"),
        (
            {"client_default_sender": "CLIENT", "account_default_sender": "ACC"},
            "R",
            "P",
            "CLIENT",
            "default of the client",
        ),
        ({"account_default_sender": "ACC"}, "ROUTE", "PROFILE", "ACC", "default of the account"),
        ({}, "ROUTE", "PROFILE", "ROUTE", "of the route"),
        ({"sender": ""}, "", "PROFILE", "PROFILE", "of the profile"),
    ],
)
def test_senders_are_chosen_in_the_order_of_closeness(fields, route_sender, profile_sender, chosen, whose):
    decision = decide(table(profile(1, route(1, sender=route_sender), sender=profile_sender)), ask(**fields))
    assert (decision.sender, decision.why[-1]) == (chosen, f"sender {chosen}: {whose}")


def test_no_sender_at_all_is_refused():
    with pytest.raises(Rejected, match="invalid_sender: no sender"):
        decide(table(profile(1, route(1), sender="")), ask())


@pytest.mark.parametrize("sender", ["MINE", "ALL", "CLIENT", "ACC", "ROUTE", "PROFILE"])
def test_a_registered_account_may_use_its_senders_those_of_everybody_and_its_defaults(sender):
    routes = table(
        profile(1, route(1, sender="ROUTE"), sender="PROFILE"),
        senders={1: frozenset({"MINE"}), 2: frozenset({"THEIRS"}), None: frozenset({"ALL"})},
    )
    question = ask(
        sender=sender, sender_policy="registered", client_default_sender="CLIENT", account_default_sender="ACC"
    )
    assert decide(routes, question).sender == sender


@pytest.mark.parametrize("sender", ["THEIRS", "mine", "OTHER"])
def test_a_registered_account_may_use_no_other_sender(sender):
    routes = table(profile(1, route(1)), senders={1: frozenset({"MINE"}), 2: frozenset({"THEIRS"})})
    with pytest.raises(Rejected) as refusal:
        decide(routes, ask(sender=sender, sender_policy="registered"))
    assert refusal.value.code is Code.SENDER_NOT_ALLOWED
    assert decide(routes, ask(sender=sender, sender_policy="any")).sender == sender


def test_the_explanation_of_a_refused_sender_ends_with_the_refusal():
    routes = table(profile(1, route(1)))
    why = explain(routes, ask(sender="OTHER", sender_policy="registered"))
    assert why[-1] == "Sender OTHER is not registered for this account"


def test_a_decision_names_its_profile_route_prefix_and_hops():
    decision = decide(table(profile(1, route(3, "971", hop(7), hop(8)))), ask())
    assert (decision.profile_id, decision.route_id, decision.prefix, decision.hops) == (1, 3, "971", (7, 8))
