"""Object-level and function-level authorization over every route of the API (reliability S1, S2)."""

import pytest
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from api.views.base import ApiView, StaffView
from api.views.messages import MessagesView
from api.views.sending import PanelSendView, SendView
from messaging.models import Message
from tests.api.lanes import ByDjango
from tests.api.sending import HELLO, SEND, customer, settle
from tests.support import cast

pytestmark = [pytest.mark.django_db(transaction=True)]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PUBLIC = (SpectacularAPIView, SpectacularSwaggerView)
BY_CONTRACT = (SendView, PanelSendView)  # the contract asks for credentials and scope; its own tests prove it


def routes():
    """(path, view class) of everything below /api and /panel/api."""
    found = []

    def walk(patterns, prefix):
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, path)
            elif isinstance(pattern, URLPattern) and path.startswith(("api/", "panel/api/")):
                found.append((f"/{path}", getattr(pattern.callback, "cls", None)))

    walk(get_resolver().url_patterns, "")
    return found


def address(path, sent, owner):
    """The path with the owner's message and the owner's SMPP account in it."""
    esme = cast.make_smpp_client(owner.cast.account).system_id if "<str:system_id>" in path else ""
    return path.replace("<str:message_id>", sent).replace("<str:system_id>", esme)


OURS = [(path, view) for path, view in routes() if view not in PUBLIC + BY_CONTRACT]
# Operators' routes have tests of their own (test_staff_permissions.py).
STAFF = [(path, view) for path, view in OURS if issubclass(view, StaffView)]
OWNED = [pair for pair in OURS if pair not in STAFF]


def test_every_route_is_a_view_of_ours_that_names_its_scopes():
    assert len(routes()) >= 8
    for path, view in OURS:
        assert issubclass(view, ApiView), path
        methods = {name.upper() for name in view.http_method_names if hasattr(view, name)} - {"HEAD"}
        if view is MessagesView:
            methods.discard("POST")
        assert methods == set(view.scopes), path
        assert view.permission_classes and view.authentication_classes, path


@pytest.mark.parametrize(("path", "view"), OWNED, ids=[path for path, _ in OWNED])
@pytest.mark.parametrize("method", METHODS)
def test_nobody_reaches_what_is_not_his(method, path, view):
    lane, owner, other = ByDjango(), customer(), customer("7")
    sent = owner.post(lane, SEND, HELLO | {"content": "private words"}).json["message_id"]
    books, rows = owner.books, Message.objects.count()
    url = address(path, sent, owner)

    stranger = lane.ask(method, url, None, {"X-API-Key": other.key})
    nobody = lane.ask(method, url)

    assert nobody.status in (401, 405), nobody.body
    if "<" in path:
        assert stranger.status in (404, 405), stranger.body
    for answer in (stranger, nobody):
        assert b"private" not in answer.body and sent.encode() not in answer.body
        assert cast.NUMBER.encode() not in answer.body
    assert owner.books == books and Message.objects.count() == rows
    if method == "GET":
        assert owner.get(lane, url).status == 200


@pytest.mark.parametrize(("path", "view"), OWNED, ids=[path for path, _ in OWNED])
def test_a_key_without_the_scope_reaches_nothing(path, view):
    lane, owner = ByDjango(), customer()
    sent = owner.post(lane, SEND, HELLO).json["message_id"]
    for method, scope in view.scopes.items():
        others = sorted({"send", "read", "balance"} - {scope})
        key = cast.make_key(owner.cast.client, scopes=others)
        settle()
        before = owner.books
        answer = lane.ask(method, address(path, sent, owner), None, {"X-API-Key": key})
        assert (answer.status, answer.json["code"], owner.books) == (403, "forbidden", before)
        assert scope in answer.json["error"]


def test_money_and_owner_cannot_be_written_through_a_message():
    lane, owner, other = ByDjango(), customer(), customer()
    for field in ("account", "account_id", "price", "unit_price", "status", "charge", "rate", "cost", "id", "is_staff"):
        before = owner.books
        answer = owner.post(lane, "/api/v1/messages", HELLO | {field: other.cast.account.pk})
        assert (answer.status, answer.json["code"], owner.books) == (400, "unknown_field", before)
