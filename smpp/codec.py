"""PDU to octets and back, and the cutting of a byte stream into frames (SMPP 3.4 §3.2)."""

import struct

from smpp.compiler import UNUSUAL, compile_pdu
from smpp.constants import DEFAULT_MAX_FRAME, HEADER_LENGTH
from smpp.errors import FieldError, FramingError, PduError, UnknownCommand
from smpp.pdu import PDU_CLASSES, Pdu
from smpp.statuses import CommandStatus
from smpp.wire import decode_body, encode_body, wire_table

_HEADER = struct.Struct(">LLLL")
_LENGTH = struct.Struct(">L")
_COMPILED = {command: found for command, cls in PDU_CLASSES.items() if (found := compile_pdu(cls))}
_ENCODERS = {command: compiled.encode for command, compiled in _COMPILED.items()}
_DECODERS = {command: compiled.decode for command, compiled in _COMPILED.items()}


def encode(pdu: Pdu, *, lenient: bool = False) -> bytes:
    """Return the whole frame of `pdu`; raises FieldError for anything the specification forbids.

    `lenient` allows what we accept from peers (a password over 8 characters). A response that reports
    an error and has nothing to say is written without a body, as §4.1.2 and §4.4.2 want it.
    """
    if pdu.is_response and pdu.status and _is_bare(pdu):
        return _frame(pdu, b"")
    encoder = _ENCODERS.get(pdu.command_id)  # what it takes is valid, and needs no leniency
    if encoder is not None:
        try:
            return encoder(pdu)
        except UNUSUAL:
            # The careful encoder below finds the culprit and names it.
            pass
    return _frame(pdu, encode_body(pdu, lenient=lenient))


def decode(frame: bytes) -> Pdu:
    """Return the PDU of exactly one frame; raises only PduError.

    BodyError and UnknownCommand are recoverable (answer `command_status`, go on); FramingError is not.
    """
    if len(frame) < HEADER_LENGTH:
        raise FramingError(
            f"a frame of {len(frame)} octets has no header", command_status=CommandStatus.ESME_RINVCMDLEN
        )
    length, command_id, status, sequence = _HEADER.unpack_from(frame)
    if length != len(frame):
        raise FramingError(
            f"command_length is {length}, the frame has {len(frame)} octets",
            command_status=CommandStatus.ESME_RINVCMDLEN,
            command_id=command_id,
            sequence=sequence,
        )
    decoder = _DECODERS.get(command_id)
    if decoder is not None:
        try:
            return decoder(frame, status, sequence)
        except UNUSUAL:
            # The careful decoder below is more patient, or names the fault.
            pass
    return _decode_carefully(frame, command_id, status, sequence)


def response_without_body(error: PduError, status: int) -> Pdu | None:
    """Return the response whose body could not be read, with default fields; None for other commands."""
    cls = PDU_CLASSES.get(error.command_id)
    return cls(sequence=error.sequence, status=status) if cls is not None and cls.is_response else None


def _decode_carefully(frame: bytes, command_id: int, status: int, sequence: int) -> Pdu:
    cls = PDU_CLASSES.get(command_id)
    if cls is None:
        raise UnknownCommand(
            f"command_id 0x{command_id:08X} is unknown",
            command_status=CommandStatus.ESME_RINVCMDID,
            command_id=command_id,
            sequence=sequence,
        )
    return decode_body(cls, frame, status, sequence)


def _is_bare(pdu: Pdu) -> bool:
    return not pdu.tlvs and not any(getattr(pdu, name) for name, _ in wire_table(type(pdu)))


def _frame(pdu: Pdu, body: bytes) -> bytes:
    try:
        return _HEADER.pack(HEADER_LENGTH + len(body), pdu.command_id, pdu.status, pdu.sequence) + body
    except struct.error as error:
        raise FieldError(
            f"{pdu.name}: status and sequence are 32-bit numbers: {error}",
            command_id=pdu.command_id,
            field="sequence",
        ) from error


class Framer:
    """Cuts a byte stream into frames; holds at most one unfinished frame of `max_frame` octets."""

    __slots__ = ("_buffer", "_needed", "max_frame")

    def __init__(self, max_frame: int = DEFAULT_MAX_FRAME) -> None:
        self.max_frame = max_frame
        self._buffer = bytearray()
        self._needed = 0

    @property
    def pending(self) -> int:
        """Octets of a frame that has begun and not ended."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that `data` completes.

        Raises BrokenStream as soon as a length below 16 or above the cap is seen, before room is taken
        for it.
        """
        if self._buffer:
            self._buffer += data
            # A peer that drips one octet at a time must not make us copy the frame every time.
            if len(self._buffer) < self._needed:
                return []
            data = bytes(self._buffer)
            self._buffer = bytearray()
        return self._cut(data)

    def _cut(self, data: bytes) -> list[bytes]:
        frames: list[bytes] = []
        position, end = 0, len(data)
        self._needed = 4
        while end - position >= 4:
            (length,) = _LENGTH.unpack_from(data, position)
            if not HEADER_LENGTH <= length <= self.max_frame:
                raise BrokenStream(length, frames, data[position : position + HEADER_LENGTH])
            if length > end - position:
                self._needed = length
                break
            frames.append(data[position : position + length])
            position += length
        self._buffer += data[position:]
        return frames


class BrokenStream(FramingError):
    """The next command_length is impossible; `frames` are the good ones before it."""

    def __init__(self, length: int, frames: list[bytes], head: bytes) -> None:
        whole = len(head) == HEADER_LENGTH
        super().__init__(
            f"command_length is {length}",
            command_status=CommandStatus.ESME_RINVCMDLEN,
            command_id=_HEADER.unpack(head)[1] if whole else 0,
            sequence=_HEADER.unpack(head)[3] if whole else 0,
        )
        self.frames = frames
