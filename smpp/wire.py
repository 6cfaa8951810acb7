"""The careful way in and out of the wire: field by field, with the exact fault named.

The compiled functions of `smpp.compiler` handle what is well formed; whatever they refuse comes here.
"""

import struct
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from smpp.errors import BodyError, FieldError
from smpp.fields import WIRE, Wire
from smpp.pdu import DistributionList, Pdu, SmeAddress, UnsuccessSme
from smpp.statuses import CommandStatus
from smpp.tlvs import Tlvs, pack_tlvs, unpack_tlvs

_ADDRESS_LIMIT = 20
_FAILURE_CODE = struct.Struct(">L")


def wire_table(cls: type[Pdu]) -> list[tuple[str, Wire]]:
    """Return (field name, wire kind) of a PDU class in wire order."""
    return [(item.name, item.metadata[WIRE]) for item in fields(cls) if WIRE in item.metadata]


def encode_body(pdu: Pdu, *, lenient: bool = False) -> bytes:
    """Return the body; raises FieldError naming the field. `lenient` allows what we accept from peers."""
    parts = []
    for name, wire in wire_table(type(pdu)):
        limit = wire.accepted if lenient else wire.limit
        try:
            parts.append(_WRITERS[wire.kind](getattr(pdu, name), limit))
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise FieldError(
                f"{pdu.name}.{name}: {error}",
                command_status=wire.status,
                command_id=pdu.command_id,
                sequence=pdu.sequence if isinstance(pdu.sequence, int) else 0,
                field=name,
            ) from error
    parts.append(pack_tlvs(pdu.tlvs))
    return b"".join(parts)


def decode_body(cls: type[Pdu], frame: bytes, status: int, sequence: int) -> Pdu:
    """Return the PDU of a whole frame; raises BodyError naming the field and the status to answer.

    Responses are read with more patience, because their request has already had its effect: a field that
    an error response leaves out takes its default, and the last string may lack its NUL.
    """
    reader = _Reader(frame, patient=cls.is_response)
    pdu = cls(sequence=sequence, status=status)
    for name, wire in wire_table(cls):
        if cls.is_response and reader.at_end:
            break
        try:
            setattr(pdu, name, reader.read(wire))
        except ValueError as error:
            if cls.is_response and status:
                return pdu
            raise _body_error(pdu, f"{cls.name}.{name}: {error}", _blame(wire, error), name) from error
    pdu.tlvs = _decode_tlvs(pdu, frame, reader.position)
    return pdu


def _decode_tlvs(pdu: Pdu, frame: bytes, position: int) -> Tlvs:
    try:
        return unpack_tlvs(frame, position)
    except ValueError as error:
        if pdu.is_response:
            return Tlvs()
        raise _body_error(pdu, str(error), CommandStatus.ESME_RINVOPTPARSTREAM, "tlvs") from error


def _body_error(pdu: Pdu, message: str, status: int, name: str) -> BodyError:
    return BodyError(message, command_status=status, command_id=pdu.command_id, sequence=pdu.sequence, field=name)


