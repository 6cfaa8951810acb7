"""Argon2 at its lowest cost, so that a suite of many logins stays quick."""

import redis
from django.conf import settings

from accounts import gate
from common.passwords import Argon2


class CheapArgon2(Argon2):
    """Same algorithm and format as in production, 1 MiB and one pass."""

    time_cost = 1
    memory_cost = 1024


def forget_guesses() -> None:
    """Nobody has guessed yet, here and in the Redis of this run."""
    for delay in (gate.guesses(), gate.key_guesses()):
        getattr(delay, "_local", delay)._failures.clear()  # emptied, not replaced: gates hold it
    if settings.CACHE_URL.startswith("redis"):
        with redis.Redis.from_url(settings.CACHE_URL) as server:
            for name in server.scan_iter(f"{settings.GATEWAY_QUEUE_PREFIX}guess:*", count=1000):
                server.delete(name)
