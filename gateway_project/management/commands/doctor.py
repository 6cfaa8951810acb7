"""`manage.py doctor`: what is wrong, and what to do; exit 1 when something fails."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gateway_project.doctor import CHECKS, Level, Told, run


class Command(BaseCommand):
    help = "Say in one screen what is wrong and what to do; exit 1 when something fails."
    requires_system_checks = ()  # a store that is down must be a finding here, not the end

    def add_arguments(self, parser: CommandParser) -> None:
        """In which form."""
        parser.add_argument("--json", action="store_true", help="One JSON object instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, tell, and exit."""
        told = run(CHECKS)
        count = {level: sum(item.finding.level is level for item in told) for level in Level}
        if options["json"]:
            self.stdout.write(json.dumps({"ok": not count[Level.FAIL], "findings": [_facts(item) for item in told]}))
        else:
            for item in told:
                self._line(item)
            self.stdout.write(f"{count[Level.FAIL]} failed, {count[Level.WARN]} to look at, {count[Level.OK]} fine")
        if count[Level.FAIL]:
            raise SystemExit(1)

    def _line(self, item: Told) -> None:
        finding = item.finding
        self.stdout.write(f"{finding.level:4}  {item.check:11} {finding.what}")
        if finding.do:
            self.stdout.write(f"{'':18}→ {finding.do}")


def _facts(item: Told) -> dict[str, str]:
    finding = item.finding
    return {"check": item.check, "level": finding.level.value, "what": finding.what, "do": finding.do}
