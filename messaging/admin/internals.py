"""Hints and short-lived tables, for superadmins who look for what is stuck."""

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest

from common.staff import TrafficAdmin, same_id
from common.unfold import display
from messaging.models import IdempotencyKey, LineBatch, OutboxBatch, ReceiptSeen, TrafficCount, WireLog


class InternalAdmin(TrafficAdmin):
    """A short table, all of it."""

    superadmin_only = True
    list_filter = ()


@admin.register(OutboxBatch)
class OutboxBatchAdmin(InternalAdmin):
    """Part ids that a queue must still be told of."""

    list_display = ("id", "connector", "lane", "part_count", "created_at")
    list_select_related = ("connector",)

    @display(description="parts")
    def part_count(self, batch: OutboxBatch) -> int:
        return batch.parts.count(",") + 1


@admin.register(LineBatch)
class LineBatchAdmin(InternalAdmin):
    """What came over binds and is not recorded yet."""

    list_display = ("id", "connector", "bind_no", "pdu_count", "tries", "next_try_at", "error", "received_at")
    list_select_related = ("connector",)

    @display(description="PDUs")
    def pdu_count(self, batch: LineBatch) -> int:
        return batch.pdus.count(",") + 1


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(InternalAdmin):
    """Answers that are given again for the same key."""

    list_display = ("id", "account", "key", "created_at")
    list_select_related = ("account",)
    search_help_text = "Id or key, exactly"

    def exactly(self, term: str) -> Q | None:
        """By id, or by key."""
        by_id = same_id("pk", term)
        return Q(key=term) if by_id is None else by_id


@admin.register(ReceiptSeen)
class ReceiptSeenAdmin(InternalAdmin):
    """Digests by which a repeated receipt is known."""

    list_display = ("id", "connector", "shown_digest", "seen_at")
    list_select_related = ("connector",)
    search_fields = ()
    exclude = ("digest",)

    def get_fields(self, request: HttpRequest, obj: ReceiptSeen | None = None) -> tuple[str, ...]:
        return ("connector", "shown_digest", "seen_at")

    @display(description="digest")
    def shown_digest(self, seen: ReceiptSeen) -> str:
        return bytes(seen.digest).hex()


@admin.register(WireLog)
class WireLogAdmin(InternalAdmin):
    """What SMPP links carried, packed; `manage.py smpp_log` and the API read it."""

    list_display = ("id", "kind", "key", "process", "count", "since", "until")
    search_fields = ()
    exclude = ("entries",)


@admin.register(TrafficCount)
class TrafficCountAdmin(TrafficAdmin):
    """Hourly counters from which dashboards and reports are made."""

    list_display = ("hour", "account", "connector", "measure", "messages", "parts", "amount")
    list_select_related = ("account", "connector")
    list_filter = ()
    search_fields = ()
