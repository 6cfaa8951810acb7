"""How fast the codec is, beside smpplib: `python -m bench.codec [--seconds 1] [--out file]` prints JSON.

Each figure is the best of five runs of one core; the machine and the versions stand beside it.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from smpplib import smpp as smpplib_smpp

from smpp.codec import decode, encode
from smpp.events import RequestReceived
from smpp.pdu import BindTransceiver, DeliverSm, SubmitSm
from smpp.receipts import read_receipt
from smpp.session import Role, Session, SessionConfig
from smpp.tlvs import Tlvs

RUNS = 5
TEXT = b"Your code is 314159. It is valid for ten minutes; do not share it."
RECEIPT = b"id:7f00a1 sub:001 dlvrd:001 submit date:2611211200 done date:2611211205 stat:DELIVRD err:000 text:Your code"
SUBMIT_FIELDS = {
    "source_addr_ton": 5,
    "source_addr": "Acme",
    "dest_addr_ton": 1,
    "dest_addr_npi": 1,
    "destination_addr": "31612345678",
    "registered_delivery": 1,
    "short_message": TEXT,
}


class Numbers:
    """The part of a smpplib client that its PDUs ask for."""

    def next_sequence(self) -> int:
        return 7


def rate(call: Callable[[], object], seconds: float) -> int:
    """Return calls per second, the best of RUNS runs that share `seconds`."""
    count = 200
    best = 0.0
    for _ in range(RUNS):
        done, start = 0, time.perf_counter()
        while (spent := time.perf_counter() - start) < seconds / RUNS:
            for _ in range(count):
                call()
            done += count
        best = max(best, done / spent)
    return round(best)


def exchange(requests: int) -> Callable[[], None]:
    """Return a call that carries `requests` submit_sm and their answers between two sessions."""
    config = SessionConfig(window=requests)
    esme, smsc = Session(Role.ESME, config, now=0.0), Session(Role.SMSC, config, now=0.0)
    esme.send(BindTransceiver(system_id="bench"), now=0.0)
    (bind,) = smsc.receive(esme.take_output(), 0.0)
    assert isinstance(bind, RequestReceived)
    smsc.respond(bind.pdu.reply(system_id="smsc"), now=0.0)
    esme.receive(smsc.take_output(), 0.0)

    def once() -> None:
        for number in range(requests):
            esme.send(SubmitSm(**SUBMIT_FIELDS), number, now=0.0)
        for event in smsc.receive(esme.take_output(), 0.0):
            smsc.respond(event.pdu.reply(message_id="7f00a1"), now=0.0)
        assert len(esme.receive(smsc.take_output(), 0.0)) == requests

    return once


def measure(seconds: float) -> dict[str, int]:
    """Return every figure per second."""
    submit = SubmitSm(**SUBMIT_FIELDS, sequence=7)
    with_tlvs = SubmitSm(**SUBMIT_FIELDS, sequence=7, tlvs=Tlvs([(0x1400, b"1" * 19), (0x1401, b"2" * 19)]))
    receipt = DeliverSm(esm_class=4, short_message=RECEIPT, tlvs=Tlvs([(0x1E, b"7f00a1\0"), (0x427, b"\2")]))
    frame, tlv_frame, receipt_frame = encode(submit), encode(with_tlvs), encode(receipt)
    pairs = 100
    return {
        "encode submit_sm": rate(lambda: encode(submit), seconds),
        "build and encode submit_sm": rate(lambda: encode(SubmitSm(**SUBMIT_FIELDS, sequence=7)), seconds),
        "encode submit_sm with two TLVs": rate(lambda: encode(with_tlvs), seconds),
        "decode submit_sm": rate(lambda: decode(frame), seconds),
        "decode submit_sm with two TLVs": rate(lambda: decode(tlv_frame), seconds),
        "decode a receipt and read it": rate(lambda: read_receipt(decode(receipt_frame)), seconds),
        "two sessions, request and answer": rate(exchange(pairs), seconds) * pairs,
    }


def measure_smpplib(seconds: float) -> dict[str, int]:
    """Return the same work done by smpplib."""
    numbers = Numbers()

    def build() -> bytes:
        made = smpplib_smpp.make_pdu("submit_sm", client=numbers, sequence=7, **SUBMIT_FIELDS)
        return made.generate()

    made = smpplib_smpp.make_pdu("submit_sm", client=numbers, sequence=7, **SUBMIT_FIELDS)
    frame = build()
    return {
        "encode submit_sm": rate(made.generate, seconds),
        "build and encode submit_sm": rate(build, seconds),
        "decode submit_sm": rate(lambda: smpplib_smpp.parse_pdu(frame, client=numbers), seconds),
    }


def main() -> None:
    """Measure, print JSON, and write it to `--out` if asked."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=1.0, help="time per figure")
    options.add_argument("--out", type=Path, help="file for the JSON")
    chosen = options.parse_args()
    ours, theirs = measure(chosen.seconds), measure_smpplib(chosen.seconds)
    result = {
        "python": platform.python_version(),
        "smpplib": version("smpplib"),
        "per_second": {"smpp": ours, "smpplib": theirs},
        "times_faster": {name: round(ours[name] / value, 1) for name, value in theirs.items()},
    }
    text = json.dumps(result, indent=2)
    if chosen.out:
        chosen.out.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
