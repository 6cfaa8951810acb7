"""Another host of the same carrier, another connector of the route: with real binds and real carriers."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from bench.ports import free_port
from connectors.hosts import split
from connectors.models import BindState, Connector
from connectors.services import create_connector, update_connector
from messaging.models import Attempt, Delivery, Part
from routing.models import RouteConnector
from tests.support.cast import forget_snapshots, make_connector
from tests.support.waiting import wait_until
from tests.workers.bind_cast import carrier, delete_queues, on_line, part, scene

both = [pytest.mark.django_db(transaction=True), pytest.mark.both]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("smsc.example", ("smsc.example", 2775)),
        ("smsc.example:3550", ("smsc.example", 3550)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
        ("::1", ("::1", 2775)),
        ("[::1]:9000", ("::1", 9000)),
        ("[::1]", ("::1", 2775)),
    ],
)
def test_a_host_is_read_with_or_without_a_port(text, place):
    assert split(text, 2775) == place


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", ["smsc", [""], ["a b"], ["a:0"], ["a:65536"], [":2775"], [7], ["a:x"]])
def test_what_is_no_list_of_hosts_is_refused_and_nothing_is_written(wrong):
    with pytest.raises(ValidationError):
        create_connector(name="line", host="a", more_hosts=wrong)
    assert not Connector.objects.exists()


@pytest.mark.django_db
def test_more_hosts_may_be_named_later():
    line = create_connector(name="line", host="a")
    assert update_connector(connector=line, more_hosts=["b", "c:1"]).more_hosts == ["b", "c:1"]


class TestHosts:
    pytestmark = both

    def test_a_bind_goes_on_to_the_next_host_when_one_does_not_let_it_in(self):
        with carrier() as smsc, on_line(smsc, bound=False) as found:
            found.change(port=free_port(), more_hosts=[f"127.0.0.1:{free_port()}", f"127.0.0.1:{smsc.port}"])
            found.until_status(found.send(), "DELIVERED", timeout=15)
            wait_until(lambda: BindState.objects.filter(host=f"127.0.0.1:{smsc.port}", state="bound").exists())

    def test_the_binds_of_a_connector_begin_at_one_host_each(self):
        with carrier() as other, carrier() as smsc, on_line(smsc, binds=2, more_hosts=[f"127.0.0.1:{other.port}"]):
            assert [one.counters["binds"] for one in (smsc, other)] == [1, 1]


class TestConnectors:
    pytestmark = both

    def second(self, found, smsc):
        other = make_connector(port=smsc.port, window=10)
        RouteConnector.objects.create(route=found.cast.profile.routes.get(), connector=other, position=1)
        forget_snapshots()
        return other

    def test_messages_for_a_carrier_that_is_down_too_long_go_over_the_next_connector(self):
        with carrier() as smsc, scene() as found:
            other = self.second(found, smsc)
            found.change(failover_after=3600, port=free_port())
            wait_until(lambda: BindState.objects.filter(connector=found.line, state="waiting").exists(), timeout=12)
            sent = [found.send(content=f"m{n}") for n in range(10)]
            BindState.objects.filter(connector=found.line).update(bound_at=timezone.now() - timedelta(hours=2))
            found.until_status(sent[-1], "DELIVERED")
            assert [message.text for message in smsc.messages] == [f"m{n}" for n in range(10)]
            assert {part(one).connector_id for one in sent} == {other.pk}
            assert found.texts == []
            delete_queues(other.name)

    def test_without_a_receipt_the_next_connector_sends_it_too_and_its_end_is_told_once(self):
        with carrier() as smsc, scene(simulator={"delay_ms": 3_600_000}) as found:
            other = self.second(found, smsc)
            found.change(receipt_timeout=3600)
            wait_until(lambda: found.binds.bound() == 2)
            sent = found.send()
            found.until_status(sent, "SUBMITTED")
            Part.objects.update(uncertain_until=timezone.now())
            settled = found.until_status(sent, "DELIVERED")
            assert (settled.connector_id, settled.possible_duplicate) == (other.pk, True)
            assert ([m.text for m in smsc.messages], found.texts) == (["Hello"], ["Hello"])
            assert Attempt.objects.get().outcome == "no_receipt"
            assert Delivery.objects.filter(subject=sent).count() == 1
            delete_queues(other.name)
