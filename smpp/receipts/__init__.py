"""Delivery receipts: a tolerant reader, a strict writer, and the rules that make two ids comparable."""

from smpp.receipts.ids import ID_RULES, normalise_id
from smpp.receipts.reader import NetworkError, Receipt, is_receipt, read_receipt
from smpp.receipts.scanner import USUAL, parse_date
from smpp.receipts.words import STAT_WORDS, is_final, state_of_word
from smpp.receipts.writer import receipt_text, receipt_tlvs, write_receipt

__all__ = [
    "ID_RULES",
    "STAT_WORDS",
    "USUAL",
    "NetworkError",
    "Receipt",
    "is_final",
    "is_receipt",
    "normalise_id",
    "parse_date",
    "read_receipt",
    "receipt_text",
    "receipt_tlvs",
    "state_of_word",
    "write_receipt",
]
