"""`manage.py counters`: what was committed, sent, doubted and sent again, in numbers."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from billing.audit import patience
from messaging.counters import counters


class Command(BaseCommand):
    help = "Print how many messages were committed, submitted, doubted and sent again; counts whole tables."

    def add_arguments(self, parser: CommandParser) -> None:
        """In which form."""
        parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print them."""
        with patience():
            found = counters()
        if options["json"]:
            self.stdout.write(json.dumps(found))
            return
        for name, value in found.items():
            self.stdout.write(f"{name} {value}")
