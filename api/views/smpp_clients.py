"""/api/v1/smpp-clients: a customer's own SMPP accounts: who is bound, what went over the wire, what was refused."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import binds
from accounts.models import ClientBind, SmppClient
from api import listing
from api.schema import examples, shapes
from api.views.base import ApiView
from common.errors import Code, Rejected
from messaging.fields import is_clean
from messaging.wirelog import Log, client_log, refused_binds, wire_log

_SYSTEM_ID = OpenApiParameter("system_id", str, OpenApiParameter.PATH, description="One of your own")
_PAGING = [OpenApiParameter("cursor", str, description="`next_cursor` of the page before")]
LOG_FILTERS = [
    OpenApiParameter("command", str, description="submit_sm: with its answers; submit_sm_resp: the answers alone"),
    OpenApiParameter("status", str, description="command_status of answers: 88, 0x58 or ESME_RTHROTTLED"),
    OpenApiParameter("errors", str, enum=["0", "1"], description="1: what was refused, with its requests, and events"),
    OpenApiParameter("number", str, description="1 to 20 digits in any address"),
    OpenApiParameter("message_id", str, description="In an answer, a question or a receipt"),
    OpenApiParameter("since", str, description="ISO 8601 with offset"),
    OpenApiParameter("until", str, description="ISO 8601 with offset"),
    *_PAGING,
    OpenApiParameter("limit", int, description="1 to 1,000, default 100"),
]
_BIND_FILTERS = [_SYSTEM_ID, *_PAGING, OpenApiParameter("limit", int, description="1 to 500, default 50")]
LOG_NAMES = frozenset(parameter.name for parameter in LOG_FILTERS)


class SmppClientsView(ApiView):
    """The SMPP accounts of the caller's account."""

    scopes = {"GET": "read"}

    @extend_schema(
        tags=["SMPP"],
        operation_id="list_smpp_clients",
        summary="Your SMPP accounts and who is bound now",
        responses={200: shapes.SmppClients, **shapes.BAD_FILTER, **shapes.READ_RESPONSES},
        examples=examples.SMPP_CLIENTS,
    )
    def get(self, request: Request) -> Response:
        listing.check_names(request.query_params.dict(), frozenset())
        clients = binds.own_clients(self.caller(request).account.id)
        up = binds.live(clients)
        return Response({"ok": True, "smpp_clients": [_client(client, up[client.pk]) for client in clients]})


class SmppLogView(ApiView):
    """The last 1,000 PDUs of one SMPP account, decoded, and who tried its system_id in vain."""

    scopes = {"GET": "read"}

    @extend_schema(
        tags=["SMPP"],
        operation_id="smpp_log",
        summary="What went over the wire, newest first",
        description="The last 1,000 PDUs of all your binds and the last 200 of refused ones, at most seven days old, "
        "about three seconds behind. `reason` says in words why something was refused. Passwords are never kept.",
        parameters=[_SYSTEM_ID, *LOG_FILTERS],
        responses={200: shapes.SmppLog, **shapes.BAD_FILTER, **shapes.NO_SMPP_CLIENT, **shapes.READ_RESPONSES},
        examples=examples.SMPP_LOG,
    )
    def get(self, request: Request, system_id: str) -> Response:
        client = _own(self, request, system_id)
        query = request.query_params.dict()
        return log_page(client_log(client), query, texts=True)  # his own


class SmppBindsView(ApiView):
    """The binds of one SMPP account: those that are up, those that were and why they ended, those that were refused."""

    scopes = {"GET": "read"}

    @extend_schema(
        tags=["SMPP"],
        operation_id="smpp_binds",
        summary="Bind history, newest first",
        description="Binds of the last 30 days; `refused`, on the first page: the last 50 refused ones of seven days.",
        parameters=_BIND_FILTERS,
        responses={200: shapes.SmppBinds, **shapes.BAD_FILTER, **shapes.NO_SMPP_CLIENT, **shapes.READ_RESPONSES},
        examples=examples.SMPP_BINDS,
    )
    def get(self, request: Request, system_id: str) -> Response:
        client = _own(self, request, system_id)
        query = request.query_params.dict()
        listing.check_names(query, frozenset({"cursor", "limit"}))
        before = listing.read_cursor(query)
        page = binds.history(client, before=before, limit=listing.read_limit(query))
        return Response(
            {
                "ok": True,
                "binds": [_bind(bind) for bind in page.items],
                "refused": [] if before else refused_binds(client_log(client)),
                "next_cursor": listing.write_cursor(page.cursor),
            }
        )


def log_page(log: Log, query: dict[str, str], *, texts: bool) -> Response:
    """A page of a wire log by the parameters LOG_FILTERS; raises Rejected on a wrong one."""
    listing.check_names(query, LOG_NAMES)
    page = wire_log(
        log,
        filters=listing.read_wire_filters(query),
        texts=texts,
        limit=listing.read_limit(query, usual=100, largest=1_000),
        before=listing.read_entry_cursor(query),
    )
    return Response({"ok": True, "entries": page.items, "next_cursor": page.cursor})


def _own(view: ApiView, request: Request, system_id: str) -> SmppClient:
    """The caller's SMPP account of this name; anybody else's does not exist."""
    known = is_clean(system_id) and binds.own_client(view.caller(request).account.id, system_id)
    if not known:
        raise Rejected(Code.NOT_FOUND, "There is no such SMPP account.")
    return known


def _client(client: SmppClient, up: list[ClientBind]) -> dict[str, Any]:
    return {
        "system_id": client.system_id,
        "active": client.active,
        "max_binds": client.max_binds,
        "bind_modes": client.bind_modes,
        "tls_only": client.tls_only,
        "ip_whitelist": client.ip_whitelist,
        "tps": client.tps,
        "window": client.window,
        "deliver_window": client.deliver_window,
        "enquire_link_seconds": client.enquire_link_seconds,
        "inactivity_seconds": client.inactivity_seconds,
        "default_alphabet": client.default_alphabet,
        "id_style": client.id_style,
        "receipt_options": client.receipt_options,
        "default_sender": client.default_sender,
        "traffic_class": client.traffic_class,
        "binds": [_bind(bind) for bind in up],
    }


def _bind(bind: ClientBind) -> dict[str, Any]:
    return {
        "id": str(bind.pk),
        "mode": bind.mode,
        "version": f"{bind.version >> 4}.{bind.version & 15}",
        "tls": bind.tls,
        "link": f"{bind.address}:{bind.port}",
        "since": bind.since,
        "ended_at": bind.ended_at,
        "reason": bind.reason,
        "submitted": bind.submitted,
        "refused": bind.refused,
        "delivered": bind.delivered,
    }
