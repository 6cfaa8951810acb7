"""One key, one answer (reliability P5), on every sending endpoint and over both lanes."""

import threading

import pytest
from django.db import connections

from messaging.models import IdempotencyKey
from tests.api.sending import HELLO, MESSAGES, PANEL, SEND, customer
from tests.support import cast

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


@pytest.mark.parametrize("path", [SEND, PANEL, MESSAGES])
def test_the_same_request_again_hears_the_same_answer(lane, path):
    who = customer()
    first = who.post(lane, path, HELLO | {"from": "A"}, Idempotency_Key="k")
    books = who.books
    # Other spaces and another order of fields are the same request.
    again = who.post(lane, path, b'{"from": "A",  "content":"Hello","to":"%s"}' % cast.NUMBER.encode(),
                     Idempotency_Key="k")  # fmt: skip
    assert (again.status, again.body) == (200, first.body)
    assert again.headers["idempotent-replayed"] == "true" and "idempotent-replayed" not in first.headers
    assert who.books == books == (1, 1, 1, 99)


def test_a_get_has_keys_too(lane):
    who = customer()
    url = f"{SEND}?to={cast.NUMBER}&content=x"
    first, again = (who.get(lane, url, **{"Idempotency-Key": "k"}) for _ in range(2))
    assert first.body == again.body and who.books[0] == 1


@pytest.mark.parametrize("path", [SEND, MESSAGES])
def test_another_body_under_the_same_key_is_409(lane, path):
    who = customer()
    who.post(lane, path, HELLO, Idempotency_Key="k")
    books = who.books
    answer = who.post(lane, path, HELLO | {"content": "other"}, Idempotency_Key="k")
    assert (answer.status, who.books) == (409, books)


def test_another_endpoint_under_the_same_key_is_409(lane):
    who = customer()
    who.post(lane, SEND, HELLO, Idempotency_Key="k")
    assert who.post(lane, MESSAGES, HELLO, Idempotency_Key="k").json["code"] == "idempotency_conflict"
    assert who.books[0] == 1


def test_another_customer_may_use_the_same_key(lane):
    one, other = customer(), customer()
    answers = [who.post(lane, SEND, HELLO, Idempotency_Key="k").json["message_id"] for who in (one, other)]
    assert answers == [str(one.message.id), str(other.message.id)]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "schlüssel"])
def test_a_key_that_is_none_is_400(lane, key):
    who = customer()
    before = who.books
    answer = who.post(lane, MESSAGES, HELLO, Idempotency_Key=key.encode().decode("latin-1"))
    assert (answer.status, who.books) == (400, before), answer.body
    assert "Idempotency-Key" in answer.json["fields"]


def test_a_refused_request_leaves_the_key_free(lane):
    who = customer("0")
    assert who.post(lane, SEND, HELLO, Idempotency_Key="k").status == 402
    assert not IdempotencyKey.objects.filter(account=who.cast.account).exists()


def test_a_batch_is_replayed_whole_with_its_refusals(lane):
    who = customer()
    body = [HELLO, {"to": "1"}, {"nonsense": 1}]
    first = who.post(lane, MESSAGES, body, Idempotency_Key="k")
    again = who.post(lane, MESSAGES, body, Idempotency_Key="k")
    assert first.body == again.body and first.json["refused"] == 2
    assert who.books[:3] == (1, 1, 1)


def test_ten_at_once_are_one_message(lane):
    who = customer()
    answers = []

    def ask():
        answers.append(who.post(lane, SEND, HELLO, Idempotency_Key="k"))
        connections.close_all()  # the Django lane used this thread's

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    ids = {answer.json.get("message_id") for answer in answers if answer.status == 200}
    assert len(answers) == 10 and ids == {str(who.message.id)}
    assert {answer.status for answer in answers} <= {200, 409}
    assert who.books == (1, 1, 1, 99)
