"""`manage.py dlr_doctor`: do receipts meet their messages, carrier account by carrier account; decide on a rule."""

import json
from collections.abc import Iterator
from datetime import UTC
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import Actor
from common import bus
from connectors.snapshot import connectors
from messaging.models import IdRuleProposal
from messaging.receipts import doctor
from messaging.receipts.doctor import ENOUGH, Examination

ACTOR = Actor("dlr_doctor")
CANNOT = 2  # exit status: there is nothing to decide, or no such account


class Command(BaseCommand):
    help = (
        "Why receipts meet no message, by carrier account. Exit 1 when a rule waits for a decision or "
        f"{ENOUGH} receipts have no message, 2 when what was asked for cannot be done."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Look at all accounts or at one, or decide."""
        parser.add_argument("account", nargs="?", help="Only this carrier account")
        decide = parser.add_mutually_exclusive_group()
        decide.add_argument("--accept", metavar="ACCOUNT", help="Give its connectors the rule that is proposed")
        decide.add_argument("--reject", metavar="ACCOUNT", help="Leave it as it is")
        parser.add_argument("--json", action="store_true", help="Answer as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look or decide."""
        if options["accept"] or options["reject"]:
            try:
                facts = self._accept(options["accept"]) if options["accept"] else self._reject(options["reject"])
            except doctor.AlreadyDecided as error:  # by somebody else, while we looked
                raise CommandError(str(error), returncode=CANNOT) from error
            bus.close()
            words = ", ".join(f"{name}: {value}" for name, value in facts.items())
            self.stdout.write(json.dumps({"ok": True, **facts}) if options["json"] else words)
            return
        found = [(doctor.examine(account), doctor.open_proposal(account)) for account in _accounts(options["account"])]
        ill = [account for account, proposal in found if proposal or account.unmatched >= ENOUGH]
        if options["json"]:
            listed = [doctor.told(account, proposal) for account, proposal in found]
            self.stdout.write(json.dumps({"ok": not ill, "accounts": listed}))
        else:
            for line in (line for account, proposal in found for line in _lines(account, proposal)):
                self.stdout.write(line)
        if ill:
            raise SystemExit(1)

    def _accept(self, account: str) -> dict[str, Any]:
        proposal = doctor.accept(_proposed(account), actor=ACTOR)
        over = False
        while not over:  # to the end: a person waits for it
            proposal.refresh_from_db()
            _, over = doctor.rehome(proposal)
        proposal.refresh_from_db()  # the clock's job has its share
        return {"carrier_account": account, "rule": proposal.rule, "rehomed": proposal.rehomed}

    def _reject(self, account: str) -> dict[str, Any]:
        proposal = doctor.reject(_proposed(account), actor=ACTOR)
        return {"carrier_account": account, "rule": proposal.rule, "rejected": True}


def _accounts(wanted: str | None) -> list[str]:
    known = connectors().carrier_accounts
    if wanted is not None and wanted not in known:
        raise CommandError(f"no connector has the carrier account {wanted}", returncode=CANNOT)
    return known if wanted is None else [wanted]


def _proposed(account: str) -> IdRuleProposal:
    [known] = _accounts(account)
    proposal = doctor.propose(known, at_once=True)
    if proposal is None:
        words = f"{account}: {doctor.examine(known).verdict}; nothing is proposed"
        raise CommandError(f"{words}{_last_decision(known)}", returncode=CANNOT)
    return proposal


def _last_decision(account: str) -> str:
    """What somebody has decided before: perhaps a moment ago, in another shell."""
    last = doctor.last_decision(account)
    if last is None or last.decided_at is None:
        return ""
    when = last.decided_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"; {last.rule} was {last.state.lower()} by {last.decided_by} at {when}"


def _lines(found: Examination, proposal: IdRuleProposal | None) -> Iterator[str]:
    rules = ", ".join(f"{name} {rule}" for name, rule in found.rules.items())
    many = f"{found.unmatched}{' or more' if found.at_least else ''}"
    yield f"{found.carrier_account} ({rules})"
    yield f"  unmatched  {many}: {found.verdict}"
    yield f"  ids        answers {found.answer_format or 'none'}; receipts {found.receipt_format or 'none'}"
    written = ", ".join(f"{number} digits in {many}" for number, many in found.clock.digits.items())
    yield f"  done dates {found.clock.words}{f'; {written}' if written else ''}"
    for pair in found.samples:
        yield f"    {pair['answer']}  <->  {pair['receipt']}  ({pair['number']})"
    if proposal:
        account = found.carrier_account
        yield f"  proposed   {proposal.rule}: --accept {account} or --reject {account}"
