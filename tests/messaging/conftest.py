import pytest

from tests.messaging.underway import bind
from tests.support.cast import customer, make_connector


@pytest.fixture
def cast():
    return customer()


@pytest.fixture
def line(cast):
    return bind(cast)


@pytest.fixture
def second():
    """The connector to which a route goes on."""
    return make_connector()
