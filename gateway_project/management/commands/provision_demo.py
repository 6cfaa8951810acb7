"""`manage.py provision_demo`: the demo customer, connector and profile, and var/demo.json."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from gateway_project.demo import provision_demo, write_demo_json


class Command(BaseCommand):
    help = "Provision the demo data and write its credentials to GATEWAY_VAR/demo.json (mode 0600)."

    def handle(self, *args: Any, **options: Any) -> None:
        """Provision, write, say where."""
        path = Path(settings.GATEWAY_VAR) / "demo.json"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_demo_json(path, provision_demo())
        self.stdout.write(f"Demo data is ready; credentials: {path}")
