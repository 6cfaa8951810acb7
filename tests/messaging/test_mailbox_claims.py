"""Rows of the mailbox: claimed for whom there is room, oldest first, by one server; told by a bell."""

import pytest

from common.ids import new_id
from messaging import client_texts, mailbox, webhooks
from messaging.client_texts import TextFacts, TextFor
from messaging.models import Delivery
from smpp.addresses import Address
from tests.support.cast import customer, make_smpp_client
from workers.holding import Holding

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


@pytest.fixture
def esmes():
    """Two clients of one account."""
    cast = customer()
    return make_smpp_client(cast.account), make_smpp_client(cast.account)


def texts(esme, count):
    facts = TextFacts(source=Address("971", 1, 1), destination=Address("4444", 3, 0), content="hi", encoding="gsm7")
    return client_texts.plan([
        TextFor(inbound_id=new_id(), account_id=esme.account_id, smpp_client_id=esme.pk, facts=facts)
        for _ in range(count)
    ])  # fmt: skip


def test_each_client_gets_as_many_as_he_has_room_for_and_the_oldest_first(esmes):
    one, other = esmes
    first, second = texts(one, 5), texts(other, 3)
    held = mailbox.claim(token=1, room={one.pk: 2, other.pk: 10, 987_654: 5})
    assert [item.id for item in held if item.smpp_client_id == one.pk] == first[:2]
    assert [item.id for item in held if item.smpp_client_id == other.pk] == second
    rest = mailbox.claim(token=2, room={one.pk: 10, other.pk: 10})
    assert [item.id for item in rest] == first[2:]


def test_who_has_no_room_is_not_asked_for(esmes, django_assert_num_queries):
    texts(esmes[0], 1)
    with django_assert_num_queries(0):
        assert mailbox.claim(token=1, room={esmes[0].pk: 0}) == mailbox.claim(token=1, room={}) == []


def test_what_a_living_server_holds_is_not_taken_from_it_and_what_a_dead_one_held_is(esmes):
    texts(esmes[0], 2)
    held = mailbox.claim(token=5, room={esmes[0].pk: 10})
    living = Holding()
    living.take(held)
    living.tell(living.tokens())
    Delivery.objects.update(lease_until="2020-01-01T00:00:00Z")
    assert webhooks.release_stale() == 0 and living.keeps(5)
    living.end()
    assert webhooks.release_stale() == 2
    assert [item.id for item in mailbox.claim(token=6, room={esmes[0].pk: 10})] == [item.id for item in held]


def test_what_is_due_at_once_rings_the_bell_after_the_commit_and_nothing_else_does(esmes, monkeypatch):
    rung = []
    monkeypatch.setattr(mailbox, "ring", lambda clients: rung.append(sorted(clients)))
    texts(esmes[0], 2)
    assert rung == [[esmes[0].pk]]
    first, second = mailbox.claim(token=1, room={esmes[0].pk: 10})
    mailbox.record([mailbox.Handed(first, "PENDING", 30.0), mailbox.Handed(second, "DELIVERED")])
    assert rung[1:] == [[]]
    [again] = texts(esmes[1], 1)
    [item] = mailbox.claim(token=2, room={esmes[1].pk: 10})
    mailbox.record([mailbox.Handed(item, "PENDING")])
    assert item.id == again and rung[-1] == [esmes[1].pk]
