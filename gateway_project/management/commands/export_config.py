"""`manage.py export_config`: the whole configuration as a file for `provision`, without secrets."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gateway_project.provisioning.export import as_yaml, export


class Command(BaseCommand):
    help = "Print the whole configuration as YAML that `provision` takes back; no secret is in it."

    def add_arguments(self, parser: CommandParser) -> None:
        """In which form."""
        parser.add_argument("--json", action="store_true", help="The same as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it."""
        found = export()  # without a transaction: on SQLite it would keep every writer waiting
        self.stdout.write(json.dumps(found, ensure_ascii=False) if options["json"] else as_yaml(found), ending="\n")
