"""Deaths, restarts and losses of PostgreSQL, RabbitMQ and Redis (reliability F3, F5, F6, F22)."""

import random
import time
from collections.abc import Callable

from tests.crash.commit_proxy import Where
from tests.crash.faults import Details, Family, Skipped
from tests.crash.stores import Store
from tests.crash.world import World

RABBIT_STOP, REDIS_STOP, FROZEN = 60.0, 15.0, 15.0  # seconds
CUTS_WITHIN = 20.0  # seconds in which the ordered COMMITs come by
TOUCHED = (b"", b"messaging_message", b"messaging_part", b"messaging_delivery")  # any transaction, or one of these
Deed = Callable[[World, random.Random], Details]


class StoreFault:
    """Something is done to a store; it is over when the store answers again."""

    family = Family.STORE
    proxied = False

    def __init__(self, name: str, deed: Deed) -> None:
        self.name, self._deed = name, deed

    def strike(self, world: World, rng: random.Random) -> Details:
        began = time.monotonic()
        details = self._deed(world, rng)
        return {**details, "lasted": round(time.monotonic() - began, 3)}

    def settled(self, world: World) -> bool:
        return world.fleet.alive()


class CommitUnknown(StoreFault):
    """The answer to a COMMIT is cut off: it happened, it did not, or both ends race (F22)."""

    proxied = True

    def __init__(self) -> None:
        super().__init__("commit-unknown", _cut_commits)


def _cut_commits(world: World, rng: random.Random) -> Details:
    if world.proxy is None:
        raise Skipped("the fleet does not go through the proxy")
    where, times, table = rng.choice(list(Where)), rng.randint(1, 5), rng.choice(TOUCHED)
    world.proxy.cut(where, times, touching=table)
    world.wait(lambda: world.proxy is None or not world.proxy.left, CUTS_WITHIN)
    return {"where": str(where), "ordered": times, "touching": table.decode(), "left": world.proxy.left}


def _rabbit_kill(world: World, rng: random.Random) -> Details:
    world.stores.rabbit.kill()
    world.stores.rabbit.start()
    return {}


def _rabbit_stop(world: World, rng: random.Random) -> Details:
    world.stores.rabbit.stop()
    time.sleep(RABBIT_STOP)
    world.stores.rabbit.start()
    return {"seconds": RABBIT_STOP}


def _rabbit_reset(world: World, rng: random.Random) -> Details:
    world.stores.rabbit.reset()
    return {}


def _rabbit_disk(world: World, rng: random.Random) -> Details:
    world.stores.rabbit.lose_disk()
    world.stores.rabbit.start()
    return {}


def _rabbit_close(world: World, rng: random.Random) -> Details:
    world.stores.rabbit.close_connections()
    return {}


def _postgres_restart(world: World, rng: random.Random) -> Details:
    world.stores.postgres.restart_immediate()
    return {}


def _postgres_kill(world: World, rng: random.Random) -> Details:
    world.stores.postgres.kill()
    world.stores.postgres.start()
    return {}


def _postgres_backend(world: World, rng: random.Random) -> Details:
    backends = world.stores.postgres.backends()
    if not backends:
        raise Skipped("no session to kill")
    victim = rng.choice(backends)
    world.stores.postgres.kill_backend(victim)
    return {"pid": victim, "of": len(backends)}


def _postgres_terminate(world: World, rng: random.Random) -> Details:
    return {"sessions": world.stores.postgres.terminate_backends()}


def _frozen(store: str) -> Deed:
    """SIGSTOP: it takes everything and answers nothing, until SIGCONT."""

    def deed(world: World, rng: random.Random) -> Details:
        frozen: Store = getattr(world.stores, store)
        frozen.freeze()
        try:
            time.sleep(FROZEN)
        finally:
            frozen.thaw()
        return {"seconds": FROZEN}

    return deed


def _redis_clients(world: World, rng: random.Random) -> Details:
    return {"connections": world.stores.redis.kill_clients()}


def _redis_flush(world: World, rng: random.Random) -> Details:
    world.stores.redis.flush()
    return {}


def _redis_stop(world: World, rng: random.Random) -> Details:
    world.stores.redis.stop()
    time.sleep(REDIS_STOP)
    world.stores.redis.start()
    return {"seconds": REDIS_STOP}


def kinds() -> list[StoreFault]:
    """Every kind of this room."""
    deeds: dict[str, Deed] = {
        "rabbit-kill": _rabbit_kill,
        "rabbit-stop-60": _rabbit_stop,
        "rabbit-reset": _rabbit_reset,
        "rabbit-lose-disk": _rabbit_disk,
        "rabbit-close-connections": _rabbit_close,
        "postgres-restart": _postgres_restart,
        "postgres-kill": _postgres_kill,
        "postgres-kill-backend": _postgres_backend,
        "postgres-terminate-all": _postgres_terminate,
        "redis-flush": _redis_flush,
        "redis-stop-15": _redis_stop,
        "redis-kill-clients": _redis_clients,
        "rabbit-freeze-15": _frozen("rabbit"),
        "postgres-freeze-15": _frozen("postgres"),
        "redis-freeze-15": _frozen("redis"),
    }
    return [*(StoreFault(name, deed) for name, deed in deeds.items()), CommitUnknown()]