class _Fault(ValueError):
    """A fault that has a command_status of its own, whatever the field."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def _cut_off(message: str) -> _Fault:
    return _Fault(message, CommandStatus.ESME_RINVCMDLEN)


def _blame(wire: Wire, error: ValueError) -> int:
    return error.status if isinstance(error, _Fault) else wire.status


class _Reader:
    """A position in a frame; every read raises ValueError instead of running past the end."""

    def __init__(self, frame: bytes, *, patient: bool) -> None:
        self.frame = frame
        self.position = 16
        self.patient = patient

    @property
    def at_end(self) -> bool:
        return self.position >= len(self.frame)

    def read(self, wire: Wire) -> Any:
        if wire.kind == "cstring":
            return self.cstring(wire.accepted)
        if wire.kind == "int8":
            return self.octets(1)[0]
        if wire.kind == "octets8":
            return self._counted_octets(wire.accepted)
        if wire.kind == "destinations":
            return self._destinations()
        return [self._failure() for _ in range(self.octets(1)[0])]

    def octets(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.frame):
            raise _cut_off(f"{count} octets expected, {len(self.frame) - self.position} left")
        value = self.frame[self.position : end]
        self.position = end
        return value

    def cstring(self, limit: int) -> str:
        end = self.frame.find(b"\0", self.position)
        if end < 0 and not self.patient:
            raise _cut_off("no closing NUL")
        value = self.frame[self.position : end if end >= 0 else len(self.frame)]
        if len(value) > limit and not self.patient:
            raise ValueError(f"{len(value)} octets, at most {limit} allowed")
        self.position += len(value) + 1
        return value.decode("latin-1")

    def _counted_octets(self, limit: int) -> bytes:
        count = self.octets(1)[0]
        if count > limit:
            raise ValueError(f"{count} octets, at most {limit} allowed")
        if count > len(self.frame) - self.position:
            raise ValueError(f"sm_length is {count}, {len(self.frame) - self.position} octets left")
        return self.octets(count)

    def _destinations(self) -> list[SmeAddress | DistributionList]:
        count = self.octets(1)[0]
        if count == 0:
            raise ValueError("no destination")
        return [self._destination() for _ in range(count)]

    def _destination(self) -> SmeAddress | DistributionList:
        flag = self.octets(1)[0]
        if flag == 1:
            ton, npi = self.octets(2)
            return SmeAddress(ton, npi, self.cstring(_ADDRESS_LIMIT))
        if flag == 2:
            return DistributionList(self.cstring(_ADDRESS_LIMIT))
        raise _Fault(f"dest_flag is {flag}", CommandStatus.ESME_RINVDESTFLAG)

    def _failure(self) -> UnsuccessSme:
        ton, npi = self.octets(2)
        address = self.cstring(_ADDRESS_LIMIT)
        return UnsuccessSme(ton, npi, address, _FAILURE_CODE.unpack(self.octets(4))[0])


def _write_int8(value: int, limit: int) -> bytes:
    if not isinstance(value, int) or not 0 <= value <= limit:
        raise ValueError(f"{value!r} is not a number from 0 to {limit}")
    return bytes((value,))


def _write_cstring(value: str, limit: int) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"text expected, not {type(value).__name__}")
    if len(value) > limit or "\0" in value:
        raise ValueError(f"text of at most {limit} characters without NUL expected")
    return value.encode("latin-1") + b"\0"


def _write_octets8(value: bytes, limit: int) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"bytes expected, not {type(value).__name__}")
    if len(value) > limit:
        raise ValueError(f"{len(value)} octets, at most {limit} allowed")
    return bytes((len(value),)) + value


def _write_destinations(value: list[SmeAddress | DistributionList], limit: int) -> bytes:
    if not 1 <= len(value) <= limit:
        raise ValueError(f"1 to {limit} destinations expected, not {len(value)}")
    return bytes((len(value),)) + b"".join([_write_destination(item) for item in value])


def _write_destination(item: SmeAddress | DistributionList) -> bytes:
    if isinstance(item, DistributionList):
        return b"\x02" + _write_cstring(item.dl_name, _ADDRESS_LIMIT)
    return b"\x01" + _write_address(item)


def _write_address(item: SmeAddress | UnsuccessSme) -> bytes:
    numbers = _write_int8(item.dest_addr_ton, 255) + _write_int8(item.dest_addr_npi, 255)
    return numbers + _write_cstring(item.destination_addr, _ADDRESS_LIMIT)


def _write_failures(value: list[UnsuccessSme], limit: int) -> bytes:
    if len(value) > limit:
        raise ValueError(f"at most {limit} failures, not {len(value)}")
    parts = [_write_address(item) + item.error_status_code.to_bytes(4, "big") for item in value]
    return bytes((len(value),)) + b"".join(parts)


_WRITERS: dict[str, Callable[[Any, int], bytes]] = {
    "int8": _write_int8,
    "cstring": _write_cstring,
    "octets8": _write_octets8,
    "destinations": _write_destinations,
    "failures": _write_failures,
}
