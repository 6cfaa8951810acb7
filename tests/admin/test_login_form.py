"""Logging in as a browser does it: with the CSRF check on and the Origin header that browsers send."""

import pytest
from django.test import Client

from tests.support.cast import PASSWORD, make_user

pytestmark = pytest.mark.django_db


def test_the_page_lets_browsers_send_their_origin_and_the_form_works():
    user = make_user()
    browser = Client(enforce_csrf_checks=True)
    page = browser.get("/admin/login/")
    # With no-referrer a browser sends `Origin: null` with the form, and Django refuses that.
    assert page.headers["Referrer-Policy"] == "same-origin"
    form = {"username": user.username, "password": PASSWORD, "csrfmiddlewaretoken": page.cookies["csrftoken"].value}
    answer = browser.post("/admin/login/?next=/admin/", form, headers={"origin": "http://testserver"})
    assert answer.status_code == 302
    assert answer.url == "/admin/"


def test_a_form_from_another_site_is_refused():
    browser = Client(enforce_csrf_checks=True)
    page = browser.get("/admin/login/")
    form = {"username": "x", "password": "y", "csrfmiddlewaretoken": page.cookies["csrftoken"].value}
    assert browser.post("/admin/login/", form, headers={"origin": "http://evil.example"}).status_code == 403


def test_the_bare_address_leads_to_the_admin():
    assert Client().get("/").url == "/admin/"
