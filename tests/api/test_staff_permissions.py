"""Every credential at every route: operators' endpoints open to staff keys alone, and those to nothing else."""

import base64

import pytest
from django.test import Client

from accounts.models import AuditEntry, Role
from accounts.staff_keys import issue_staff_key, revoke_staff_key
from api.views.base import StaffView
from messaging.models import Message
from tests.api.lanes import ByDjango
from tests.api.sending import HELLO, SEND, customer
from tests.api.test_permissions import OWNED, STAFF
from tests.support import cast

pytestmark = [pytest.mark.django_db(transaction=True)]
IDS = [path for path, _ in STAFF]


def staff_key(*scopes: str, **fields: object) -> str:
    """The text of a key of a member of staff."""
    return issue_staff_key(user=cast.make_user(role=Role.ADMIN), scopes=scopes or ("read", "operate"), **fields)[1]  # type: ignore[arg-type]


def filled(path: str) -> str:
    return path.replace("<str:name>", "no-such-line")


@pytest.mark.parametrize(("path", "view"), STAFF, ids=IDS)
def test_credentials_of_customers_and_logins_open_no_operators_route(path, view):
    who, lane = customer(), ByDjango()
    plain = staff_key()
    basic = base64.b64encode(f"{who.cast.client.username}:{cast.PASSWORD}".encode()).decode()
    offers = (
        {},
        {"X-API-Key": who.key},
        {"X-Staff-Key": who.key},
        {"Authorization": f"Basic {basic}"},
        {"X-API-Key": plain},
        {"Authorization": f"Bearer {plain}"},
    )
    before = AuditEntry.objects.count()
    for method in view.scopes:
        for offer in offers:
            answer = lane.ask(method, filled(path), None, offer)
            assert (answer.status, answer.json["code"]) in ((401, "invalid_credentials"), (429, "too_many_attempts"))
            assert answer.headers.get("www-authenticate", "").startswith("StaffKey") or answer.status == 429
        browser = Client()
        browser.force_login(cast.make_user())
        assert browser.generic(method, filled(path)).status_code in (401, 429)
        by_url = f"{filled(path)}?user={who.cast.client.username}&password={cast.PASSWORD}"
        assert lane.ask(method, by_url).status in (401, 429)
    assert AuditEntry.objects.count() == before


@pytest.mark.parametrize(("path", "view"), STAFF, ids=IDS)
def test_a_staff_key_opens_what_its_scopes_name_and_nothing_else(path, view):
    lane = ByDjango()
    revoked, text = issue_staff_key(user=cast.make_user(), scopes=["read", "operate"])
    revoke_staff_key(key=revoked)
    for method, scope in view.scopes.items():
        other = {"read": "operate", "operate": "read"}[scope]
        before = AuditEntry.objects.count()
        refused = lane.ask(method, filled(path), None, {"X-Staff-Key": (short := staff_key(other))})
        assert (refused.status, refused.json["code"]) == (403, "forbidden") and scope in refused.json["error"]
        elsewhere = staff_key(scope, ip_whitelist=["198.51.100.7"])
        assert lane.ask(method, filled(path), None, {"X-Staff-Key": elsewhere}).status == 403
        assert lane.ask(method, filled(path), None, {"X-Staff-Key": text}).status == 401
        assert AuditEntry.objects.count() == before + 2, short  # the two keys that were issued
        assert lane.ask(method, filled(path), None, {"X-Staff-Key": staff_key(scope)}).status in (200, 400, 404)


@pytest.mark.parametrize(("path", "view"), OWNED, ids=[path for path, _ in OWNED])
def test_a_staff_key_is_no_credential_of_a_customer(path, view):
    who, lane = customer(), ByDjango()
    sent = who.post(lane, SEND, HELLO).json["message_id"]
    books, rows = who.books, Message.objects.count()
    for method in view.scopes:
        for header in ("X-Staff-Key", "X-API-Key"):
            answer = lane.ask(method, path.replace("<str:message_id>", sent), None, {header: staff_key()})
            assert answer.status == 401, answer.body
    for header in ("X-Staff-Key", "X-API-Key"):
        assert lane.ask("POST", SEND, b'{"to":"971501234567","content":"x"}', {header: staff_key()}).status == 401
    assert who.books == books and Message.objects.count() == rows


def test_operators_routes_are_there_and_closed_by_default():
    assert STAFF
    for path, view in STAFF:
        assert issubclass(view, StaffView), path
        methods = {name.upper() for name in view.http_method_names if hasattr(view, name)} - {"HEAD"}
        assert methods == set(view.scopes), path
        assert set(view.scopes.values()) <= {"read", "operate"}, path
        assert all(scope == "operate" for method, scope in view.scopes.items() if method != "GET"), path


def test_a_key_tells_whose_it_is(lane):
    plain = staff_key("read")
    answer = lane.ask("GET", "/api/v1/staff-key", None, {"X-Staff-Key": plain})
    assert answer.status == 200 and answer.json["scopes"] == ["read"] and plain not in str(answer.json)
    assert answer.json["prefix"] == plain[:12]
