"""The suite runs on the store that it was told to run on."""

import os

import pytest
from django.db import connection


@pytest.mark.both
@pytest.mark.django_db
def test_the_database_is_the_one_that_was_asked_for():
    asked_for = os.environ.get("GATEWAY_TEST_STORE", "postgresql")
    assert connection.vendor == asked_for
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
