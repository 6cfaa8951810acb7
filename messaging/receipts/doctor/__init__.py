"""The DLR doctor: why receipts of a carrier do not meet their messages, and the rule that would help."""

from messaging.receipts.doctor.clocks import ClockVerdict
from messaging.receipts.doctor.diagnosis import ENOUGH, Finding
from messaging.receipts.doctor.examination import Examination, examine
from messaging.receipts.doctor.proposals import (
    DOCTOR,
    AlreadyDecided,
    accept,
    last_decision,
    look_over,
    open_proposal,
    open_proposals,
    propose,
    reject,
)
from messaging.receipts.doctor.rehoming import rehome
from messaging.receipts.doctor.telling import told

__all__ = [
    "DOCTOR",
    "ENOUGH",
    "AlreadyDecided",
    "ClockVerdict",
    "Examination",
    "Finding",
    "accept",
    "examine",
    "last_decision",
    "look_over",
    "open_proposal",
    "open_proposals",
    "propose",
    "rehome",
    "reject",
    "told",
]
