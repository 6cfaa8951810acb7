"""Every signature verifies with the library that customers use (threat S27)."""

import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from accounts.models import ApiClient, WebhookEndpoint
from common.secrets import signing_secret
from tests.support.cast import make_account, make_client
from workers.deliveries.signing import headers

BODY = '{"to":"971501234567","text":"é"}'


def signed(secret, body=BODY):
    return dict(headers("event-1", int(time.time()), body, secret))


def test_a_signature_verifies_and_a_changed_body_or_id_or_key_does_not():
    secret = signing_secret()
    good = signed(secret)
    assert Webhook(secret).verify(BODY, good)["text"] == "é"
    for key, body, changed in (
        (secret, BODY + " ", good),
        (secret, BODY, {**good, "webhook-id": "event-2"}),
        (signing_secret(), BODY, good),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(key).verify(body, changed)


def test_while_a_secret_is_rotated_both_verify():
    old, new = signing_secret(), signing_secret()
    both = signed(f"{new} {old}")
    assert Webhook(old).verify(BODY, both) == Webhook(new).verify(BODY, both)
    assert both["webhook-signature"].count("v1,") == 2


def test_a_secret_without_its_prefix_is_the_same_secret():
    secret = signing_secret()
    assert signed(secret.removeprefix("whsec_")) == signed(secret)


def test_without_a_secret_everything_but_the_signature_is_there():
    assert set(signed("")) == {"webhook-id", "webhook-timestamp", "user-agent"}


def test_a_secret_that_is_none_is_an_error():
    with pytest.raises(ValueError, match="base64"):
        signed("whsec_!!!")


@pytest.mark.django_db
def test_new_clients_and_endpoints_have_a_secret_of_their_own():
    account = make_account()
    rows = [make_client(account) for _ in range(2)]
    WebhookEndpoint.objects.create(account=account, name="all", url="https://customer.example/")
    secrets = {row.webhook_secret for row in ApiClient.objects.filter(pk__in=[row.pk for row in rows])}
    secrets.add(WebhookEndpoint.objects.get().secret)
    assert len(secrets) == 3
    for secret in secrets:
        assert secret.startswith("whsec_")
        Webhook(secret).verify(BODY, signed(secret))
