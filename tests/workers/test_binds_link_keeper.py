"""A try to bind needs the lease, a turn, and both at the same moment."""

import asyncio
from types import SimpleNamespace

import pytest

from connectors.credential_checks import Turn
from workers.binds import link
from workers.binds.link_keeper import LinkKeeper
from workers.binds.report import Report

PLACES = (("127.0.0.1", 2775),)


class Admission:
    """Grants every turn, after `meanwhile` has happened, and tells when one was given back."""

    def __init__(self):
        self.meanwhile, self.given_back = lambda: None, asyncio.Event()

    async def ask(self):
        self.meanwhile()
        return Turn()

    async def unused(self):
        self.given_back.set()


@pytest.mark.parametrize("what", ["forbid", "end"])
def test_who_loses_the_lease_or_stops_while_it_asks_for_a_turn_gives_it_back_and_does_not_bind(what, monkeypatch):
    async def never(*_, **__):
        pytest.fail("somebody else may be bound by now")

    monkeypatch.setattr(link, "bind", never)

    async def run():
        admission = Admission()
        shared = SimpleNamespace(view=SimpleNamespace(places=PLACES, name="line"), bind_no=1, report=Report())
        keeper = LinkKeeper(
            shared, SimpleNamespace(), admission=admission, on_events=lambda *_: None, on_change=lambda: None
        )
        admission.meanwhile = getattr(keeper, what)
        keeper.allow()
        keeping = asyncio.create_task(keeper.keep())
        await asyncio.wait_for(admission.given_back.wait(), 5)
        keeping.cancel()
        assert keeper.up is None

    asyncio.run(run())
