"""Tasks that no program should have: for proving that one of them stops nobody else (reliability F16)."""

import os
import time

from celery import shared_task


@shared_task(name="poison.raises")
def raises() -> None:
    raise RuntimeError("poison")


@shared_task(name="poison.kills")
def kills() -> None:
    os._exit(66)


@shared_task(name="poison.never_ends", time_limit=20, soft_time_limit=15)
def never_ends() -> None:
    while True:
        try:
            time.sleep(60)
        except Exception:  # the soft limit: it does not listen
            continue
