"""Poison in the queues (reliability F16): one bad task stops nobody else."""

import json
import random
import uuid

from kombu import Connection, Producer

from tests.crash.faults import Details, Family
from tests.crash.world import World

QUEUES = ("events", "schedule", "housekeeping")
PREFIX = "crash."


class Poison:
    """Bytes of a task that cannot be run, or of one that must not be."""

    family = Family.TASK

    def __init__(self, name: str, task: str | None) -> None:
        self.name, self._task = f"poison-{name}", task

    def strike(self, world: World, rng: random.Random) -> Details:
        queue = f"{PREFIX}work.{rng.choice(QUEUES)}"
        with Connection(world.stores.rabbit.url, connect_timeout=5) as connection:
            producer = Producer(connection.channel())
            if self._task is None:
                producer.publish(
                    b"\x80\x04\xffthis is no JSON", routing_key=queue,
                    content_type="application/json", content_encoding="utf-8",
                )  # fmt: skip
            else:
                name = str(uuid.UUID(int=rng.getrandbits(128)))
                body = json.dumps([[], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
                producer.publish(
                    body, routing_key=queue, content_type="application/json", content_encoding="utf-8",
                    headers={"lang": "py", "task": self._task, "id": name, "root_id": name, "argsrepr": "()"},
                    correlation_id=name,
                )  # fmt: skip
        return {"queue": queue}

    def settled(self, world: World) -> bool:
        return world.fleet.alive()


def kinds() -> list[Poison]:
    """Every kind of this room."""
    return [
        Poison("undecodable", None),
        Poison("unknown-task", "nobody.knows.this"),
        Poison("raises", "poison.raises"),
        Poison("kills-child", "poison.kills"),
        Poison("never-ends", "poison.never_ends"),
    ]
