"""Staff pages of messages and what became of them: to look at, never to change."""

from messaging.admin import deliveries, internals, messages, proposals, receipts, waiting

__all__ = ["deliveries", "internals", "messages", "proposals", "receipts", "waiting"]
