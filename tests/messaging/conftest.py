import pytest

from tests.messaging.underway import bind
from tests.support.cast import customer


@pytest.fixture
def cast():
    return customer()


@pytest.fixture
def line(cast):
    return bind(cast)
