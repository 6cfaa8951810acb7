"""Tasks that must not end: what stops one is logged, and it starts again."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

PAUSE = 1.0  # seconds before a task that failed starts again, so that a fault does not become a busy loop


def lasting(work: Callable[[], Awaitable[None]], name: str) -> asyncio.Task[None]:
    """Run `work` until it returns or is cancelled; an unexpected exception is logged and it begins anew."""
    return asyncio.create_task(_again_and_again(work, name), name=name)


async def _again_and_again(work: Callable[[], Awaitable[None]], name: str) -> None:
    while True:
        try:
            await work()
            return
        except Exception:
            log.exception("task_starts_again", task=name)
        await asyncio.sleep(PAUSE)


async def end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def within(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait for an event, at most so long; whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
