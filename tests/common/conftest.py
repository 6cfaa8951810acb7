"""The HTTP client runs on asyncio's own loop and on uvloop, which the webhook loop uses."""

import asyncio

import uvloop


def pytest_asyncio_loop_factories(config, item):
    """Both for the tests of the client, else asyncio's own."""
    loops = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return loops if "test_http_" in item.nodeid else {"asyncio": asyncio.new_event_loop}
