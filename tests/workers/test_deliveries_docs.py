"""docs/webhooks.md says what the code does."""

import re
import time
from pathlib import Path

import pytest
from django.conf import settings

from common.secrets import signing_secret
from workers.deliveries import endpoints
from workers.deliveries.signing import USER_AGENT, headers

DOCUMENT = (Path(settings.BASE_DIR) / "docs" / "webhooks.md").read_text()
BODY = '{"text":"é"}'


def documented_verify():
    names = {}
    exec(DOCUMENT.split("```python\n")[1].split("```")[0], names)
    return names["verify"]


def test_the_documented_code_verifies_our_signatures():
    verify, secret, old = documented_verify(), signing_secret(), signing_secret()
    signed = headers("event-1", int(time.time()), BODY, f"{secret} {old}")
    verify(secret, signed, BODY.encode())
    verify(old, signed, BODY.encode())
    for key, body in ((signing_secret(), BODY), (secret, BODY + " ")):
        with pytest.raises(ValueError, match="not signed"):
            verify(key, signed, body.encode())
    with pytest.raises(ValueError, match="too old"):
        verify(secret, headers("event-1", int(time.time()) - 301, BODY, secret), BODY.encode())


def test_the_documented_figures_and_names_are_those_of_the_code():
    assert settings.DELIVERY_SCHEDULE_SECONDS == [0, 5, 300, 1800, 7200, 18000] + [36000] * 6
    assert "at once | 5 s | 5 min | 30 min | 2 h | 5 h | 10 h each" in DOCUMENT
    assert (endpoints.PER_ENDPOINT, endpoints.FIRST, endpoints.DOUBTFUL_OF_ACCOUNT) == (16, 4, 64)
    assert f"user-agent: {USER_AGENT}\n" in DOCUMENT
    assert set(headers("", 0, "", signing_secret())) <= set(re.findall(r"^([a-z-]+): ", DOCUMENT, re.MULTILINE))
