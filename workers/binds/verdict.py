"""What an error answer means for the message (spec/smpp.md 5.7), with the connector's overrides."""

from collections import OrderedDict
from collections.abc import Mapping

import structlog

from common.errors import SendKind
from messaging.claims import ClaimedPart
from smpp.status_classes import StatusClass, classify

log = structlog.get_logger(__name__)

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


class Verdicts:
    """Judges answers; remembers for which numbers RMSGQFUL came in a row."""

    def __init__(self, overrides: Mapping[str, str]) -> None:
        self._busy: OrderedDict[str, int] = OrderedDict()
        self._overrides = _table(overrides)

    def accepted(self, part: ClaimedPart) -> None:
        """The carrier took it: the row of RMSGQFUL is broken."""
        if self._busy:
            self._busy.pop(part.recipient, None)

    def judge(self, part: ClaimedPart, status: int) -> SendKind:
        """The kind of failure; BUSY turns into TEMPORARY (counted, this message alone) the third time."""
        kind = _KINDS.get(classify(status, self._overrides), SendKind.TEMPORARY)
        if kind is not SendKind.BUSY:
            return kind
        seen = self._busy.pop(part.recipient, 0) + 1
        if seen >= BUSY_IN_A_ROW:
            return SendKind.TEMPORARY
        self._busy[part.recipient] = seen
        if len(self._busy) > NUMBERS:
            self._busy.popitem(last=False)
        return SendKind.BUSY


def _table(overrides: Mapping[str, str]) -> dict[int, StatusClass]:
    """What the operator wrote, without what makes no sense: one typing error must not stop the bind."""
    table = {}
    for code, name in overrides.items():
        try:
            table[int(str(code), 0)] = StatusClass(name)
        except ValueError:
            log.error("error_class_ignored", code=code, name=name)
    return table
