"""What every page owes to the person before it: words, answers to actions, empty lists, filters (interface habits)."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin import site
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import StaffKey
from common.alerts import raise_alert, resolve_alert
from connectors.models import BindState, Connector
from messaging.models import Part, Status
from tests.admin.browser import untouched
from tests.admin.rows import MAKE, client_bind, part
from tests.admin.test_every_page import LABELS, page_of, url
from tests.support import cast

pytestmark = pytest.mark.django_db


def act(browser: Client, label: str, action: str, *rows: Any) -> str:
    chosen = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return browser.post(url(label, "changelist"), chosen, follow=True).text


def test_who_logs_in_by_the_bare_page_arrives_in_the_admin() -> None:
    user = cast.make_user()
    answer = Client().post(reverse("admin:login"), {"username": user.username, "password": cast.PASSWORD})
    assert answer.status_code == 302 and answer.url == reverse("admin:index")


def test_columns_are_spelt_as_people_write_them(superadmin: Client) -> None:
    page = superadmin.get(url("connectors.Connector", "add")).text
    for label in ("System ID", "TPS", "Use TLS", "TLS CA", "Source TON", "TLV dictionary", "ID rule"):
        assert label in page, label
    cast.make_smpp_client(cast.make_account())
    assert "System ID" in superadmin.get(url("accounts.SmppClient", "changelist")).text


def test_no_row_of_a_form_holds_more_fields_than_there_is_room_for() -> None:
    """At 1280 pixels the third field of a row lies upon the label of the second."""
    crowded = [
        (model._meta.label, row)
        for model, page in site._registry.items()
        for _, section in page.fieldsets or ()
        for row in section["fields"]
        if isinstance(row, tuple) and len(row) > 2
    ]
    assert not crowded


def test_further_hosts_are_lines_and_a_wrong_one_is_refused(superadmin: Client) -> None:
    line = cast.make_connector()
    path = url("connectors.Connector", "change", line.pk)
    form = untouched(superadmin.get(path), "connector_form")
    assert superadmin.post(path, {**form, "more_hosts": "b.example\r\n\r\nc.example:2776\r\n"}).status_code == 302
    line.refresh_from_db()
    assert line.more_hosts == ["b.example", "c.example:2776"]
    assert "b.example\nc.example:2776" in superadmin.get(path).text.replace("\r", "")
    refused = superadmin.post(path, {**form, "more_hosts": "b.example:port"})
    assert refused.status_code == 200 and refused.context["errors"]
    line.refresh_from_db()
    assert line.more_hosts == ["b.example", "c.example:2776"]


@pytest.mark.parametrize(
    ("label", "action", "words"),
    [
        ("connectors.Connector", "start", "started"),
        ("connectors.Connector", "stop", "stopped"),
        ("connectors.Connector", "restart", "restarted"),
        ("connectors.Connector", "drain", "draining"),
        ("connectors.Connector", "switch_off", "switched off"),
        ("connectors.Connector", "switch_on", "switched on"),
        ("accounts.Account", "suspend", "suspended"),
        ("accounts.ApiKey", "revoke", "revoked"),
        ("accounts.StaffKey", "revoke", "revoked"),
        ("messaging.IdRuleProposal", "reject", "rejected"),
        ("messaging.IdRuleProposal", "accept", "accepted"),
    ],
)
def test_an_action_says_to_what_it_did_what(label: str, action: str, words: str, superadmin: Client) -> None:
    row = MAKE[label]()
    name = row.carrier_account if label == "messaging.IdRuleProposal" else str(row)
    text = act(superadmin, label, action, row)
    assert f"{name}: {words}" in text or f"{name} hex_to_dec: {words}" in text


@pytest.mark.parametrize(
    ("label", "first", "again"), [("accounts.Account", "suspend", "suspend"), ("accounts.StaffKey", "revoke", "revoke")]
)
def test_an_action_that_changes_nothing_says_so(label: str, first: str, again: str, superadmin: Client) -> None:
    row = MAKE[label]()
    act(superadmin, label, first, row)
    assert "Nothing changed" in act(superadmin, label, again, row)


def test_open_alerts_come_first_and_may_be_looked_at_alone(superadmin: Client) -> None:
    for key in ("old", "new"):
        raise_alert(key=key, level="fail", subject=f"subject {key}", words="refused")
    resolve_alert("new")
    pages = url("common.Alert", "changelist")
    rows = superadmin.get(pages).context["cl"].result_list
    assert [row.key for row in rows] == ["old", "new"]
    for state, shown in (("open", ["old"]), ("ended", ["new"]), ("nonsense", ["old", "new"])):
        assert [row.key for row in superadmin.get(pages, {"state": state}).context["cl"].result_list] == shown
    told = superadmin.post(
        pages, {"action": "resolve", "_selected_action": [str(row.pk) for row in rows]}, follow=True
    ).text
    assert "subject old: resolved" in told and "subject new: resolved" not in told


def test_binds_that_are_up_may_be_looked_at_alone(superadmin: Client) -> None:
    up, gone = client_bind(), client_bind()
    type(gone).objects.filter(pk=gone.pk).update(ended_at=timezone.now(), reason="unbind")
    for state, wanted in (("open", {up.pk}), ("ended", {gone.pk}), ("", {up.pk, gone.pk})):
        found = superadmin.get(url("accounts.ClientBind", "changelist"), {"state": state}).context["cl"].result_list
        assert {row.pk for row in found} == wanted


@pytest.mark.parametrize("label", LABELS)
def test_an_empty_list_tells_nothing_yet_apart_from_no_match(label: str, superadmin: Client) -> None:
    empty = superadmin.get(url(label, "changelist"))
    if not empty.context["cl"].result_list:
        assert page_of(label).nothing_yet in empty.text.replace("&#x27;", "'").replace("&#96;", "`")
        assert "Reset filters" not in empty.text and "Create a new item" not in empty.text
    searched = superadmin.get(url(label, "changelist"), {"q": "no-such-thing-at-all"})
    if page_of(label).search_fields and not searched.context["cl"].result_list:
        assert "No match" in searched.text and "Reset filters" in searched.text


def test_a_list_of_the_last_day_says_so_when_it_is_empty(superadmin: Client) -> None:
    page = superadmin.get(url("messaging.Message", "changelist")).text
    assert "No messages yet" in page and "last 24 hours" in page and "?since=all" in page


@pytest.mark.both  # SQLite is the one that stumbles
@pytest.mark.parametrize("label", LABELS)
def test_a_filter_by_a_key_beyond_all_integers_is_no_error(label: str, superadmin: Client) -> None:
    MAKE[label]()
    for spec in page_of(label).list_filter:
        if isinstance(spec, tuple):
            answer = superadmin.get(url(label, "changelist"), {f"{spec[0]}__id__exact": "9" * 30}, follow=True)
            assert answer.status_code == 200, spec


@pytest.mark.parametrize(("status", "shown"), [(Status.SUBMITTED, "SUBMITTED"), (Status.UNCERTAIN, "UNCERTAIN")])
def test_a_message_under_way_shows_what_its_parts_know_and_is_found_by_it(
    status: Status, shown: str, superadmin: Client
) -> None:
    of = part()
    Part.objects.filter(pk=of.pk).update(status=status)
    type(of.message).objects.filter(pk=of.message_id).update(status=Status.QUEUED)
    pages = url("messaging.Message", "changelist")
    (row,) = superadmin.get(pages).context["cl"].result_list
    assert row.status_now == shown
    assert len(superadmin.get(pages, {"status": shown}).context["cl"].result_list) == 1
    assert not superadmin.get(pages, {"status": "QUEUED"}).context["cl"].result_list


def test_a_new_staff_key_is_ones_own_and_ends_by_itself(superadmin: Client) -> None:
    form = untouched(superadmin.get(url("accounts.StaffKey", "add")), "staffkey_form")
    superadmin.post(url("accounts.StaffKey", "add"), {**form, "scopes": ["read"]})
    key = StaffKey.objects.get()
    left = key.expires_at - timezone.now()
    assert timedelta(days=89) < left < timedelta(days=91) and key.user.is_superuser


def test_a_line_whose_binds_are_down_is_seen_at_a_glance(superadmin: Client) -> None:
    page = page_of("connectors.Connector")
    line = cast.make_connector(binds=2)
    told = []
    for bind_no in (1, 2):
        told.append(page.bind(line))
        BindState.objects.create(connector=line, bind_no=bind_no, state="bound")
        line = Connector.objects.get(pk=line.pk)
    assert [word for word, _ in [*told, page.bind(line)]] == ["none", "some", "all"]
    BindState.objects.all().delete()
    assert page.bind(cast.make_connector(desired="stopped"))[0] == "closed"


def test_the_samples_of_a_proposal_are_read_as_pairs_and_not_as_markup(superadmin: Client) -> None:
    proposal = MAKE["messaging.IdRuleProposal"]()
    proposal.samples = [{"answer": "3a<b>", "receipt": "58", "number": "…0001"}]
    proposal.save()
    page = superadmin.get(url("messaging.IdRuleProposal", "change", proposal.pk)).text
    assert "<code>3a&lt;b&gt; ↔ 58</code> (…0001)" in page and "u2026" not in page


def test_the_zone_of_times_stands_on_every_page(superadmin: Client) -> None:
    assert "Times: UTC" in superadmin.get(reverse("admin:index")).text
