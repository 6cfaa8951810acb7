"""smpplib's client, which is not ours, with the server."""

import pytest
import smpplib.client
import smpplib.consts
import smpplib.gsm

from messaging.models import Status
from tests.support.cast import SMPP_PASSWORD
from tests.support.waiting import wait_until
from tests.workers.smpp_server.cast import NUMBER, Scene, scene
from tests.workers.smpp_server.mail import end, text_for

pytestmark = pytest.mark.django_db(transaction=True)


class Theirs:
    """A smpplib client that keeps what it got."""

    def __init__(self, found: Scene) -> None:
        self.answers, self.received = [], []
        self.client = smpplib.client.Client("127.0.0.1", found.port, timeout=5, allow_unknown_opt_params=True)
        self.client.set_message_sent_handler(lambda pdu, **_: self.answers.append(pdu))
        self.client.set_message_received_handler(lambda pdu, **_: self.received.append(pdu))
        self.client.connect()
        self.client.bind_transceiver(system_id=found.client.system_id, password=SMPP_PASSWORD)

    def turn(self, condition) -> None:
        def turned():
            self.client.read_once()
            return condition()

        wait_until(turned)

    def close(self) -> None:
        self.client.unbind()
        self.client.disconnect()


@pytest.mark.parametrize("text", ["Hello", "Привет, это длинный текст. " * 6, "@£$ " * 60])
def test_smpplib_submits_texts_and_gets_receipts_and_texts(text):
    with scene() as found:
        theirs = Theirs(found)
        parts, coding, esm_class = smpplib.gsm.make_parts(text)
        for part in parts:
            theirs.client.send_message(
                source_addr_ton=smpplib.consts.SMPP_TON_ALNUM, source_addr_npi=0, source_addr="BANK",
                dest_addr_ton=smpplib.consts.SMPP_TON_INTL, dest_addr_npi=1, destination_addr=NUMBER,
                short_message=part, data_coding=coding, esm_class=esm_class, registered_delivery=True,
            )  # fmt: skip
        theirs.turn(lambda: len(theirs.answers) == len(parts))
        messages = found.messages
        assert "".join(message.content for message in messages) == text
        assert {pdu.message_id.decode() for pdu in theirs.answers} == {str(message.id) for message in messages}
        for message in messages:
            end(found, message, Status.DELIVERED)
        text_for(found, content="and back")
        theirs.turn(lambda: len(theirs.received) == len(parts) + 1)
        told = {pdu.receipted_message_id.decode().rstrip("\0") for pdu in theirs.received if pdu.receipted_message_id}
        assert told == {str(message.id) for message in messages}
        assert b"and back" in {pdu.short_message for pdu in theirs.received}
        theirs.close()
