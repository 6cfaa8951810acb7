"""The whole gateway in one process: every part as a thread, started in order, stopped in reverse (habit 14)."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

import structlog
import uvicorn
import uvloop
from celery import Celery
from celery.beat import Scheduler
from celery.beat import Service as BeatService
from celery.worker import WorkController
from celery.worker import state as celery_state
from django.conf import settings

from common import process_number
from common.http_server import Connection
from common.jobs import Job, enqueue
from common.queues import Work
from messaging import outbox
from workers.binds.service import BindService
from workers.deliveries import process as deliveries
from workers.simulator import SimulatorConfig, SimulatorThread
from workers.smpp_server.service import SmppService

log = structlog.get_logger(__name__)

CELERY_THREADS = 4
START_LIMIT = 20.0  # seconds for one part to come up
STOP_LIMIT = 50.0  # seconds for one part to end: a bind drains its window for at most 30 and then says good-bye
_WAKE_UP = Job("schedule.expire", Work.SCHEDULE)  # a tick that may run at any time


class Part:
    """Something that runs in a thread: `start` returns when it is ready, `stop` when it has ended."""

    def __init__(self, name: str, start: Callable[[], None], stop: Callable[[], None]) -> None:
        self.name, self.start, self.stop = name, start, stop


class Binds:
    """The bind worker on an event loop of its own."""

    def __init__(self) -> None:
        self._service: BindService | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="binds", daemon=True)

    def start(self) -> None:
        """Start serving."""
        self._thread.start()
        self._ready.wait(START_LIMIT)

    def stop(self) -> None:
        """Drain and end."""
        if self._service is not None and self._thread.is_alive():
            self._service.stop()
            self._thread.join(STOP_LIMIT)

    def bound(self) -> int:
        """How many binds are up."""
        return self._service.bound() if self._service is not None else 0

    def _run(self) -> None:
        uvloop.run(self._serve())

    async def _serve(self) -> None:
        self._service = BindService()
        running = asyncio.create_task(self._service.run())
        await asyncio.sleep(0)
        self._ready.set()
        await running


class SmppServer:
    """The SMPP server for customers on an event loop of its own."""

    def __init__(self) -> None:
        self._service: SmppService | None = None
        self._failed: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="smpp", daemon=True)
        self._made = threading.Event()

    def start(self) -> None:
        """Start listening; raises OSError for a taken port."""
        self._thread.start()
        self._made.wait(START_LIMIT)
        if self._failed is not None:
            raise self._failed

    def stop(self) -> None:
        """Answer what is under way, unbind, end."""
        if self._service is not None and self._thread.is_alive():
            self._service.stop()
            self._thread.join(STOP_LIMIT)

    def _run(self) -> None:
        uvloop.run(self._serve())

    async def _serve(self) -> None:
        self._service = SmppService(on_ready=self._made.set)
        try:
            await self._service.run()
        except OSError as error:
            self._failed = error
        finally:
            self._made.set()


class CeleryWorker:
    """A Celery worker with a thread pool, on all queues."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._worker: Any = None
        self._thread = threading.Thread(target=self._run, name="celery", daemon=True)

    def start(self) -> None:
        """Start consuming."""
        self._thread.start()

    def stop(self) -> None:
        """Finish running tasks and end."""
        celery_state.should_stop = 0
        for _ in range(2):  # Celery's loop looks at should_stop when it gets something, and drains once more
            enqueue(_WAKE_UP)
        self._thread.join(STOP_LIMIT)
        celery_state.should_stop = None

    def _run(self) -> None:
        self._app.finalize()
        self._worker = WorkController(
            app=self._app,
            pool_cls="threads",
            concurrency=CELERY_THREADS,
            hostname="embedded",
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
            quiet=True,
        )
        self._worker.start()


class Beat:
    """Celery beat with its schedule in memory."""

    def __init__(self, app: Celery) -> None:
        self._service = BeatService(
            app=app, max_interval=0.5, scheduler_cls=Scheduler
        )  # not the one that writes a file
        self._thread = threading.Thread(target=lambda: self._service.start(embedded_process=False), daemon=True)

    def start(self) -> None:
        """Start ticking."""
        self._thread.start()

    def stop(self) -> None:
        """Tick no more."""
        self._service.stop(wait=False)
        self._thread.join(5)


class Web:
    """uvicorn with the ASGI application; the socket is bound already, so that a taken port is known first."""

    def __init__(self, application: Any, sock: Any) -> None:
        config = uvicorn.Config(
            application, loop="uvloop", http=Connection, lifespan="on", log_config=None, access_log=False,
            timeout_keep_alive=30, timeout_graceful_shutdown=15, backlog=1024,
            proxy_headers=False,  # whom to believe is decided in one place: api.gate (TRUSTED_PROXIES)
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._sock = sock
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    def start(self) -> None:
        """Start answering."""
        self._thread.start()
        from time import monotonic, sleep

        until = monotonic() + START_LIMIT
        while not self._server.started and self._thread.is_alive() and monotonic() < until:
            sleep(0.02)
        if not self._server.started:
            raise RuntimeError("the web part did not start; its log says why")

    def stop(self) -> None:
        """Answer what was asked, then end."""
        self._server.should_exit = True
        self._thread.join(STOP_LIMIT)

    def _run(self) -> None:
        self._server.run(sockets=[self._sock])


def parts(app: Celery, application: Any, sock: Any, *, simulator: bool) -> list[Part]:
    """Everything the embedded run consists of, in the order in which it starts."""
    found: list[Part] = []
    if simulator:
        smsc = SimulatorThread(SimulatorConfig(host=settings.GATEWAY_BIND, port=settings.GATEWAY_SIMULATOR_PORT))
        found.append(Part("simulator", smsc.start, smsc.stop))
    binds, celery_worker, beat, web = Binds(), CeleryWorker(app), Beat(app), Web(application, sock)
    smpp = SmppServer()
    found += [
        Part("publisher", lambda: None, outbox.close),
        Part("process number", process_number.start, process_number.stop),
        Part("deliveries", lambda: _ignore(deliveries.start()), deliveries.stop),
        Part("tasks", celery_worker.start, celery_worker.stop),
        Part("binds", binds.start, binds.stop),
        Part("beat", beat.start, beat.stop),
        Part("smpp", smpp.start, smpp.stop),
        Part("web", web.start, web.stop),
    ]
    return found


def _ignore(_: object) -> None:
    return None


@contextlib.contextmanager
def running(found: list[Part]) -> Any:
    """Start in order; on leaving, stop in reverse whatever was started."""
    started: list[Part] = []
    try:
        for part in found:
            part.start()
            started.append(part)
            log.info("started", part=part.name)
        yield
    finally:
        for part in reversed(started):
            try:
                part.stop()
                log.info("stopped", part=part.name)
            except Exception:
                log.exception("stop_failed", part=part.name)
