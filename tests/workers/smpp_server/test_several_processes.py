"""Servers as processes: what a killed one had in hand reaches the customer under the same ids; limits span them all."""

import asyncio
import time
from dataclasses import dataclass

import pytest

from messaging import webhooks
from messaging.mailbox import LEASE
from messaging.webhooks import HOLD
from smpp.constants import CommandStatus as S
from smpp.constants import Tag
from smpp.pdu import BindReceiver, BindTransceiver, SubmitSm
from tests.support.cast import SMPP_PASSWORD, Cast, customer, make_smpp_client
from tests.support.waiting import wait_until
from tests.workers.smpp_server.cast import NUMBER, bound, deliveries, link
from tests.workers.smpp_server.mail import end, off, submit_sm, text_for
from tests.workers.smpp_server.processes import ServerProcess, servers

pytestmark = pytest.mark.django_db(transaction=True)
# A dead server's word holds for HOLD, its leases for LEASE; beat looks every five seconds, here all the time.
FOUND_WITHIN = max(HOLD, LEASE) + 5.0


@dataclass
class Outside:
    """What `cast.bound` and the helpers of the mailbox need, of a server that is another process."""

    server: ServerProcess
    cast: Cast
    client: object

    @property
    def port(self):
        return self.server.port

    @property
    def messages(self):
        from messaging.models import Message

        return list(Message.objects.filter(smpp_client=self.client).order_by("id"))


def named(pdu) -> bytes:
    """The id under which the customer knows a receipt or a text."""
    return bytes(pdu.tlvs.raw(Tag.RECEIPTED_MESSAGE_ID) or pdu.tlvs.raw(0x3F00))


def test_what_a_killed_server_had_in_hand_reaches_the_customer_under_the_same_ids():
    who = customer("100")
    esme = make_smpp_client(who.account, deliver_window=4)
    with servers(2) as (doomed, other):
        here, there = Outside(doomed, who, esme), Outside(other, who, esme)

        async def talk():
            silent = await bound(here, BindTransceiver, silent=True)
            answers = [await silent.request(submit_sm()) for _ in range(5)]
            await off(lambda: [end(here, message) for message in here.messages])
            for number in range(5):
                await off(lambda: text_for(here, content=str(number)))  # noqa: B023 - awaited here
            first = [named(pdu) for pdu in await silent.got(4)]
            await off(lambda: wait_until(lambda: claimed(here) > 4))  # some that were written, some that were not
            doomed.kill()
            began = time.monotonic()
            again = await bound(there, BindReceiver)
            while len(again.received) < 10 and time.monotonic() - began < FOUND_WITHIN:
                await off(webhooks.release_stale)
                await asyncio.sleep(0.1)
            second = [named(pdu) for pdu in again.received]
            await again.close()
            return first, second, {answer.message_id.encode() for answer in answers}

        first, second, submitted = asyncio.run(talk())
        assert len(second) == len(set(second)) == 10 and set(first) <= set(second)
        assert {key.rstrip(b"\0") for key in second} >= submitted
        wait_until(lambda: {(row.state, row.tries) for row in deliveries(there)} == {("DELIVERED", 1)})


def claimed(found: Outside) -> int:
    return sum(row.state == "CLAIMED" for row in deliveries(found))


def test_of_forty_binds_at_once_over_two_processes_as_many_succeed_as_may():
    who = customer()
    esme = make_smpp_client(who.account, max_binds=7)
    with servers(2) as running:

        async def talk():
            links = [await link(running[number % 2].port) for number in range(40)]
            bind = {"system_id": esme.system_id, "password": SMPP_PASSWORD}
            answers = await asyncio.gather(*(one.request(BindTransceiver(**bind)) for one in links))
            for one, answer in zip(links, answers, strict=True):
                if not answer.status:
                    await one.close()
            return [answer.status for answer in answers]

        statuses = asyncio.run(talk())
    assert statuses.count(0) == 7 and set(statuses) == {0, S.ESME_RALYBND}


def test_the_rate_of_a_client_is_one_over_two_processes():
    who = customer("10000")
    esme = make_smpp_client(who.account, tps=20)
    with servers(2) as running:

        async def flood(one: Outside, seconds: float) -> tuple[int, int]:
            customer_ = await bound(one, BindTransceiver)
            began, good, all_of_them = time.monotonic(), 0, 0
            while time.monotonic() - began < seconds:
                answers = await asyncio.gather(
                    *(customer_.request(SubmitSm(destination_addr=NUMBER, short_message=b"x")) for _ in range(20))
                )
                assert {answer.status for answer in answers} <= {0, S.ESME_RTHROTTLED}
                good += sum(not answer.status for answer in answers)
                all_of_them += len(answers)
            await customer_.close()
            return good, all_of_them

        async def talk():
            return await asyncio.gather(*(flood(Outside(one, who, esme), 3.0) for one in running))

        began = time.monotonic()
        found = asyncio.run(talk())
        seconds = time.monotonic() - began
    good, asked = (sum(each) for each in zip(*found, strict=True))
    assert asked > 3 * good  # it was a flood
    assert 0.8 * 20 * 3 <= good <= 20 * (seconds + 1) * 1.05  # a second's worth may come at once
    assert who.balance == 10_000 - good
