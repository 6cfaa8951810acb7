"""Every list, add page and change page of every registered model, generated from the registry."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEntry
from common.staff import ReadOnlyAdmin, TrafficAdmin
from tests.admin.browser import untouched
from tests.admin.rows import MAKE, PLANTED

pytestmark = pytest.mark.django_db
OURS = ("accounts", "connectors", "routing", "billing", "messaging", "inbound")
LABELS = sorted(MAKE)
SUPERADMIN_ONLY = {
    "messaging.IdempotencyKey",
    "messaging.LineBatch",
    "messaging.OutboxBatch",
    "messaging.ReceiptSeen",
    "messaging.WireLog",
}


def url(label: str, page: str, *args: Any) -> str:
    meta = apps.get_model(label)._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=args)


def page_of(label: str) -> Any:
    return site._registry[apps.get_model(label)]


def test_every_model_of_ours_has_pages_and_these_tests_know_them_all() -> None:
    registered = {model._meta.label for model in site._registry}
    models = {model._meta.label for app in OURS for model in apps.get_app_config(app).get_models()}
    assert models <= registered
    assert {label for label in registered if label.split(".")[0] in OURS} == set(MAKE)


@pytest.mark.parametrize("label", LABELS)
def test_a_superadmin_opens_list_add_and_change_page_and_no_secret_is_in_them(label: str, superadmin: Client) -> None:
    row = MAKE[label]()
    pages = {"list": superadmin.get(url(label, "changelist")), "change": superadmin.get(url(label, "change", row.pk))}
    adds = not isinstance(page_of(label), ReadOnlyAdmin)
    pages["add"] = superadmin.get(url(label, "add"))
    pages["history"] = superadmin.get(url(label, "history", row.pk))
    wanted = {"list": 200, "change": 200, "add": 200 if adds else 403, "history": 200}
    assert {name: page.status_code for name, page in pages.items()} == wanted
    for name, page in pages.items():
        assert PLANTED not in page.text, name
        assert "argon2" not in page.text, name
    assert len(pages["list"].context["cl"].result_list) >= 1


@pytest.mark.parametrize("label", LABELS)
def test_a_search_for_anything_answers(label: str, superadmin: Client) -> None:
    MAKE[label]()
    for term in ("971501234567", "+971 50 123 4567", "x'\"%_", "018f0000-0000-7000-8000-000000000000", "queued_x"):
        answer = superadmin.get(url(label, "changelist"), {"q": term})
        assert answer.status_code == 200, term


@pytest.mark.parametrize("label", LABELS)
def test_eight_rows_cost_as_many_queries_as_one(label: str, superadmin: Client) -> None:
    counts = []
    for rows in (1, 7):
        for _ in range(rows):
            MAKE[label]()
        superadmin.get(url(label, "changelist"))  # sessions and content types are loaded once
        with CaptureQueriesContext(connection) as queries:
            assert superadmin.get(url(label, "changelist")).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1], [query["sql"][:200] for query in queries]


@pytest.mark.parametrize("label", [label for label in LABELS if isinstance(page_of(label), TrafficAdmin)])
def test_lists_of_traffic_never_count(label: str, superadmin: Client) -> None:
    MAKE[label]()
    with CaptureQueriesContext(connection) as queries:
        superadmin.get(url(label, "changelist"))
    table = apps.get_model(label)._meta.db_table
    assert not [q for q in queries if "COUNT(" in q["sql"].upper() and table in q["sql"]]


@pytest.mark.parametrize("label", [label for label in LABELS if isinstance(page_of(label), ReadOnlyAdmin)])
def test_nobody_changes_or_deletes_what_is_only_to_be_read(label: str, superadmin: Client) -> None:
    row = MAKE[label]()
    model = apps.get_model(label)
    before = model.objects.filter(pk=row.pk).values().get()
    for path in (url(label, "change", row.pk), url(label, "delete", row.pk)):
        assert superadmin.post(path, {"post": "yes"}).status_code == 403
    bulk = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}
    superadmin.post(url(label, "changelist"), bulk)
    assert model.objects.filter(pk=row.pk).values().get() == before
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("label", LABELS)
def test_admins_see_all_but_the_internals_and_customers_and_strangers_nothing(
    label: str, admin: Client, enterprise: Client
) -> None:
    row = MAKE[label]()
    for path in (
        url(label, "changelist"),
        url(label, "add"),
        url(label, "change", row.pk),
        url(label, "delete", row.pk),
    ):
        for outsider in (enterprise, Client()):
            answer = outsider.get(path)
            assert answer.status_code == 302 and "/login/" in answer["Location"], path
    assert admin.get(url(label, "changelist")).status_code == (403 if label in SUPERADMIN_ONLY else 200)
    assert admin.get(url(label, "change", row.pk)).status_code == (403 if label in SUPERADMIN_ONLY else 200)


def test_the_front_page_answers_by_role(superadmin: Client, admin: Client, enterprise: Client) -> None:
    assert superadmin.get(reverse("admin:index")).status_code == 200
    assert "outboxbatch" not in admin.get(reverse("admin:index")).text
    assert enterprise.get(reverse("admin:index")).status_code == 302


@pytest.mark.parametrize("label", [label for label in LABELS if not isinstance(page_of(label), ReadOnlyAdmin)])
def test_saving_a_change_page_as_it_is_keeps_every_column(label: str, superadmin: Client) -> None:
    """Secrets are not in the form, and an empty secret field must not empty the row's."""
    row = MAKE[label]()
    model = apps.get_model(label)
    before = model.objects.filter(pk=row.pk).values().get()
    page = superadmin.get(url(label, "change", row.pk))
    answer = superadmin.post(url(label, "change", row.pk), untouched(page, f"{model._meta.model_name}_form"))
    assert answer.status_code == 302, answer.context["errors"]
    assert model.objects.filter(pk=row.pk).values().get() == before
    assert not AuditEntry.objects.values_list("details").exists(), AuditEntry.objects.values()
