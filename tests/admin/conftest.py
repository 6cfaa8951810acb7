import pytest
from django.test import Client

from accounts.models import Role
from tests.support import cast


def logged_in(role: str) -> Client:
    """A browser of a person of this role."""
    account = cast.make_account() if role == Role.ENTERPRISE else None
    browser = Client()
    browser.force_login(cast.make_user(account, role=role))
    return browser


@pytest.fixture
def superadmin() -> Client:
    return logged_in(Role.SUPERADMIN)


@pytest.fixture
def admin() -> Client:
    return logged_in(Role.ADMIN)


@pytest.fixture
def enterprise() -> Client:
    return logged_in(Role.ENTERPRISE)
