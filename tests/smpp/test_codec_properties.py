"""Properties of the codec: round trips of every PDU, framing, and no crash on 20,000 mutations."""

import random
import struct
from dataclasses import fields
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smpp import pdu as p
from smpp.codec import BrokenStream, Framer, decode, encode
from smpp.constants import DEFAULT_MAX_FRAME
from smpp.errors import BodyError, FramingError, PduError
from smpp.fields import WIRE, Wire
from smpp.pdu import PDU_CLASSES
from smpp.tlvs import TLV_TYPES, Tlvs
from tests.smpp.samples import SAMPLES

LATIN1 = st.characters(min_codepoint=1, max_codepoint=255)
BYTE = st.integers(0, 255)
ADDRESS = st.text(LATIN1, max_size=20)
DESTINATION = st.builds(p.SmeAddress, BYTE, BYTE, ADDRESS) | st.builds(p.DistributionList, ADDRESS)
FAILURE = st.builds(p.UnsuccessSme, BYTE, BYTE, ADDRESS, st.integers(0, 0xFFFFFFFF))


def field_strategy(wire: Wire) -> st.SearchStrategy:
    return {
        "int8": lambda: BYTE,
        "cstring": lambda: st.text(LATIN1, max_size=wire.limit),
        "octets8": lambda: st.binary(max_size=wire.limit),
        "destinations": lambda: st.lists(DESTINATION, min_size=1, max_size=5),
        "failures": lambda: st.lists(FAILURE, max_size=5),
    }[wire.kind]()


TAGS = st.sampled_from(sorted(TLV_TYPES)) | st.integers(0x1400, 0x3FFF)
TLVS = st.lists(st.tuples(TAGS, st.binary(max_size=40)), max_size=4).map(Tlvs)


def pdus(cls: type[p.Pdu]) -> st.SearchStrategy[p.Pdu]:
    body = {item.name: field_strategy(item.metadata[WIRE]) for item in fields(cls) if WIRE in item.metadata}
    return st.builds(cls, sequence=st.integers(0, 0x7FFFFFFF), status=st.integers(0, 0xFFFFFFFF), tlvs=TLVS, **body)


@pytest.mark.parametrize("cls", PDU_CLASSES.values(), ids=lambda cls: cls.name)
def test_what_is_written_is_read_back_the_same(cls):
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(pdus(cls))
    def round_trip(pdu):
        frame = encode(pdu)
        assert struct.unpack_from(">L", frame) == (len(frame),)
        assert decode(frame) == pdu
        assert encode(decode(frame)) == frame

    round_trip()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=120), st.sampled_from(sorted(PDU_CLASSES)))
def test_any_octets_are_read_or_refused_with_our_own_error(octets, command):
    frame = struct.pack(">LLLL", 16 + len(octets), command, 0, 1) + octets
    try:
        found = decode(frame)
    except BodyError as error:
        assert error.command_status
        assert error.sequence == 1
    else:
        assert found.command_id == command


def mutations(count: int, seed: int):
    chance = random.Random(seed)
    frames = [encode(sample) for sample, _, _ in SAMPLES]
    for _ in range(count):
        frame = bytearray(chance.choice(frames))
        for _ in range(chance.randint(1, 6)):
            kind = chance.randrange(4)
            place = chance.randrange(len(frame)) if frame else 0
            if kind == 0 and frame:
                frame[place] = chance.randrange(256)
            elif kind == 1:
                del frame[place : place + chance.randint(1, 8)]
            elif kind == 2:
                frame[place:place] = chance.randbytes(chance.randint(1, 8))
            else:
                frame += chance.randbytes(chance.randint(1, 8))
        if chance.random() < 0.8 and len(frame) >= 4:
            frame[:4] = len(frame).to_bytes(4, "big")
        yield bytes(frame)


def test_twenty_thousand_mutated_pdus_raise_only_our_errors():
    outcomes = {"read": 0, "refused": 0, "fatal": 0}
    for frame in mutations(20_000, seed=20261121):
        try:
            found = decode(frame)
        except FramingError:
            outcomes["fatal"] += 1
        except PduError as error:
            assert error.command_status
            outcomes["refused"] += 1
        else:
            assert isinstance(found, p.Pdu)
            outcomes["read"] += 1
    # Each kind must really occur, or the mutations would prove nothing.
    assert min(outcomes.values()) > 500, outcomes


STREAM = b"".join(encode(sample) for sample, _, _ in SAMPLES)
FRAMES = [encode(sample) for sample, _, _ in SAMPLES]


def test_frames_come_out_whole_when_octets_drip():
    framer = Framer()
    found = [frame for index in range(len(STREAM)) for frame in framer.feed(STREAM[index : index + 1])]
    assert found == FRAMES
    assert framer.pending == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_frames_come_out_whole_however_the_stream_is_cut(cuts):
    framer = Framer()
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(edges)]
    assert [frame for piece in pieces for frame in framer.feed(piece)] == FRAMES


@pytest.mark.parametrize("length", [0, 15, DEFAULT_MAX_FRAME + 1, 0xFFFFFFFF])
def test_an_impossible_length_is_refused_after_four_octets_and_the_good_frames_before_it_survive(length):
    framer = Framer()
    with pytest.raises(BrokenStream) as broken:
        framer.feed(FRAMES[0] + FRAMES[1] + length.to_bytes(4, "big"))
    assert broken.value.frames == FRAMES[:2]
    assert framer.pending == 0


def test_a_payload_of_64_kib_passes_the_default_cap():
    big = p.DataSm(tlvs=Tlvs([(0x0424, b"x" * 0xFFFF)]))
    assert [decode(frame) for frame in Framer().feed(encode(big))] == [big]
