"""Proposals of the DLR doctor: found by a tick, kept until a person decides, never applied by themselves."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Q

from accounts import audit
from accounts.audit import Actor
from common.jobs import Job, enqueue
from common.queues import Work
from connectors.models import Connector
from connectors.services import update_connector
from connectors.snapshot import connectors
from messaging import rows
from messaging.models import IdRuleProposal
from messaging.receipts.doctor import evidence
from messaging.receipts.doctor.diagnosis import ENOUGH
from messaging.receipts.doctor.examination import Examination, examine
from messaging.receipts.doctor.rehoming import BUDGET, rehome

log = structlog.get_logger(__name__)

DOCTOR = Job("housekeeping.dlr_doctor", queue=Work.HOUSEKEEPING)
State = IdRuleProposal.State
REFRESH = timedelta(minutes=10)  # an open proposal is looked at again after so long
# A rejected rule is proposed again when five times as many messages agree on it, or the ids have another form.
TIMES = 5
_ENTITY = "idruleproposal"


class AlreadyDecided(Exception):
    """The proposal is not open any more; nothing was changed."""


def look_over() -> None:
    """For the clock: bring home what accepted rules are for, then look for rules; an account without unmatched
    receipts costs one look into an index."""
    until, more = time.monotonic() + BUDGET, False
    for proposal in IdRuleProposal.objects.filter(state=State.ACCEPTED, rehoming=True):
        more |= not rehome(proposal, budget=until - time.monotonic())[1]
    for carrier_account in connectors().carrier_accounts:
        propose(carrier_account)
    if more:
        enqueue(DOCTOR)


def propose(carrier_account: str, *, at_once: bool = False) -> IdRuleProposal | None:
    """Keep what the receipts of the account agree on as an open proposal; returns it, None when there is none.

    `at_once`: also when the open one was looked at a moment ago.
    """
    now = rows.database_now()
    known = open_proposal(carrier_account)
    if known is not None and not at_once and now - known.checked_at < REFRESH:
        return known
    if not evidence.some_unmatched(carrier_account, now=now, number=ENOUGH):
        _withdraw(known, now)
        return None
    found = examine(carrier_account, now=now)
    if known is not None and known.rule == found.finding.rule:
        IdRuleProposal.objects.filter(pk=known.pk, state=State.OPEN).update(**_facts(found, now))
        known.refresh_from_db()
        return known
    _withdraw(known, now)
    return _open(found, now) if found.finding.rule and _news(found) else None


def open_proposal(carrier_account: str) -> IdRuleProposal | None:
    """What waits for a decision."""
    return IdRuleProposal.objects.filter(carrier_account=carrier_account, state=State.OPEN).first()


def last_decision(carrier_account: str) -> IdRuleProposal | None:
    """What a person decided last for the account."""
    decided = IdRuleProposal.objects.filter(
        carrier_account=carrier_account, state__in=(State.ACCEPTED, State.REJECTED), decided_at__isnull=False
    )
    return decided.order_by("-decided_at").first()


def open_proposals() -> Sequence[IdRuleProposal]:
    """All that wait for a decision."""
    return list(IdRuleProposal.objects.filter(state=State.OPEN).order_by("carrier_account"))


@transaction.atomic
def accept(proposal: IdRuleProposal, *, actor: Actor) -> IdRuleProposal:
    """Give all connectors of the carrier account the rule, and have their receipts brought home by a job.

    Accepting once more changes nothing and asks for the job again. Raises AlreadyDecided when it was rejected or
    withdrawn.
    """
    fresh = IdRuleProposal.objects.select_for_update().get(pk=proposal.pk)
    if fresh.state not in (State.OPEN, State.ACCEPTED):
        raise AlreadyDecided(f"{fresh} is {fresh.state.lower()}")
    if fresh.state == State.OPEN:
        changed = _set_rule(fresh, actor)
        others = IdRuleProposal.objects.filter(carrier_account=fresh.carrier_account, state=State.ACCEPTED)
        others.update(rehoming=False)
        fresh.rehoming = True
        _decide(fresh, State.ACCEPTED, actor, {"connectors": changed})
    enqueue(DOCTOR)
    return fresh


@transaction.atomic
def reject(proposal: IdRuleProposal, *, actor: Actor) -> IdRuleProposal:
    """Leave everything as it is; the rule is not proposed again until the evidence is another one.

    Raises AlreadyDecided when it was accepted or withdrawn.
    """
    fresh = IdRuleProposal.objects.select_for_update().get(pk=proposal.pk)
    if fresh.state not in (State.OPEN, State.REJECTED):
        raise AlreadyDecided(f"{fresh} is {fresh.state.lower()}")
    if fresh.state == State.OPEN:
        _decide(fresh, State.REJECTED, actor, {})
    return fresh


def _set_rule(proposal: IdRuleProposal, actor: Actor) -> dict[str, list[str]]:
    """Returns the old and the new rule by connector."""
    account = proposal.carrier_account
    mine = Q(carrier_account=account) | Q(carrier_account="", name=account)
    changed = {}
    for connector in Connector.objects.filter(mine).order_by("pk"):
        before = connector.id_rule
        if before != proposal.rule:
            update_connector(connector=connector, id_rule=proposal.rule)
            changed[connector.name] = [before, proposal.rule]
            audit.record(
                action="change", entity="connector", entity_id=connector.pk, actor=actor,
                details={"id_rule": changed[connector.name], "proposal": proposal.pk},
            )  # fmt: skip
    return changed


def _decide(proposal: IdRuleProposal, state: str, actor: Actor, details: dict[str, object]) -> None:
    proposal.state, proposal.decided_at, proposal.decided_by = state, rows.database_now(), actor.name[:150]
    proposal.save(update_fields=["state", "decided_at", "decided_by", "rehoming"])
    facts = {"carrier_account": proposal.carrier_account, "rule": proposal.rule, "agreeing": proposal.agreeing}
    action = "accept" if state == State.ACCEPTED else "reject"
    audit.record(action=action, entity=_ENTITY, entity_id=proposal.pk, details={**facts, **details}, actor=actor)


def _facts(found: Examination, now: datetime) -> dict[str, object]:
    return {
        "before": ",".join(sorted(set(found.rules.values())))[:120],
        "agreeing": found.finding.agreeing,
        "unmatched": found.unmatched,
        "answer_format": found.answer_format,
        "receipt_format": found.receipt_format,
        "samples": list(found.samples),
        "checked_at": now,
    }


def _open(found: Examination, now: datetime) -> IdRuleProposal | None:
    made = IdRuleProposal(
        carrier_account=found.carrier_account, rule=found.finding.rule, created_at=now, **_facts(found, now)
    )
    # Two ticks at once: one proposal.
    IdRuleProposal.objects.bulk_create([made], ignore_conflicts=True)
    log.warning(
        "id_rule_proposed", carrier_account=made.carrier_account, rule=made.rule, agreeing=made.agreeing,
        answers=made.answer_format, receipts=made.receipt_format,
    )  # fmt: skip
    return open_proposal(found.carrier_account)


def _withdraw(known: IdRuleProposal | None, now: datetime) -> None:
    if known is not None:
        IdRuleProposal.objects.filter(pk=known.pk, state=State.OPEN).update(state=State.WITHDRAWN, checked_at=now)


def _news(found: Examination) -> bool:
    """Whether a person has not decided on the same evidence before."""
    decided = IdRuleProposal.objects.filter(
        carrier_account=found.carrier_account, rule=found.finding.rule, state__in=(State.ACCEPTED, State.REJECTED)
    )
    last = decided.order_by("-id").first()
    if last is None:
        return True
    if last.state == State.ACCEPTED:  # what it is for comes home without being asked again, while it holds
        return not last.rehoming
    forms = (last.answer_format, last.receipt_format)
    return forms != (found.answer_format, found.receipt_format) or found.finding.agreeing >= TIMES * last.agreeing
