"""Tests that need a loop run on asyncio's own and on uvloop, which the processes use."""

import asyncio

import uvloop


def pytest_asyncio_loop_factories(config, item):
    """Name the two loops; pytest-asyncio runs each test once with either."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
