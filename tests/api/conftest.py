"""The API's tests commit: sending opens transactions in threads of its own. Customers have names of their own,
and the tables are emptied once, at the end of the package."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections

from tests.api.lanes import ByDjango, Fast, Lane, Server
from tests.support.cast import forget_snapshots
from tests.support.emptying import empty_tables
from tests.support.passwords import forget_guesses


@pytest.fixture(scope="package")
def database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        assert "test" in str(connection.settings_dict["NAME"]), "these tests empty the tables"
        forget_snapshots()
        yield
        empty_tables()
        forget_snapshots()
        connections.close_all()


@pytest.fixture
def _django_db_helper(database: None) -> None:
    """In place of pytest-django's, which empties the tables after each test that commits."""


@pytest.fixture(scope="package")
def server(database: None) -> Iterator[Server]:
    from gateway_project.asgi import application

    running = Server(application).start()
    yield running
    running.stop()


@pytest.fixture(params=["fast", "django"])
def lane(request: pytest.FixtureRequest, server: Server) -> Lane:
    return Fast(server.port) if request.param == "fast" else ByDjango()


@pytest.fixture
def fast(server: Server) -> Fast:
    return Fast(server.port)


@pytest.fixture(autouse=True)
def patient() -> None:
    """Wrong credentials of one test do not delay those of the next."""
    forget_guesses()
