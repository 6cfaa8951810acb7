"""`manage.py audit_export DIRECTORY`: messages and transfers as CSV for an outside checker."""

import json
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.audit import patience
from messaging.audit_export import export_audit


class Command(BaseCommand):
    help = "Write messages.csv and transfers.csv into DIRECTORY, without texts and numbers."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to and from when."""
        parser.add_argument("directory", type=Path)
        parser.add_argument("--since", type=date.fromisoformat, help="YYYY-MM-DD (UTC): nothing older")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of a line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write them."""
        since = datetime.combine(options["since"], time(), UTC) if options["since"] else None
        try:
            with patience():
                found = export_audit(options["directory"], since=since)
        except OSError as error:
            raise CommandError(f"{options['directory']}: {error.strerror}") from error
        if options["json"]:
            self.stdout.write(json.dumps(found))
        else:
            self.stdout.write(f"{found['messages']} messages, {found['transfers']} transfers: {options['directory']}")
