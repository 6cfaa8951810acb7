"""The wire log in memory: bounded whoever comes, and nothing is lost or doubled by a store that is away."""

import asyncio

import pytest

from messaging.wirelog import EVENT, STRANGERS, Subject
from smpp import pdu as p
from smpp.codec import decode, encode
from smpp.tapping import RECEIVED, SENT
from workers import wires
from workers.wires import MOST_OCTETS, Ring, Visitor, Wires

CLIENT, KNOCK = Subject("client", 7), Subject("knock", 7)


class Store:
    """Where `Wires` writes; `away`: it fails."""

    def __init__(self) -> None:
        self.rows: list = []
        self.trimmed: list = []
        self.away = False

    async def run(self, function, *args):
        if self.away:
            raise OSError("away")
        if function.__name__ == "store":
            self.rows += args[1]
        else:
            self.trimmed.append(set(args[0]))


def submit(number: int) -> bytes:
    return encode(p.SubmitSm(destination_addr=str(number), sequence=number))


def numbers(entries) -> list[int]:
    return [decode(entry[3]).sequence for entry in entries if entry[1] != EVENT]


def test_a_ring_holds_the_newest_thousand_and_a_knocked_one_two_hundred():
    for subject, most in ((CLIENT, 1000), (KNOCK, 200), (STRANGERS, 1000)):
        ring = Ring(subject)
        tap = ring.tap("here")
        for number in range(1, 1501):
            tap(RECEIVED, submit(number), "")
        assert numbers(ring.entries) == list(range(1501 - most, 1501))


def test_of_a_long_pdu_only_its_beginning_is_held():
    ring = Ring(CLIENT)
    frame = encode(p.DataSm(sequence=1, tlvs=[(0x0424, b"x" * 60_000)]))
    ring.tap("here")(SENT, frame, "long")
    [(_, way, link, kept, note)] = ring.entries
    assert (way, link, note, len(kept)) == (SENT, "here", "long", MOST_OCTETS) and frame.startswith(kept)


def test_a_password_is_masked_before_anything_is_held():
    ring = Ring(CLIENT)
    ring.tap("here")(RECEIVED, encode(p.BindTransceiver(system_id="me", password="pa55word")), "")
    assert b"pa55" not in ring.entries[0][3] and decode(ring.entries[0][3]).system_id == "me"


def test_a_visitor_is_kept_apart_until_it_is_known_whose_it_is():
    visitor, ring = Visitor("1.2.3.4:5"), Ring(CLIENT)
    for number in range(1, 21):
        visitor.tap(RECEIVED, submit(number), "")
    assert not ring.entries and not visitor.settled
    tap = visitor.settle(ring)
    tap(SENT, submit(21), "")
    visitor.event("ended")
    assert numbers(ring.entries) == [*range(13, 21), 21]
    assert ring.entries[-1][1:] == (EVENT, "1.2.3.4:5", b"", "ended") and visitor.settled


def test_what_is_new_is_written_once_and_tidied_up_later(monkeypatch):
    store = Store()
    held = Wires("host:1", store)
    held.ring(CLIENT).tap("a")(RECEIVED, submit(1), "")
    held.strangers.event("b", "turned away")

    async def turns():
        await held.write()
        await held.write()
        assert [(subject, len(entries)) for subject, entries in store.rows] == [(CLIENT, 1), (STRANGERS, 1)]
        assert store.trimmed == []
        monkeypatch.setattr(wires, "TRIM_EVERY", 0.0)
        await held.write()
        await held.write()

    asyncio.run(turns())
    assert store.trimmed == [{CLIENT, STRANGERS}]


@pytest.mark.parametrize("subjects", [1, 50])
def test_a_store_that_is_away_costs_the_oldest_and_no_order(subjects, monkeypatch):
    monkeypatch.setattr(wires, "MOST_WAITING", 500)
    store, most = Store(), 500 // subjects
    store.away = True
    held = Wires("host:1", store)
    taps = [held.ring(Subject("client", key)).tap("a") for key in range(subjects)]

    async def turns():
        for number in range(1, 601):
            for tap in taps:
                tap(RECEIVED, submit(number), "")
            if number % 200 == 0:
                await held.write()
        store.away = False
        await held.write()

    asyncio.run(turns())
    assert [numbers(entries) for _, entries in store.rows] == [list(range(601 - most, 601))] * subjects
