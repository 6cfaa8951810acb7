"""`manage.py run_binds`: the bind worker as a process of its own."""

import signal
from typing import Any

import uvloop
from django.core.management.base import BaseCommand, CommandError, CommandParser

from common import process_number
from connectors.models import Connector
from messaging import outbox
from workers.binds.service import BindService


class Command(BaseCommand):
    help = "Hold the binds to the carriers until SIGTERM; then drain at most 30 s and unbind."
    requires_system_checks: list[str] = []  # they import every page; migrate and check have run them

    def add_arguments(self, parser: CommandParser) -> None:
        """Which connectors."""
        parser.add_argument("--connector", action="append", default=[], help="Only this one (may be repeated)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal comes; a name that is none would be waited for in silence."""
        for name in options["connector"]:
            if not Connector.objects.filter(name=name).exists():
                raise CommandError(f"no connector {name}")
        process_number.start()
        try:
            uvloop.run(_serve(BindService(only=options["connector"])))
        finally:
            outbox.close()
            process_number.stop()


async def _serve(service: BindService) -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, service.stop)
    await service.run()
