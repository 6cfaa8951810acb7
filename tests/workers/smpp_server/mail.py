"""Receipts and texts for a client, and how the tests fetch them."""

import asyncio

from common.clock import utc_now
from common.ids import new_id
from messaging import client_texts, deliveries
from messaging.client_texts import TextFacts, TextFor
from messaging.deliveries import Told
from messaging.models import Status
from messaging.rows import read_messages
from smpp.addresses import Address
from smpp.pdu import BindReceiver, BindTransmitter, SubmitSm
from tests.workers.smpp_server.cast import NUMBER, Scene, bound


def end(found: Scene, message, status=Status.DELIVERED, code="", number=deliveries.FINAL) -> None:
    """The network has told how a message ended."""
    event = Told(
        message=read_messages([message.id])[message.id], status=status, error_code=code,
        connector_id=found.cast.connector.pk, at=utc_now(), number=number,
    )  # fmt: skip
    deliveries.plan([event], now=utc_now())


def text_for(found: Scene, content="hi", encoding="gsm7", **fields) -> None:
    """A handset has written to the client."""
    facts = TextFacts(
        source=Address("971501112233", 1, 1), destination=Address("4444", 3, 0),
        content=content, encoding=encoding, **fields,
    )  # fmt: skip
    owner, client = found.cast.account.pk, found.client.pk
    client_texts.plan([TextFor(inbound_id=new_id(), account_id=owner, smpp_client_id=client, facts=facts)])


async def sent(found: Scene, *pdus, **options):
    """Submit over a transmitter; returns the answers."""
    esme = await bound(found, BindTransmitter, **options)
    answers = [await esme.request(pdu) for pdu in pdus]
    await esme.close()
    return answers


def submit_sm(**fields) -> SubmitSm:
    values = {"source_addr": "BANK", "source_addr_ton": 5, "destination_addr": NUMBER, "dest_addr_ton": 1,
              "dest_addr_npi": 1, "short_message": b"Hello, how are you today?", "registered_delivery": 1}  # fmt: skip
    return SubmitSm(**{**values, **fields})


async def off(function, *args, **kwargs):
    """Database work beside the loop."""
    return await asyncio.to_thread(lambda: function(*args, **kwargs))


def received(found: Scene, count: int, **options):
    """What a receiver gets; it acknowledges."""

    async def talk():
        esme = await bound(found, BindReceiver, **options)
        pdus = list(await esme.got(count))
        await asyncio.sleep(0.1)
        await esme.close()
        return pdus

    return asyncio.run(talk())
