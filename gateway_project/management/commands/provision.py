"""`manage.py provision FILE`: make the configuration what a YAML file says (docs/provisioning.md)."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from gateway_project.provisioning.apply import Conflict, provision
from gateway_project.provisioning.document import Problem
from gateway_project.provisioning.journal import Journal


class Command(BaseCommand):
    help = "Make the configuration what FILE says, in one transaction; prints one line per change."

    def add_arguments(self, parser: CommandParser) -> None:
        """The file, and what to do with it."""
        parser.add_argument("file", help="YAML, see docs/provisioning.md")
        parser.add_argument("--plan", action="store_true", help="Tell what would change, change nothing")
        parser.add_argument("--json", action="store_true", help="Answer as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Provision, or refuse with one line that names file and line."""
        try:
            journal = provision(Path(options["file"]), plan=options["plan"])
        except (Problem, Conflict) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from error
        if options["json"]:
            self.stdout.write(json.dumps(_facts(journal, options["plan"]), ensure_ascii=False))
        else:
            self._tell(journal)

    def _tell(self, journal: Journal) -> None:
        for line in journal.lines():
            self.stdout.write(line)
        if journal.generated:
            self.stdout.write("generated (shown this once):")
        for drawn in journal.generated:
            self.stdout.write(f"  {drawn.kind} {drawn.name} {drawn.key}: {drawn.value}")


def _facts(journal: Journal, plan: bool) -> dict[str, Any]:
    return {
        "ok": True,
        "plan": plan,
        "changed": len(journal.changes),
        "changes": [entry.facts() for entry in journal.changes],
        "generated": [
            {"kind": drawn.kind, "name": drawn.name, "key": drawn.key, "value": drawn.value}
            for drawn in journal.generated
        ],
    }
