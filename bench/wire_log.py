"""What the wire log costs a PDU: `python -m bench.wire_log [--seconds 1]` prints JSON, in microseconds of one core.

Two sessions exchange submit_sm and answers in memory, without taps and with; then what is kept is packed, which happens
to the newest thousand PDUs of a link every two seconds at most. Each figure is the least of many short runs.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence

import django

from bench.codec import SUBMIT_FIELDS
from smpp.codec import encode
from smpp.events import RequestReceived
from smpp.pdu import BindTransceiver, SubmitSm
from smpp.session import Role, Session, SessionConfig
from smpp.tapping import RECEIVED

PAIRS = 100
PDUS = 4  # of a pair: request and answer, at both ends


def exchange(*, logged: bool) -> Callable[[], None]:
    """Return a call that carries PAIRS submit_sm and their answers between two sessions."""
    from messaging.wirelog import Subject
    from workers.wires import Ring

    config = SessionConfig(window=PAIRS)
    esme, smsc = Session(Role.ESME, config, now=0.0), Session(Role.SMSC, config, now=0.0)
    esme.send(BindTransceiver(system_id="bench"), now=0.0)
    (bind,) = smsc.receive(esme.take_output(), 0.0)
    assert isinstance(bind, RequestReceived)
    smsc.respond(bind.pdu.reply(system_id="smsc"), now=0.0)
    esme.receive(smsc.take_output(), 0.0)
    for key, session in enumerate((esme, smsc)):
        session.tap = Ring(Subject("connector", key)).tap("203.0.113.7:50412") if logged else None

    def once() -> None:
        for number in range(PAIRS):
            esme.send(SubmitSm(**SUBMIT_FIELDS), number, now=0.0)
        for event in smsc.receive(esme.take_output(), 0.0):
            smsc.respond(event.pdu.reply(message_id="7f00a1"), now=0.0)
        assert len(esme.receive(smsc.take_output(), 0.0)) == PAIRS

    return once


def submits(count: int) -> list[bytes]:
    """Frames with numbers and texts of their own, so that they compress no better than traffic does."""
    chance = random.Random(7)
    found = []
    for sequence in range(1, count + 1):
        text = "".join(
            chance.choice("abcdefghijklmnopqrstuvwxyz   0123456789") for _ in range(chance.randrange(20, 150))
        )
        number = f"316{chance.randrange(10**8):08}"
        fields = {**SUBMIT_FIELDS, "destination_addr": number, "short_message": text.encode()}
        found.append(encode(SubmitSm(**fields, sequence=sequence)))
    return found


def least(calls: Sequence[Callable[[], object]], seconds: float) -> list[float]:
    """The least CPU seconds that one run of each took; they run in turns, because the machine's mood changes."""
    best = [float("inf")] * len(calls)
    until = time.monotonic() + seconds * len(calls)
    while time.monotonic() < until:
        for place, call in enumerate(calls):
            start = time.thread_time()
            call()
            best[place] = min(best[place], time.thread_time() - start)
    return best


def measure(seconds: float) -> dict[str, float]:
    """Return the microseconds a PDU."""
    from messaging.wirelog.entries import Entry, Subject, packed
    from workers.wires import Ring

    entries = [
        Entry(1.8e9 + place / 100, RECEIVED, "203.0.113.7:50412", frame, "")
        for place, frame in enumerate(submits(1_000))
    ]
    exchanged, packs = PAIRS * PDUS, len(entries)
    tap = Ring(Subject("connector", 0)).tap("203.0.113.7:50412")

    def tapped() -> None:
        for entry in entries:
            tap(RECEIVED, entry.frame, "")

    calls = [exchange(logged=False), exchange(logged=True), tapped, lambda: packed(entries)]
    bare, logged, tapping, packing = least(calls, seconds)
    return {
        "encoded, sent, received, decoded": round(bare / exchanged * 1e6, 2),
        "the same with the wire log": round(logged / exchanged * 1e6, 2),
        "the tap alone": round(tapping / packs * 1e6, 2),
        "packing one that is kept": round(packing / packs * 1e6, 2),
        "octets of one that is kept": round(len(packed(entries)) / packs, 1),
    }


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=1.0, help="time per figure")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings.embedded")  # no store is asked
    django.setup()
    sys.stdout.write(json.dumps({"microseconds": measure(options.parse_args().seconds)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
