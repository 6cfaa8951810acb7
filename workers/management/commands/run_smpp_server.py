"""`manage.py run_smpp_server`: the SMPP server for customers as a process of its own."""

import asyncio
import signal
from typing import Any

import uvloop
from django.core.management.base import BaseCommand, CommandError, CommandParser

from common import process_number
from messaging import outbox
from workers.smpp_server.service import SmppService


class Command(BaseCommand):
    help = "Let customers bind by SMPP until SIGTERM; then answer what is under way, at most 30 s, and unbind."

    requires_system_checks: list[str] = []  # they import every page; migrate and check have run them

    def add_arguments(self, parser: CommandParser) -> None:
        """Whether others may listen beside it."""
        parser.add_argument("--share-port", action="store_true", help="Several servers on one port of this host")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal comes."""
        process_number.start()
        try:
            uvloop.run(_serve(share_port=options["share_port"]))
        except OSError as error:
            raise CommandError(f"{error}; set GATEWAY_SMPP_PORT or GATEWAY_SMPPS_PORT") from error
        finally:
            outbox.close()
            process_number.stop()


async def _serve(*, share_port: bool) -> None:
    service = SmppService(share_port=share_port)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, service.stop)
    await service.run()
