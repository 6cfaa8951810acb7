"""Messages of three parts over carriers that report on some of them, for the tests."""

from messaging.models import Status
from smpp.constants import MessageState
from tests.messaging.underway import part_of, state_of
from tests.support.cast import customer, make_connector

D, U = MessageState.DELIVERED, MessageState.UNDELIVERABLE
WORDS = {Status.DELIVERED: "D", Status.UNDELIVERED: "U", Status.SUBMITTED: "-", Status.UNKNOWN: "?"}
SPEAKER = {"first": 1, "last": 3, "any": 2}  # a part that each mode listens to
SHARED = sorted(SPEAKER)
PARTS = (1, 2, 3)


def paying_on_delivery(mode, **line):
    """A customer who gets back every part that is not delivered, over a carrier that reports so."""
    return customer(connector=make_connector(dlr_parts=mode, **line), charge_on="delivery")


def states(message):
    """The parts of three: D delivered, U undelivered, - submitted, ? unknown."""
    return "".join(WORDS[Status(state_of(message, seq))] for seq in PARTS)


def matched(message):
    """How each part met its receipt."""
    return [part_of(message, seq).matched_by for seq in PARTS]


def answer_all(line, message, order=PARTS):
    """The carrier takes the parts one by one."""
    for seq in order:
        line.answer(message, seq=seq)
