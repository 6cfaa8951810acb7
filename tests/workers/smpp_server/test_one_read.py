"""What comes together in one read: much at once, wrong things among it, and the good-bye behind it."""

import pytest
from django.db import connection

from messaging.batcher import BATCH
from messaging.models import Message
from smpp.constants import CommandStatus as S
from tests.conformance.raw_peer import (
    BIND_RECEIVER,
    BIND_TRANSMITTER,
    ENQUIRE_LINK,
    HEADER,
    SUBMIT_MULTI,
    SUBMIT_SM,
    UNBIND,
    RawPeer,
    cstring,
    submit,
)  # fmt: skip
from tests.support.cast import SMPP_PASSWORD
from tests.workers.smpp_server.cast import NUMBER, Scene, scene
from tests.workers.smpp_server.mail import text_for
from workers.smpp_server import client_session

pytestmark = pytest.mark.django_db(transaction=True)
_LAST = 0x7000  # the sequence of what is sent last


def pdu(command: int, body: bytes = b"", sequence: int = 1) -> bytes:
    return HEADER.pack(16 + len(body), command, 0, sequence) + body


def submits(count: int, first: int = 2) -> bytes:
    return b"".join(pdu(SUBMIT_SM, submit(NUMBER), first + number) for number in range(count))


def wrong(count: int) -> bytes:
    return pdu(0x77) * count


def peer_of(found: Scene, command: int = BIND_TRANSMITTER) -> RawPeer:
    peer = RawPeer(found.port)
    assert peer.bind(command, found.client.system_id, SMPP_PASSWORD).status == 0
    return peer


def answers(peer: RawPeer) -> list[int]:
    """The statuses until the answer to the last request; ConnectionError when the server ends the session."""
    found = []
    while (frame := peer.read()).sequence != _LAST:
        found.append(frame.status)
    return found


def test_requests_over_the_window_are_throttled_for_ever_and_the_session_goes_on():
    many = client_session.WRONG_BOUND + 200
    with scene(window=3) as found, peer_of(found) as peer:
        peer.write(submits(many) + pdu(ENQUIRE_LINK, sequence=_LAST))
        statuses = answers(peer)
        assert statuses.count(S.ESME_RTHROTTLED) > client_session.WRONG_BOUND
        assert set(statuses) <= {0, S.ESME_RTHROTTLED}
        assert peer.ask(ENQUIRE_LINK).status == 0


def test_wrong_pdus_count_only_as_long_as_nothing_right_comes_between():
    with scene() as found, peer_of(found) as peer:
        most = wrong(client_session.WRONG_BOUND)
        peer.write(most + submits(1) + most + pdu(ENQUIRE_LINK, sequence=_LAST))
        assert answers(peer).count(S.ESME_RINVCMDID) == 2 * client_session.WRONG_BOUND
        assert peer.ask(ENQUIRE_LINK).status == 0


def test_a_receiver_that_answers_is_not_cut_for_what_it_does_wrong_now_and_then(monkeypatch):
    monkeypatch.setattr(client_session, "WRONG_BOUND", 2)
    with scene() as found, peer_of(found, BIND_RECEIVER) as peer:
        for _ in range(5):
            assert peer.ask(SUBMIT_SM, submit(NUMBER)).status == S.ESME_RINVBNDSTS
            text_for(found)
            peer.next_request()


@pytest.mark.parametrize(
    "end", [wrong(4) + submits(2, first=9), pdu(SUBMIT_SM)[:3] + b"\3" + pdu(SUBMIT_SM)[4:]], ids=["cut", "broken"]
)
def test_of_the_read_that_ends_a_session_nothing_is_taken(monkeypatch, end):
    """Nobody could be answered: what the customer sends again must not be there twice."""
    monkeypatch.setattr(client_session, "WRONG_BOUND", 3)
    with scene(credits=10) as found, peer_of(found) as peer:
        peer.write(submits(2) + end)
        assert peer.closed()
        found.server.stop()  # what was taken is committed then
        assert found.messages == [] and found.cast.balance == 10


def test_what_stands_before_an_unbind_in_one_read_is_taken_and_answered_and_then_the_unbind():
    with scene(credits=50) as found, peer_of(found) as peer:
        peer.write(submits(40) + pdu(UNBIND, sequence=_LAST))
        assert answers(peer) == [0] * 40
        assert peer.closed()
        assert len(found.messages) == 40 and found.cast.balance == 10


def test_what_comes_behind_an_unbind_is_refused_and_harms_nothing_before_it():
    with scene(credits=50) as found, peer_of(found) as peer:
        peer.write(submits(20) + pdu(UNBIND, sequence=_LAST) + submits(20, first=100))
        statuses = answers(peer)
        assert (statuses.count(0), statuses.count(S.ESME_RINVBNDSTS)) == (20, 20)
        assert peer.closed()
        assert len(found.messages) == 20


def submit_multi(count: int, sequence: int, numbers_from: int = 0) -> bytes:
    numbers = range(971_500_000_000 + numbers_from, 971_500_000_000 + numbers_from + count)
    to = b"".join(b"\1\1\1" + cstring(str(number)) for number in numbers)
    return pdu(SUBMIT_MULTI, b"\0\5\0BANK\0" + bytes((count,)) + to + bytes(9) + b"\2hi", sequence)


MANY = {
    "large": [submit_multi(254, 2), submit_multi(254, 3, 300)],
    "small": [submit_multi(80, n, 100 * n) for n in range(2, 9)],
    "mixed": [submits(1), submit_multi(254, 3), submit_multi(254, 4, 300), submits(1, first=5)],
}


@pytest.mark.parametrize("pdus", MANY.values(), ids=MANY)
def test_many_numbers_at_once_are_no_transaction_longer_than_others_are(pdus):
    """Only PostgreSQL tells which rows one transaction wrote."""
    with scene(credits=2000) as found, peer_of(found) as peer:
        peer.write(b"".join(pdus) + pdu(ENQUIRE_LINK, sequence=_LAST))
        assert {peer.read().status for _ in range(len(pdus) + 1)} == {0}
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {Message._meta.db_table} GROUP BY xmin::text")
            sizes = [count for (count,) in cursor.fetchall()]
        assert sum(sizes) == Message.objects.count()
        assert max(sizes) <= BATCH
