"""`manage.py audit_ledger`: does every credit have its reason? Exit 1 and one line a finding when not."""

import json
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from billing.audit import Finding, ledger_figures, ledger_findings, patience
from billing.seals import seal_closed_days
from common.clock import utc_now
from messaging.audit import charged_messages_check


class Command(BaseCommand):
    """Checks I1…I8 of the ledger against wallets and messages."""

    help = "Check that ledger, balances and messages agree; exit 1 with one line a finding when they do not."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
        parser.add_argument("--seal", action="store_true", help="then seal the days that have ended")
        parser.add_argument("--since", type=date.fromisoformat, help="YYYY-MM-DD: check messages and seals from here")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print findings and figures."""
        with patience():
            findings = [*ledger_findings(since=options["since"]), *charged_messages_check(since=options["since"])]
            figures = ledger_figures()
            figures["sealed"] = self._seal(findings) if options["seal"] else []
        if options["json"]:
            listed = [{"invariant": item.invariant, "text": item.text} for item in findings]
            self.stdout.write(json.dumps({"ok": not findings, "findings": listed, "figures": figures}))
        else:
            self._tell(findings, figures)
        if findings:
            raise SystemExit(1)

    def _seal(self, findings: list[Finding]) -> list[str]:
        """A broken chain is not made longer: the new seals would cover up the old ones."""
        if any(item.invariant == "I8" for item in findings):
            return []
        return [str(seal.day) for seal in seal_closed_days(utc_now())]

    def _tell(self, findings: list[Finding], figures: dict[str, Any]) -> None:
        for finding in findings:
            self.stdout.write(str(finding))
        self.stdout.write(
            f"{figures['entries']} entries, {figures['wallets']} wallets, balances {figures['balances']}, "
            f"{len(figures['sealed'])} days sealed, {len(findings)} findings"
        )
