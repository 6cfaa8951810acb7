"""What went over SMPP links: kept by those who hold the links, read by customers and staff."""

from messaging.wirelog.asked import command_of, number_of, status_of
from messaging.wirelog.entries import EVENT, WAYS, Entry, Subject
from messaging.wirelog.reading import (
    LARGEST_PAGE,
    PAGE,
    Filters,
    Log,
    Page,
    Tail,
    client_log,
    connector_log,
    refused_binds,
    strangers_log,
    wire_log,
)
from messaging.wirelog.storing import DAYS, KEPT, STRANGERS, kept, purge, store, trim

__all__ = [
    "DAYS",
    "EVENT",
    "KEPT",
    "LARGEST_PAGE",
    "PAGE",
    "STRANGERS",
    "WAYS",
    "Entry",
    "Filters",
    "Log",
    "Page",
    "Subject",
    "Tail",
    "client_log",
    "command_of",
    "connector_log",
    "kept",
    "number_of",
    "purge",
    "refused_binds",
    "status_of",
    "store",
    "strangers_log",
    "trim",
    "wire_log",
]
