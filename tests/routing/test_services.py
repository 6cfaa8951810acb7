"""Routing is written through services that refuse what would not work."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from routing.models import MtRoute, ProfileAssignment, RouteConnector, RoutingProfile, SenderId
from routing.selectors import profile_warnings
from routing.services import add_route, assign_profile, create_profile, make_default, register_sender
from tests.support import cast

pytestmark = pytest.mark.django_db


def test_there_is_one_default_profile():
    first = create_profile(name="one", is_default=True)
    second = create_profile(name="two", is_default=True)
    assert list(RoutingProfile.objects.filter(is_default=True)) == [second]
    make_default(profile=first)
    assert list(RoutingProfile.objects.filter(is_default=True)) == [first]


def test_assigning_again_replaces_what_was_assigned():
    account, client = cast.make_account(), None
    client = cast.make_client(account)
    first, second = create_profile(name="one"), create_profile(name="two")
    for party in (account, client):
        assign_profile(profile=first, to=party)
        assign_profile(profile=second, to=party)
    assert [item.profile for item in ProfileAssignment.objects.all()] == [second, second]


@pytest.mark.parametrize("bad", [{"prefix": "97x"}, {"rate": Decimal("-1")}, {"sender": "muchtoolongsender"}])
def test_a_bad_route_is_refused_and_nothing_is_written(bad):
    profile = create_profile(name="one")
    with pytest.raises(ValidationError):
        add_route(profile=profile, connectors=[cast.make_connector()], **bad)
    assert not MtRoute.objects.exists()
    assert not RouteConnector.objects.exists()


def test_a_connector_stands_in_a_route_once():
    line = cast.make_connector()
    with pytest.raises(ValidationError):
        add_route(profile=create_profile(name="one"), connectors=[line, line])
    assert not MtRoute.objects.exists()


def test_a_malformed_sender_is_not_registered():
    with pytest.raises(ValidationError):
        register_sender(value="ÿÿ")
    assert not SenderId.objects.exists()


def test_a_profile_in_order_has_no_warnings():
    register_sender(value="GATEWAY")
    assert profile_warnings(cast.make_profile(cast.make_connector(cost="0.5"), rate="0.5")) == []


def test_warnings_name_what_an_operator_should_look_at():
    off = cast.make_connector("off", active=False)
    stopped = cast.make_connector("halted", desired="stopped", cost="2")
    profile = cast.make_profile(name="p", sender="NEW")
    cast.make_route(profile, off, stopped, prefix="971", rate="1")
    cast.make_route(profile, prefix="971")
    assert profile_warnings(profile) == [
        "p: 971: connector off is switched off.",
        "p: 971: connector halted is stopped.",
        "p: 971: rate 1.000000 is below the cost 2.000000 of halted.",
        "p: 971: no connector.",
        "No route for all numbers: others are refused.",
        "p: 971: another route has the same prefix and order; the older one wins.",
        "Sender NEW is not an active registered sender.",
    ]
