"""The life of one outbound message, in rows."""

from messaging.models.delivery import Delivery, DeliveryAttempt
from messaging.models.hints import IdempotencyKey, LineBatch, OutboxBatch, ReceiptSeen
from messaging.models.message import Attempt, Message, MessageEvent, Part, Status, TrafficCount
from messaging.models.proposal import IdRuleProposal
from messaging.models.receipt import Receipt
from messaging.models.wire import WireLog

__all__ = [
    "Attempt",
    "Delivery",
    "DeliveryAttempt",
    "IdRuleProposal",
    "IdempotencyKey",
    "LineBatch",
    "Message",
    "MessageEvent",
    "OutboxBatch",
    "Part",
    "Receipt",
    "ReceiptSeen",
    "Status",
    "TrafficCount",
    "WireLog",
]
