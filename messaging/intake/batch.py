"""One group commit: idempotency keys, messages, outbox, charge — all of it or nothing."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import Error, connection, transaction

from billing import charging
from billing.charging import Charge
from common import crash
from common.ids import new_id
from common.sql import Cursor, hot
from common.transactions import is_connection_lost, retried
from messaging import idempotency, outbox
from messaging.commands import Answer, Outcome
from messaging.idempotency import Name
from messaging.intake import recovery, rows
from messaging.intake.budget import Budget
from messaging.intake.caller import Caller
from messaging.intake.jobs import Job
from messaging.intake.rows import Entry
from messaging.outbox import Hint


class Unfit(Exception):
    """Between reading the funds and taking them somebody else spent; nothing was written."""

    def __init__(self, accounts: set[int]) -> None:
        super().__init__(f"accounts {sorted(accounts)}")
        self.accounts = accounts


@dataclass(slots=True)
class Result:
    """What a batch has done, true once it is committed: an answer per job, and the hints to publish."""

    answers: list[Answer] = field(default_factory=list)
    hints: list[Hint] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """Which command becomes which entry or refusal, by job and index."""

    entries: list[Entry] = field(default_factory=list)
    outcomes: list[dict[int, Outcome]] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    capped: Collection[int] = ()


class Batch:
    """The jobs of one transaction. `locked`: wallets are locked before they are read, so that all that fits stays.

    `patience`: seconds to wait for a lock, None: as the connection is set. `caller` may give up before the COMMIT.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        now: datetime,
        *,
        confirmed: Sequence[UUID] = (),
        locked: bool = False,
        patience: float | None = None,
        caller: Caller | None = None,
    ) -> None:
        self._jobs, self._now = jobs, now
        self._caller = caller or Caller()
        self._confirmed = list(confirmed)
        self._locked, self._patience = locked, patience
        self._committing = False
        self._backend: int | None = None
        self._proof: UUID | None = None
        self.result: Result | None = None  # true if the commit happened

    def commit(self) -> Result:
        """Write and commit; raises Unfit, Abandoned, or what the database raises when nothing was written for sure.

        A connection that breaks before COMMIT was sent has written nothing: one more try on a new connection.
        Breaks it later, the database is asked what happened (reliability F22).
        """
        try:
            return self._on_a_live_connection()
        except Error as error:
            if not is_connection_lost(error):
                raise
        return self._on_a_live_connection()

    def _on_a_live_connection(self) -> Result:
        connection.ensure_connection()
        try:
            return self._transaction()
        except Error as error:
            if is_connection_lost(error):
                connection.close()
                if self._committing:
                    raise recovery.UnknownOutcome(self._proof, self._backend) from error
            raise

    @retried()
    def _transaction(self) -> Result:
        self._committing = False
        self._backend = recovery.backend()
        with transaction.atomic(durable=True):
            with hot() as cursor:
                self.result = self._write(cursor)
            self._caller.before_commit()
            self._committing = True
        return self.result

    def _write(self, cursor: Cursor) -> Result:
        if self._patience is not None and connection.vendor == "postgresql":
            cursor.execute(f"SET LOCAL lock_timeout = {int(self._patience * 1000)}", [])
        outbox.delete(cursor, self._confirmed)
        keys = [job.request.idempotency for job in self._jobs if job.request.idempotency]
        claimed = idempotency.claim(cursor, keys, self._now) if keys else {}
        raced = idempotency.look_up([key for key in keys if idempotency.name_of(key) not in claimed])
        own = [job for job in self._jobs if self._is_own(job, claimed)]
        plan = self._plan(own)
        result = Result(hints=outbox.hints(part for entry in plan.entries for part in entry.queued_parts()))
        self._insert(cursor, plan, result.hints)
        outcomes = {id(job): job.outcomes(written) for job, written in zip(own, plan.outcomes, strict=True)}
        self._close_keys(cursor, own, plan, outcomes, claimed)
        for job in self._jobs:
            key = job.request.idempotency
            if id(job) in outcomes:
                result.answers.append(outcomes[id(job)])
            else:
                assert key is not None
                result.answers.append(idempotency.answer(key, raced.get(idempotency.name_of(key))))
        self._take_money(plan)
        return result

    @staticmethod
    def _is_own(job: Job, claimed: dict[Name, UUID]) -> bool:
        key = job.request.idempotency
        return key is None or idempotency.name_of(key) in claimed

    def _plan(self, jobs: Sequence[Job]) -> Plan:
        plan = Plan()
        if not jobs:
            return plan
        budget = Budget.read(jobs, locked=self._locked)
        ledger: dict[tuple[int, int | None, str], list[Entry]] = {}
        entry_ids: dict[tuple[int, int | None, str], UUID] = {}
        for job in jobs:
            written: dict[int, Outcome] = {}
            for index, admitted in job.admitted.items():
                message = admitted.message
                refusal = budget.spend(message)
                if refusal:
                    written[index] = refusal
                    continue
                entry = Entry(admitted)
                if message.price:
                    client = message.command.api_client
                    group = (message.command.account.id, client.id if client else None, message.command.source)
                    if group not in entry_ids:
                        entry_ids[group] = new_id()
                    entry = Entry(admitted, entry_ids[group])
                    ledger.setdefault(group, []).append(entry)
                plan.entries.append(entry)
                written[index] = entry.accepted()
            plan.outcomes.append(written)
        plan.capped = budget.capped
        plan.charges = [_charge(entry_ids[group], group, entries) for group, entries in ledger.items()]
        return plan

    def _insert(self, cursor: Cursor, plan: Plan, hints: Sequence[Hint]) -> None:
        self._proof = plan.entries[0].admitted.message.message_id if plan.entries else None
        if plan.entries:
            rows.insert(cursor, plan.entries, self._now)
            outbox.insert(cursor, hints, self._now)
            crash.point("between-messages-and-ledger")

    def _close_keys(
        self,
        cursor: Cursor,
        jobs: Sequence[Job],
        plan: Plan,
        outcomes: dict[int, list[Outcome]],
        claimed: dict[Name, UUID],
    ) -> None:
        """Store the answers; a request that was refused as a whole leaves no key."""
        responses: dict[UUID, str] = {}
        refused: list[UUID] = []
        for job, written in zip(jobs, plan.outcomes, strict=True):
            key = job.request.idempotency
            if key is None:
                continue
            row_id = claimed[idempotency.name_of(key)]
            if any(not isinstance(outcome, Exception) for outcome in written.values()):
                responses[row_id] = key.render(outcomes[id(job)])
            else:
                refused.append(row_id)
        idempotency.store(cursor, responses)
        idempotency.give_back(cursor, refused)

    def _take_money(self, plan: Plan) -> None:
        """Wallets come last: they are the rows that others wait for."""
        if plan.charges:
            unfit = charging.charge(plan.charges, capped=plan.capped)
            if unfit:
                raise Unfit(unfit)


def _charge(ledger_id: UUID, group: tuple[int, int | None, str], entries: Sequence[Entry]) -> Charge:
    account, client, source = group
    messages = [entry.admitted.message for entry in entries]
    return Charge(
        ledger_id=ledger_id,
        account_id=account,
        amount=sum((message.price for message in messages), start=messages[0].price * 0),
        parts=sum(message.body.parts for message in messages),
        pays_on=str(messages[0].command.account.charge_on),
        source=source,
        client_id=client,
        reference=messages[0].message_id.hex,
    )
