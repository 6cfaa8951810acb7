"""A line that is emptied gives up nothing that is on its way, and what has a later date finds another way."""

from datetime import timedelta

import pytest

from accounts.models import AuditEntry
from connectors import services
from connectors.models import Connector
from messaging import draining, sweep
from messaging.models import OutboxBatch, Part, Status
from tests.messaging.underway import accepted, now, part_of, past, state_of
from tests.support.cast import customer, forget_snapshots, make_connector

pytestmark = [pytest.mark.both, pytest.mark.django_db]


@pytest.fixture
def cast():
    found = customer()
    services.drain(connector=found.connector)
    forget_snapshots()
    return found


def desired(cast):
    return Connector.objects.get(pk=cast.connector.pk).desired


@pytest.mark.parametrize(
    "fields",
    [
        {"status": Status.QUEUED},
        {"status": Status.SUBMITTING},
        {"status": Status.SCHEDULED, "send_at": timedelta(seconds=100)},
        {"status": Status.UNCERTAIN, "uncertain_until": timedelta(seconds=10)},
    ],
    ids=lambda fields: fields["status"],
)
def test_what_is_on_its_way_holds_the_end_up(cast, fields):
    message = accepted(cast)
    dates = {name: now() + value for name, value in fields.items() if isinstance(value, timedelta)}
    Part.objects.filter(message=message).update(**{**fields, **dates})
    assert not draining.finish(cast.connector.pk) and desired(cast) == "draining"


@pytest.mark.parametrize(
    "fields", [{"status": Status.SUBMITTED}, {"status": Status.SCHEDULED, "send_at": timedelta(days=2)}]
)
def test_what_was_sent_or_is_for_later_does_not(cast, fields):
    message = accepted(cast)
    dates = {name: now() + value for name, value in fields.items() if isinstance(value, timedelta)}
    Part.objects.filter(message=message).update(**{**fields, **dates})
    assert draining.finish(cast.connector.pk) and desired(cast) == "drained"
    assert AuditEntry.objects.get().details == {"desired": ["draining", "drained"]}
    assert not draining.finish(cast.connector.pk)


def test_other_lines_do_not_hold_it_up_and_only_a_drain_ends_one(cast):
    accepted(customer(), status=Status.QUEUED)
    services.start(connector=cast.connector)
    assert not draining.finish(cast.connector.pk) and desired(cast) == "started"
    services.drain(connector=cast.connector)
    assert draining.finish(cast.connector.pk)


@pytest.mark.parametrize("state", [{"desired": "drained"}, {"active": False}])
def test_what_comes_due_goes_to_the_next_line_of_its_route(cast, state):
    second = make_connector()
    message = accepted(cast, status=Status.SCHEDULED, send_at=past())
    type(message).objects.filter(pk=message.pk).update(route={"hops": [cast.connector.pk, second.pk]})
    alone = accepted(cast, status=Status.SCHEDULED, send_at=past())
    services.update_connector(connector=cast.connector, **state)
    forget_snapshots()
    assert sweep.dispatch_due() == 2
    moved = part_of(message)
    assert (moved.status, moved.connector_id, moved.hop) == (Status.QUEUED, second.pk, 1)
    assert (state_of(alone), part_of(alone).connector_id) == (Status.QUEUED, cast.connector.pk)
    assert {row.connector_id for row in OutboxBatch.objects.all()} == {second.pk, cast.connector.pk}


def test_a_stopped_line_keeps_what_comes_due(cast):
    second = make_connector()
    message = accepted(cast, status=Status.SCHEDULED, send_at=past())
    type(message).objects.filter(pk=message.pk).update(route={"hops": [cast.connector.pk, second.pk]})
    services.stop(connector=cast.connector)
    forget_snapshots()
    assert sweep.dispatch_due() == 1 and part_of(message).connector_id == cast.connector.pk
