"""/api/v1/messages: send, list, look up, follow, call back."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.credentials import Caller
from api import listing
from api.schema import examples, shapes
from api.views.base import ApiView, send
from common.money import quantize
from messaging import selectors, status
from messaging.cancel import cancel
from messaging.commands import public_id
from messaging.models import Message, Status
from messaging.selectors import Seen
from messaging.trace import trace

_FILTERS = [
    OpenApiParameter("to", str),
    OpenApiParameter("from", str),
    OpenApiParameter("status", str, description="A word for customers (DELIVRD …) or one of ours (DELIVERED …)"),
    OpenApiParameter("client_ref", str),
    OpenApiParameter("tag", str),
    OpenApiParameter("created_after", str, description="ISO 8601 with offset"),
    OpenApiParameter("created_before", str, description="ISO 8601 with offset"),
    OpenApiParameter("cursor", str, description="`next_cursor` of the page before"),
    OpenApiParameter("limit", int, description="1 to 500, default 50"),
]


class MessagesView(ApiView):
    """The list, and the front door for one message or up to 10,000."""

    scopes = {"GET": "read"}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """A POST is the contract's, which asks for credentials and scope itself."""
        if request.method != "POST":
            super().initial(request, *args, **kwargs)

    @extend_schema(
        tags=["Messages"],
        operation_id="list_messages",
        summary="List messages, newest first",
        parameters=_FILTERS,
        responses={200: shapes.MessagePage, **shapes.BAD_FILTER, **shapes.READ_RESPONSES},
        examples=examples.LIST,
    )
    def get(self, request: Request) -> Response:
        query = request.query_params.dict()
        listing.check_names(query)
        page = selectors.page(
            account_id=self.caller(request).account.id,
            filters=listing.read_filters(query),
            cursor=listing.read_cursor(query),
            limit=listing.read_limit(query),
        )
        told = [told_of(seen) for seen in page.items]
        return Response({"ok": True, "messages": told, "next_cursor": listing.write_cursor(page.cursor)})

    @extend_schema(
        tags=["Messages"],
        operation_id="send_messages",
        summary="Send one message or up to 10,000",
        description="In a list each message is accepted or refused on its own, and answered in order.",
        parameters=[shapes.IDEMPOTENCY_KEY],
        request=shapes.SEND_REQUEST,
        responses=shapes.SEND_RESPONSES,
        examples=examples.SEND,
    )
    def post(self, request: Request) -> HttpResponse:
        return send(request, "/api/v1/messages")


class MessageView(ApiView):
    """One message of the caller's account; anybody else's does not exist."""

    scopes = {"GET": "read", "DELETE": "send"}

    @extend_schema(
        tags=["Messages"],
        operation_id="get_message",
        summary="Look one message up",
        responses={200: shapes.OneMessage, **shapes.NOT_FOUND, **shapes.READ_RESPONSES},
        examples=examples.ONE,
    )
    def get(self, request: Request, message_id: str) -> Response:
        return Response({"ok": True, **told_of(_found(self.caller(request), message_id))})

    @extend_schema(
        tags=["Messages"],
        operation_id="cancel_message",
        summary="Cancel a message that has not left",
        description="All parts or none; what was charged is refunded.",
        responses={200: shapes.Cancelled, **shapes.NOT_FOUND, **shapes.CONFLICT, **shapes.READ_RESPONSES},
        examples=examples.CANCEL,
    )
    def delete(self, request: Request, message_id: str) -> Response:
        message = _found(self.caller(request), message_id).message
        cancel(account_id=message.account_id, message_id=message.id)
        return Response({"ok": True, "message_id": _id_of(message), "status": status.told(Status.CANCELLED)})


class TraceView(ApiView):
    """What happened to one message."""

    scopes = {"GET": "read"}

    @extend_schema(
        tags=["Messages"],
        operation_id="trace_message",
        summary="Follow one message",
        responses={200: shapes.Trace, **shapes.NOT_FOUND, **shapes.READ_RESPONSES},
        examples=examples.TRACE,
    )
    def get(self, request: Request, message_id: str) -> Response:
        message = _found(self.caller(request), message_id).message
        events = trace(message.account_id, message.id)
        return Response({"ok": True, "message_id": _id_of(message), "events": events})


def _found(caller: Caller, message_id: str) -> Seen:
    """The caller's message, named with or without `queued_`; raises Rejected NOT_FOUND."""
    return selectors.get(account_id=caller.account.id, message_id=selectors.parse_public_id(message_id))


def _id_of(message: Message) -> str:
    """The id that was given first stays the id for ever, however it was asked for (requirements 1C)."""
    return public_id(message.id, over_limit=message.over_limit)


def told_of(seen: Seen) -> dict[str, Any]:
    """What a customer sees of a message: no cost, no connector, no route."""
    message = seen.message
    return {
        "message_id": _id_of(message),
        "to": message.recipient,
        "from": message.sender,
        "content": message.content,
        "encoding": message.encoding,
        "parts": message.parts,
        "status": seen.told,
        "error_code": message.error_code,
        "error": message.error,
        "traffic_class": message.lane,
        "client_ref": message.client_ref,
        "tags": message.tags or [],
        "price": str(quantize(message.price)),
        "created_at": message.created_at,
        "send_at": message.send_at,
        "done_at": message.done_at,
    }
