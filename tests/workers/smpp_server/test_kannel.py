"""Kannel, which is not ours, as a customer: it binds, its texts travel to a carrier, and every receipt comes back."""

import re

import pytest

from messaging.models import Delivery, Message
from tests.support.cast import SMPP_PASSWORD, customer, make_connector, make_smpp_client
from tests.support.kannel import kannel
from tests.support.running import parts_running
from tests.support.waiting import wait_until
from tests.support.web_sink import WebSink
from tests.workers.smpp_server.cast import Running, Scene
from tests.workers.smpp_server.mail import text_for
from workers.simulator import SimulatorConfig, SimulatorThread

pytestmark = pytest.mark.django_db(transaction=True)
TEXTS = ("Hello", "Grüße für 5 € {x}", "Привет", "A long text with more than one part. " * 6)


@pytest.fixture
def sink():
    """Where Kannel tells its user of receipts and texts."""
    found = WebSink()
    yield found
    found.stop()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("count", [20, pytest.param(1_000, marks=pytest.mark.slow)])
def test_kannel_sends_its_texts_and_is_told_of_every_end(count, sink, tmp_path):
    with SimulatorThread(SimulatorConfig(delay_ms="10")) as carrier:
        who = customer("10000", connector=make_connector(port=carrier.port, window=100))
        esme = make_smpp_client(who.account)
        with Running() as server, parts_running():
            scene = Scene(server, who, esme)
            ours = {"gateway": server.port, "system_id": esme.system_id, "password": SMPP_PASSWORD}
            with kannel(tmp_path, **ours, inbound=f"http://127.0.0.1:{sink.port}/ok/text") as box:
                for number in range(count):
                    text, to = TEXTS[number % len(TEXTS)], f"9715010{number:05}"
                    coding = 2 if not text.isascii() and "П" in text else None
                    box.send(to, text, coding=coding, receipt_url=f"http://127.0.0.1:{sink.port}/ok/{to}/%d")
                wait_until(lambda: told(sink) == count, timeout=120, step=0.1)
                text_for(scene, content="and back")
                wait_until(lambda: sink.hits["/ok/text"] == 1)
                wait_until(lambda: not Delivery.objects.exclude(state="DELIVERED").exists())
            sent = scene.messages
    assert sum(message.parts for message in sent) == len(sent) == count // len(TEXTS) * (len(TEXTS) + 1)
    assert {message.content for message in sent if message.parts == 1} >= set(TEXTS[:3])
    assert {message.status for message in Message.objects.all()} == {"DELIVERED"}
    assert not [path for path in sink.hits if re.fullmatch(r"/ok/\d+/(2|16)", path)]


def told(sink: WebSink) -> int:
    """Numbers whose text was delivered, as Kannel tells it."""
    return len({path.split("/")[2] for path in list(sink.hits) if path.endswith("/1")})
