"""One file, one transaction: the database becomes what the file says, or nothing happens at all."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from accounts.models import Account
from accounts.services import Actor
from common.errors import Rejected
from common.models import ConfigVersion
from common.transactions import retried
from gateway_project.provisioning.checks import check_against_database, check_document
from gateway_project.provisioning.document import Problem
from gateway_project.provisioning.items import Document, Item, read_document
from gateway_project.provisioning.journal import Journal
from gateway_project.provisioning.lines import apply_connector, apply_profile
from gateway_project.provisioning.parties import apply_account, apply_permission_group, apply_staff, settle_parent
from gateway_project.provisioning.permits import settle_senders, settle_wallet

ACTOR: Final = Actor("provision")
_PATIENCE: Final = 30  # seconds for a lock: a run that hashes many passwords holds others up
_TURN: Final = "provision"  # the row of ConfigVersion that one run at a time holds


class Conflict(Exception):
    """Somebody changed the same objects at the same moment; nothing was written, and it may be tried again."""


class _PlanEnds(Exception):
    """Takes everything back that a plan has tried."""


def provision(path: Path, *, plan: bool = False, actor: Actor = ACTOR) -> Journal:
    """Make the database what the file says; `plan` tells what would change. Raises Problem, Conflict, OSError."""
    return apply_document(read_document(path), plan=plan, actor=actor)


def apply_document(document: Document, *, plan: bool = False, actor: Actor = ACTOR) -> Journal:
    """The same for a file that was read already."""
    try:
        return _run(document, plan, actor)
    except Problem as problem:
        problem.source = problem.source or document.source
        raise
    except IntegrityError as error:
        raise Conflict(
            "somebody changed the same objects at the same moment; nothing was written, run it again"
        ) from error


@retried()
def _run(document: Document, plan: bool, actor: Actor) -> Journal:
    journal = Journal()
    try:
        with transaction.atomic():
            _wait_for_turn()
            check_document(document)
            check_against_database(document)
            _apply(document, journal, actor)
            if plan:  # the plan is the deed itself, taken back: it cannot tell anything else
                raise _PlanEnds
    except _PlanEnds:
        journal.generated.clear()
    return journal


def _wait_for_turn() -> None:
    if connection.vendor == "postgresql":  # SQLite has one writer at a time and waits by itself
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{_PATIENCE}s'")
            cursor.execute(f"SET LOCAL statement_timeout = '{2 * _PATIENCE}s'")  # waiting counts in it
    ConfigVersion.objects.get_or_create(topic=_TURN)
    ConfigVersion.objects.select_for_update().get(topic=_TURN)


def _apply(document: Document, journal: Journal, actor: Actor) -> None:
    _each(document, "permission_groups", apply_permission_group, journal, actor)
    _each(document, "connectors", apply_connector, journal, actor)
    _each(document, "routing_profiles", apply_profile, journal, actor)
    if document.senders is not None:
        settle_senders(document.senders, None, journal.open("senders", "of everybody"), actor)
    _each(document, "accounts", apply_account, journal, actor)
    _each(document, "staff", apply_staff, journal, actor)
    _finish_accounts(document.of("accounts"), journal, actor)


def _each(
    document: Document, section: str, deed: Callable[[Item, Journal, Actor], None], journal: Journal, actor: Actor
) -> None:
    for item in document.of(section):
        _guarded(item, partial(deed, item, journal, actor))


def _finish_accounts(items: list[Item], journal: Journal, actor: Actor) -> None:
    """Parents and, last of all and in account order like everywhere, wallets."""
    entries = {entry.name: entry for entry in journal.entries if entry.kind == "account"}
    for item in items:
        _guarded(item, partial(settle_parent, item, entries[item.name], actor))
    ids = dict(Account.objects.values_list("name", "pk"))
    for item in sorted(items, key=lambda item: ids[item.name]):
        _guarded(item, partial(settle_wallet, item, entries[item.name], journal, actor))


def _guarded(item: Item, deed: Callable[[], None]) -> None:
    """Whatever a service refuses after all belongs to the line of the object."""
    try:
        deed()
    except ValidationError as error:
        fault = "; ".join(error.messages)
        raise Problem(item.line, f"{item.kind.label} {item.name!r}: {fault}") from error
    except Rejected as error:
        fields = "; ".join(f"{name}: {fault}" for name, fault in error.fields.items())
        raise Problem(item.line, f"{item.kind.label} {item.name!r}: {fields or error.message}") from error
