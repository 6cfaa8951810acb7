"""Seats that several processes count in one Redis: at most so many, and one that was given back is free at once."""

import secrets

import pytest
from django.conf import settings

from common.seats import RedisRoom, Seats


@pytest.fixture
def prefix():
    return f"test-{secrets.token_hex(4)}:"


class EndsMeanwhile(RedisRoom):
    """A session ends while the seats of its process are on their way to be renewed."""

    def renew(self, key, holders):
        self.meanwhile()
        super().renew(key, holders)


def test_a_seat_that_is_given_back_while_it_is_renewed_is_free(prefix):
    room = EndsMeanwhile(settings.CACHE_URL, prefix)
    here, elsewhere = Seats(room), Seats(RedisRoom(settings.CACHE_URL, prefix))
    assert here.take("client", "leaves", 2) and here.take("client", "stays", 2)
    room.meanwhile = lambda: here.release("client", "leaves")
    here.renew()
    assert elsewhere.take("client", "new", 2), "its seat is free"
    assert not elsewhere.take("client", "newer", 2), "and only its"


def test_the_only_seat_of_a_client_is_free_when_its_session_ended_during_the_renewal(prefix):
    room = EndsMeanwhile(settings.CACHE_URL, prefix)
    here, elsewhere = Seats(room), Seats(RedisRoom(settings.CACHE_URL, prefix))
    assert here.take("client", "old", 1) and not elsewhere.take("client", "new", 1)
    room.meanwhile = lambda: here.release("client", "old")
    here.renew()
    assert elsewhere.take("client", "new", 1)
