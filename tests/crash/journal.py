"""Append-only files of JSON lines: what the outside world saw, on disk before anybody relies on it."""

import json
import os
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BATCH_SECONDS = 0.05  # lines that come so close together share one fsync


class Journal:
    """Writes lines in a thread of its own, fsync'd; every line carries `at`, seconds since 1970."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"journal {path.name}")
        self._thread.start()

    def write(self, **fields: Any) -> None:
        """Add one line; safe from every thread."""
        self._lines.put(json.dumps({"at": round(time.time(), 4), **fields}, ensure_ascii=False))

    def close(self) -> None:
        """Everything is on disk afterwards."""
        self._lines.put(None)
        self._thread.join()

    def _run(self) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            open_ = True
            while open_:
                batch = [self._lines.get()]
                time.sleep(BATCH_SECONDS)
                while not self._lines.empty():
                    batch.append(self._lines.get())
                open_ = None not in batch
                file.write("".join(f"{line}\n" for line in batch if line is not None))
                file.flush()
                os.fsync(file.fileno())


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a journal, oldest first."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
