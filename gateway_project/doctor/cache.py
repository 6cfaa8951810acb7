"""Redis: whether it answers and forgets nothing."""

from collections.abc import Iterator

import redis
from django.conf import settings

from gateway_project.doctor.findings import Finding, address, fail, ok, warn

PATIENCE = 1.0  # seconds


def look() -> Iterator[Finding]:
    """Whether it answers, and what it does when it is full."""
    url = settings.CACHE_URL
    if not url:
        yield ok("none, as it should be for one process")
        return
    client = redis.Redis.from_url(url, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE)
    try:
        memory = client.info("memory")
    except redis.RedisError as error:
        yield fail(
            f"{address(url)} does not answer ({str(error)[:120]}): limits fall back to each process's share",
            "start Redis, or correct CACHE_URL",
        )
        return
    finally:
        client.close()
    policy, limit, used = memory["maxmemory_policy"], memory["maxmemory"], memory["used_memory"]
    if policy != "noeviction":
        yield fail(
            f"maxmemory-policy is {policy}: Redis may forget limits",
            f"redis-cli -u redis://{address(url)} config set maxmemory-policy noeviction, and in redis.conf",
        )
    elif limit and used > 0.9 * limit:
        yield warn(f"Redis has used {used / limit:.0%} of its memory", "raise maxmemory")
    else:
        yield ok(f"{address(url)} answers and evicts nothing")
