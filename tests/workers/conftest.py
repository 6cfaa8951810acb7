from collections.abc import Iterator

import pytest

from tests.support.web_sink import WebSink


@pytest.fixture
def sink() -> Iterator[WebSink]:
    server = WebSink()
    yield server
    server.stop()
