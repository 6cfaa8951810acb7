"""Delivery reports of carriers: stored as they came, matched to parts, settled once."""

from messaging.receipts.keys import Side, provider_key
from messaging.receipts.line import RECORD, TRIES, ask, record_line_events, record_waiting, store
from messaging.receipts.reading import OnText, TextPdu

__all__ = [
    "RECORD",
    "TRIES",
    "OnText",
    "Side",
    "TextPdu",
    "ask",
    "provider_key",
    "record_line_events",
    "record_waiting",
    "store",
]
