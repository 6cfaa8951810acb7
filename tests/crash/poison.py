"""Tasks that no program should have: for proving that one of them stops nobody else (reliability F16).

Each run leaves the task's id and the time as a line of `$GATEWAY_VAR/poison`, so that it can be counted how often it
came back.
"""

import os
import time
from pathlib import Path

from celery import Task, shared_task

RUNS = "poison"


def _ran(task: Task) -> None:
    with (Path(os.environ["GATEWAY_VAR"]) / RUNS).open("a") as file:
        file.write(f"{task.request.id} {time.time():.3f}\n")


@shared_task(name="poison.raises", bind=True)
def raises(self: Task) -> None:
    _ran(self)
    raise RuntimeError("poison")


@shared_task(name="poison.kills", bind=True)
def kills(self: Task) -> None:
    _ran(self)
    os._exit(66)


@shared_task(name="poison.never_ends", bind=True, time_limit=20, soft_time_limit=15)
def never_ends(self: Task) -> None:
    _ran(self)
    while True:
        try:
            time.sleep(60)
        except Exception:  # the soft limit: it does not listen
            continue
