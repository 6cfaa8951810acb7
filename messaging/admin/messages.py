from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from common.phone import InvalidNumber, normalise
from common.queues import Lane
from common.staff import ReadOnlyInline, Since, TrafficAdmin, same_id
from common.staff.lists import TrafficList
from common.unfold import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter, display
from messaging.admin.words import COLOURS
from messaging.commands import public_id
from messaging.models import Attempt, Message, MessageEvent, Part, Status
from messaging.selectors import seen, with_status

HIDDEN_TEXT = "(one-time password, hidden)"


class PartInline(ReadOnlyInline):
    """The segments of the message."""

    model = Part
    fields = ("seq", "connector", "status", "attempts", "provider_id", "submitted_at", "done_at", "error_code")
    ordering = ("pk",)
    show_change_link = True


class MessageList(TrafficList):
    """Messages with what they show now: the column waits for the end, the parts know more (messaging.selectors)."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: list[Any] = list(self.result_list)
        for told in seen(self.result_list):
            told.message.status_now = told.status  # type: ignore[attr-defined]


class StatusNow(DropdownFilter):
    """By the status that is shown."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value, str(status.label)) for status in Status]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        return with_status(queryset, str(self.value())) if self.value() in Status.values else queryset


@admin.register(Message)
class MessageAdmin(TrafficAdmin):
    """Message Logs (S0-25)."""

    list_display = (
        "shown_id",
        "direction",
        "sender",
        "recipient",
        "text",
        "connector",
        "source",
        "user",
        "shown_status",
        "dlr",
        "encoding",
        "price",
        "shown_error",
        "created_at",
    )
    list_select_related = ("account", "api_client", "smpp_client", "connector")
    list_filter = (
        Since,
        ("account", AutocompleteSelectFilter),
        ("connector", AutocompleteSelectFilter),
        StatusNow,
    )
    nothing_yet = "No messages yet"
    search_help_text = "Message id (with or without queued_) or recipient's number, exactly"
    exclude = ("content", "udh")
    inlines = (PartInline,)

    def exactly(self, term: str) -> Q | None:
        """By id, or by recipient (indexed)."""
        by_id = same_id("pk", term)
        if by_id is not None:
            return by_id
        try:
            return Q(recipient=normalise(term, allow_short=True))
        except InvalidNumber:
            return None

    # Only superadmins read one-time passwords (reliability S22).
    def get_list_display(self, request: HttpRequest) -> list[Any]:
        shown = super().get_list_display(request)
        return shown if request.user.is_superuser else ["text_without_otp" if c == "text" else c for c in shown]

    def get_fields(self, request: HttpRequest, obj: Message | None = None) -> Any:
        text = "text" if request.user.is_superuser else "text_without_otp"
        return ("shown_id", text, *(name for name in super().get_fields(request, obj) if name != "shown_id"))

    @display(description="ID")
    def shown_id(self, message: Message) -> str:
        return public_id(message.pk, over_limit=message.over_limit)

    @display(description="dir")
    def direction(self, message: Message) -> str:
        return "MT"

    @display(description="message")
    def text(self, message: Message) -> str:
        return message.content

    @display(description="message")
    def text_without_otp(self, message: Message) -> str:
        return HIDDEN_TEXT if message.lane == Lane.OTP else message.content

    @display(description="user")
    def user(self, message: Message) -> str:
        credential = message.api_client or message.smpp_client
        return f"{message.account}: {credential}" if credential else str(message.account)

    @display(description="status", label=COLOURS)
    def shown_status(self, message: Any) -> str:
        return str(message.status_now)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[TrafficList]:
        return MessageList

    @display(description="error")
    def shown_error(self, message: Message) -> str:
        return " ".join(word for word in (message.error_code, message.error) if word)


class OfMessages(TrafficAdmin):
    """Rows that are found by the id of their message."""

    def exactly(self, term: str) -> Q | None:
        """By its own id or the message's."""
        own, of_message = same_id("pk", term), same_id("message_id", term)
        return own | of_message if own is not None and of_message is not None else None


@admin.register(Part)
class PartAdmin(OfMessages):
    """Segments on the wire."""

    list_display = (
        "id",
        "message_id",
        "seq",
        "connector",
        "lane",
        "shown_status",
        "attempts",
        "provider_id",
        "submitted_at",
        "done_at",
        "error_code",
        "possible_duplicate",
    )
    list_select_related = ("connector",)
    list_filter = (Since, ("connector", AutocompleteSelectFilter), ("status", ChoicesDropdownFilter))
    search_help_text = "Part or message id, or the provider's id, exactly"

    def exactly(self, term: str) -> Q | None:
        """By id, or by the provider's id as the connector's rule spells it (indexed)."""
        found = super().exactly(term)
        return Q(provider_key=term) if found is None else found

    @display(description="status", label=COLOURS)
    def shown_status(self, part: Part) -> str:
        return part.status


@admin.register(Attempt)
class AttemptAdmin(OfMessages):
    """Tries that ended without success, or were followed by another."""

    list_display = (
        "id",
        "message_id",
        "part_id",
        "number",
        "connector",
        "bind_no",
        "outcome",
        "command_status",
        "error",
        "started_at",
        "ended_at",
    )
    list_select_related = ("connector",)
    list_filter = (Since, ("connector", AutocompleteSelectFilter))
    search_help_text = "Attempt or message id, exactly"


@admin.register(MessageEvent)
class MessageEventAdmin(OfMessages):
    """Conflicts, illegal transitions, operators' deeds."""

    list_display = ("id", "message_id", "part_id", "at", "kind", "data")
    search_help_text = "Event or message id, exactly"
