"""What an error answer means for the message (spec/smpp.md 5.7), with the connector's overrides."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple, TypeVar
from uuid import UUID

import structlog

from common.errors import SendKind
from messaging.claims import ClaimedPart
from smpp.constants import CommandStatus
from smpp.status_classes import StatusClass, classify

log = structlog.get_logger(__name__)

K = TypeVar("K")
V = TypeVar("V")

_KINDS = {
    StatusClass.THROTTLE: SendKind.THROTTLED,
    StatusClass.BUSY: SendKind.BUSY,
    StatusClass.TEMPORARY: SendKind.TEMPORARY,
    StatusClass.ROUTE: SendKind.ROUTE,
    StatusClass.PERMANENT: SendKind.PERMANENT,
    StatusClass.SESSION: SendKind.SESSION,
    StatusClass.BIND: SendKind.SESSION,
}
BUSY_IN_A_ROW = 3  # RMSGQFUL for one number: then it is that subscriber's queue, not the carrier's
NUMBERS = 10_000
# "Wrong command": of everything it is the fault of the session, of one message again and again it is the message.
_OF_THE_PDU = frozenset({CommandStatus.ESME_RINVCMDLEN, CommandStatus.ESME_RINVCMDID})
GUILTY, GUILTY_ALONE = 3, 10  # such answers to one part, others being taken in between; and when nothing was
PARTS = 10_000


class Verdicts:
    """Judges answers; remembers for which numbers RMSGQFUL came in a row, and which parts end sessions."""

    def __init__(self, overrides: Mapping[str, str]) -> None:
        self._busy: OrderedDict[str, int] = OrderedDict()
        self._ended: OrderedDict[UUID, _Ended] = OrderedDict()
        self._overrides = _table(overrides)
        self._taken = 0

    def accepted(self, part: ClaimedPart) -> None:
        """The carrier took it: the row of RMSGQFUL is broken."""
        self._taken += 1
        if self._busy:
            self._busy.pop(part.recipient, None)

    def judge(self, part: ClaimedPart, status: int) -> SendKind:
        """The kind of failure, by the operator's word or the table. BUSY turns into TEMPORARY (counted, this message
        alone) the third time; a part that costs one session after the other goes elsewhere (ROUTE)."""
        kind = self._overrides.get(status) or _KINDS.get(classify(status), SendKind.TEMPORARY)
        if kind is SendKind.SESSION and status in _OF_THE_PDU:
            return SendKind.ROUTE if self._ends_sessions(part) else kind
        if kind is SendKind.BUSY and self._is_busy(part):
            return SendKind.TEMPORARY
        return kind

    def _is_busy(self, part: ClaimedPart) -> bool:
        seen = self._busy.pop(part.recipient, 0) + 1
        if seen >= BUSY_IN_A_ROW:
            return True
        _keep(self._busy, part.recipient, seen, NUMBERS)
        return False

    def _ends_sessions(self, part: ClaimedPart) -> bool:
        was = self._ended.pop(part.part_id, _Ended(0, 0, -1))
        now = _Ended(was.times + 1, was.guilty + (was.taken != self._taken), self._taken)
        if now.guilty >= GUILTY or now.times >= GUILTY_ALONE:
            return True
        _keep(self._ended, part.part_id, now, PARTS)
        return False


class _Ended(NamedTuple):
    """How often a part ended a session, how often others had been taken since the time before, and how many by then."""

    times: int
    guilty: int
    taken: int


def _keep(memory: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    memory[key] = value
    if len(memory) > most:
        memory.popitem(last=False)


def _table(overrides: Mapping[str, str]) -> dict[int, SendKind]:
    """What the operator wrote, without what makes no sense: one typing error must not stop the bind."""
    table = {}
    for code, name in overrides.items():
        try:
            table[int(str(code), 0)] = SendKind(name)
        except ValueError:
            log.error("error_class_ignored", code=code, name=name)
    return table
