"""Whatever the table, the engine decides as the slow, obvious reading of the rules does."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Rejected
from routing.engine import Assignment, Hop, Profile, Question, Route, RoutingTable, decide, explain

digits = st.text("19", max_size=4)
senders = st.sampled_from(["", "A", "B", "C"])
hops = st.lists(
    st.builds(lambda n, on: Hop(n, f"line{n}", on, Decimal(n)), st.integers(1, 4), st.booleans()),
    max_size=3,
    unique_by=lambda item: item.connector_id,
)
routes = st.lists(st.tuples(digits, st.integers(0, 3), senders, hops), max_size=12)
profiles = st.lists(st.tuples(st.booleans(), senders, routes), min_size=1, max_size=3)
maybe = st.none() | st.integers(0, 2)


def build(drawn) -> list[Profile]:
    made = []
    for number, (active, sender, rows) in enumerate(drawn):
        listed = [
            Route(number * 100 + i, prefix, order, of_route, Decimal(i), tuple(via))
            for i, (prefix, order, of_route, via) in enumerate(rows)
        ]
        made.append(Profile(number, f"p{number}", sender, active, tuple(listed)))
    return made


def oracle(made, chain, question, registered):
    """(profile, route, hops, sender) or the refusal's code, read off the rules one by one."""
    serving = next((made[i] for i in chain if i is not None and i < len(made) and made[i].active), None)
    matching = [
        route
        for route in (serving.routes if serving else ())
        if question.recipient.startswith(route.prefix) and any(hop.active for hop in route.hops)
    ]
    if not matching:
        return "no_route"
    best = min(matching, key=lambda route: (-len(route.prefix), route.order, route.id))
    defaults = [question.client_default_sender, question.account_default_sender, best.sender, serving.sender]
    if question.sender:
        free = question.sender_policy == "any" or question.sender in registered or question.sender in defaults
        sender = question.sender if free else None
    else:
        sender = next((item for item in defaults if item), "")
    if not sender:
        return "invalid_sender" if sender == "" else "sender_not_allowed"
    return serving.id, best.id, tuple(hop.connector_id for hop in best.hops if hop.active), sender


@settings(max_examples=400, deadline=None)
@given(
    drawn=profiles,
    chain=st.tuples(maybe, maybe, maybe, maybe),
    recipient=st.text("19", min_size=1, max_size=6),
    sender=st.none() | senders,
    policy=st.sampled_from(["any", "registered"]),
    defaults=st.tuples(senders, senders),
    registered=st.sets(st.sampled_from("ABC")),
)
def test_the_engine_agrees_with_the_rules_read_one_by_one(
    drawn, chain, recipient, sender, policy, defaults, registered
):
    made = build(drawn)
    client, smpp, account, default = chain
    assignments = [
        Assignment(profile, **{owner: 1})
        for owner, profile in (("api_client_id", client), ("smpp_client_id", smpp), ("account_id", account))
        if profile is not None
    ]
    table = RoutingTable.build(made, assignments, default_id=default, senders={1: frozenset(registered)})
    question = Question(
        account_id=1,
        api_client_id=1,
        smpp_client_id=1,
        recipient=recipient,
        sender=sender,
        sender_policy=policy,
        client_default_sender=defaults[0],
        account_default_sender=defaults[1],
    )
    expected = oracle(made, chain, question, registered)
    try:
        decision = decide(table, question)
    except Rejected as refusal:
        assert refusal.code.value == expected
        assert explain(table, question)
    else:
        assert (decision.profile_id, decision.route_id, decision.hops, decision.sender) == expected
        assert explain(table, question) == decision.why
