"""The one front door: batches of requests in, an answer for each, and no request harmed by its neighbours."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from common import crash
from common.clock import utc_now
from common.errors import Code, Rejected, Unavailable
from common.pacer import Pacer, pacer
from common.transactions import UNWRITABLE, is_lock_timeout, reconnecting
from messaging import idempotency
from messaging.commands import Answer, Idempotency, SubmitRequest
from messaging.intake import recovery, rows, wallet_locks
from messaging.intake.batch import Batch, Result, Unfit
from messaging.intake.caller import Abandoned, Caller
from messaging.intake.jobs import Job, prepare_all
from messaging.intake.rows import Entry
from messaging.outbox import Outbox, shared_outbox

log = structlog.get_logger(__name__)

KEPT_OUT: Final = 5.0  # seconds in which an account whose wallet was locked gets batches of its own
SUSPECT_PATIENCE: Final = 0.25  # seconds that such a batch waits: its wallet was locked a moment ago
KEY_PATIENCE: Final = 0.1  # seconds for the key of a request that blocked a mixed batch


class Intake:
    """Accepts requests by group commit (architecture section 3, "At the door"). Safe to call from many threads."""

    def __init__(self, outbox: Outbox = shared_outbox, pace: Callable[[], Pacer] = pacer) -> None:
        self._outbox, self._pace = outbox, pace
        self._suspects: dict[int, float] = {}

    def is_suspect(self, account_id: int) -> bool:
        """Whether the account's wallet was found locked within the last 5 s."""
        until = self._suspects.get(account_id)
        if until is None:
            return False
        if time.monotonic() < until:
            return True
        self._suspects.pop(account_id, None)
        return False

    def submit_many(self, requests: Sequence[SubmitRequest], *, caller: Caller | None = None) -> list[Answer]:
        """Accept or refuse each request; an answer is given only when it is durable.

        Never raises: what cannot be decided now is Unavailable. Must not be called inside a transaction.
        Requests that repeat a key of the same call wait for the answer of the first. `caller` may give up meanwhile.
        """
        jobs = [Job(request, caller) for request in requests]
        waiting = jobs
        while waiting:
            turn, waiting = _first_of_each_key(waiting)
            self._accept(turn)
        return [job.answer if job.answer is not None else Unavailable() for job in jobs]

    def _accept(self, jobs: Sequence[Job]) -> None:
        try:
            self._answer_known_keys(jobs)
            open_jobs = [job for job in jobs if job.answer is None]
            prepare_all(open_jobs, utc_now(), self._pace())
            self._write_all([job for job in open_jobs if job.answer is None])
        except (DatabaseError, InterfaceError) as error:  # also while the culprit of a batch was looked for
            self._give_up(jobs, error)

    def _write_all(self, ready: Sequence[Job]) -> None:
        self._write([job for job in ready if not self.is_suspect(job.account_id)])
        for group in _by_account(job for job in ready if self.is_suspect(job.account_id)):
            self._write(group, patience=SUSPECT_PATIENCE)

    @staticmethod
    def _answer_known_keys(jobs: Sequence[Job]) -> None:
        """A repeated request hears the truth, whatever has changed since (routes, credits, limits)."""
        known = reconnecting(lambda: idempotency.look_up(_keys(jobs)))
        for job in jobs:
            key = job.request.idempotency
            found = known.get(idempotency.name_of(key)) if key else None
            if key and found:
                job.answer = idempotency.answer(key, found)

    def _write(self, jobs: Sequence[Job], *, locked: bool = False, patience: float | None = None) -> None:
        """Commit the jobs and answer them; on trouble in smaller batches, until the culprit stands alone."""
        if not jobs:
            return
        try:
            self._commit(jobs, locked=locked, patience=patience)
        except Abandoned as error:
            self._give_up(jobs, error)
        except Unfit as error:
            self._write_apart(jobs, error, already_locked=locked)
        except UNWRITABLE as error:
            self._halve(jobs, error, locked=locked, patience=patience)
        except OperationalError as error:
            if is_lock_timeout(error):
                self._isolate(jobs, patience)
            else:
                self._give_up(jobs, error)
        except (DatabaseError, InterfaceError) as error:
            self._give_up(jobs, error)

    def _commit(self, jobs: Sequence[Job], *, locked: bool, patience: float | None) -> None:
        confirmed = self._outbox.take_confirmed()
        batch = Batch(jobs, utc_now(), confirmed=confirmed, locked=locked, patience=patience, caller=jobs[0].caller)
        try:
            result = batch.commit()
        except recovery.UnknownOutcome as unknown:
            self._outbox.give_back(confirmed)
            result = self._recovered(batch, unknown, jobs)
        except BaseException:
            self._outbox.give_back(confirmed)
            raise
        crash.point("after-commit-before-publish")
        for job, answer in zip(jobs, result.answers, strict=True):
            job.answer = answer
        self._outbox.publish(result.hints)

    @staticmethod
    def _recovered(batch: Batch, unknown: recovery.UnknownOutcome, jobs: Sequence[Job]) -> Result:
        if batch.result is not None and recovery.happened(unknown):
            return batch.result
        return Result(answers=[Unavailable() for _ in jobs])

    def _write_apart(self, jobs: Sequence[Job], unfit: Unfit, *, already_locked: bool) -> None:
        """The accounts that somebody else emptied meanwhile: each alone, with its wallet locked first."""
        if already_locked:
            self._give_up(jobs, unfit)
            return
        self._write([job for job in jobs if job.account_id not in unfit.accounts])
        for group in _by_account(job for job in jobs if job.account_id in unfit.accounts):
            self._write(group, locked=True)

    def _halve(self, jobs: Sequence[Job], error: Exception, *, locked: bool, patience: float | None) -> None:
        if len(jobs) > 1:
            middle = len(jobs) // 2
            self._write(jobs[:middle], locked=locked, patience=patience)
            self._write(jobs[middle:], locked=locked, patience=patience)
            return
        (job,) = jobs
        log.warning("unwritable_request", account=job.account_id, error=str(error))
        culprits = _unwritable(job, list(job.admitted)) or list(job.admitted)
        job.refuse(culprits, Rejected(Code.INVALID_VALUE, "The message cannot be stored"))
        job.close_if_refused()
        if job.answer is None:
            self._write([job], locked=locked, patience=patience)

    def _isolate(self, jobs: Sequence[Job], patience: float | None) -> None:
        """Find who waits for a lock, answer these alone, and let the others pass."""
        stuck = wallet_locks.stuck({job.account_id for job in jobs})
        until = time.monotonic() + KEPT_OUT
        self._suspects.update(dict.fromkeys(stuck, until))
        for job in jobs:
            if job.account_id in stuck:
                job.answer = Unavailable("The account is busy", retry_after=KEPT_OUT)
        rest = [job for job in jobs if job.answer is None]
        keyed = [job for job in rest if job.request.idempotency]
        if stuck:
            self._write(rest)
        elif patience is None:
            self._write([job for job in rest if not job.request.idempotency], patience=SUSPECT_PATIENCE)
            for job in keyed:
                self._write([job], patience=KEY_PATIENCE)
        else:
            for job in rest:
                job.answer = idempotency.in_flight() if job.request.idempotency else Unavailable()

    @staticmethod
    def _give_up(jobs: Sequence[Job], error: Exception) -> None:
        log.error("intake_unavailable", requests=len(jobs), error=str(error))
        connection.close()
        for job in jobs:
            if job.answer is None:
                job.answer = Unavailable()


def _first_of_each_key(jobs: Sequence[Job]) -> tuple[list[Job], list[Job]]:
    """(jobs of this turn, jobs that repeat a key of one of them)."""
    turn: list[Job] = []
    later: list[Job] = []
    seen: set[idempotency.Name] = set()
    for job in jobs:
        key = job.request.idempotency
        name = idempotency.name_of(key) if key else None
        if name in seen:
            later.append(job)
            continue
        if name:
            seen.add(name)
        turn.append(job)
    return turn, later


def _keys(jobs: Sequence[Job]) -> list[Idempotency]:
    return [job.request.idempotency for job in jobs if job.request.idempotency]


def _by_account(jobs: Iterable[Job]) -> list[list[Job]]:
    groups: dict[int, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.account_id, []).append(job)
    return list(groups.values())


def _unwritable(job: Job, indexes: list[int]) -> list[int]:
    """The commands that the database does not take, by halving."""
    if not indexes or rows.can_be_written([Entry(job.admitted[index]) for index in indexes], utc_now()):
        return []
    if len(indexes) == 1:
        return indexes
    middle = len(indexes) // 2
    return _unwritable(job, indexes[:middle]) + _unwritable(job, indexes[middle:])
