"""Runs a simulated carrier: an SMPP 3.4 server that takes messages, sends receipts, and misbehaves on request."""

import argparse
import asyncio
import json
import signal
import ssl
from contextlib import suppress
from typing import Any

import uvloop
from django.core.management.base import BaseCommand, CommandError, CommandParser

from workers.simulator.config import CUT_KINDS, RECEIPT_TARGETS, SimulatorConfig
from workers.simulator.ids import ID_FORMATS
from workers.simulator.magic import magic_table
from workers.simulator.server import Simulator
from workers.simulator.styles import style_table

_TABLES = f"Magic destinations:\n{magic_table()}\n\nReceipt styles:\n{style_table()}\n"

# (flag, field of SimulatorConfig, type, help)
_SETTINGS: tuple[tuple[str, str, Any, str], ...] = (
    ("--host", "host", str, "address to listen on"),
    ("--port", "port", int, "SMPP port, 0 chooses one"),
    ("--control-port", "control_port", int, "HTTP/JSON control on 127.0.0.1, 0 chooses one"),
    ("--smsc-id", "smsc_id", str, "system_id in our bind_resp"),
    ("--delay-ms", "delay_ms", str, "receipt delay: 250, 10-300 or 'exp 200'"),
    ("--answer-ms", "answer_ms", str, "delay of submit_sm_resp, written the same way"),
    ("--receipt-style", "receipt_style", str, "names joined by + (together) or , (in turn), or all"),
    ("--success-rate", "success_rate", float, "share of ordinary messages that are delivered, 0 to 1"),
    ("--throttle-rate", "throttle_rate", float, "submits per second and system_id; beyond: RTHROTTLED"),
    ("--tps", "tps", float, "answers per second; the others wait"),
    ("--window-limit", "window_limit", int, "unanswered submits per session; beyond: --window-status"),
    ("--window-status", "window_status", lambda text: int(text, 0), "command_status beyond the window limit"),
    ("--refuse-every", "refuse_every", str, "N:STATUS answers every N-th submit with STATUS"),
    ("--refuse-binds", "refuse_binds", str, "CODE[:N], hang[:N] or close[:N] for the first N binds (all)"),
    ("--max-binds", "max_binds", int, "binds per system_id; beyond: RALYBND"),
    ("--disconnect-every", "disconnect_every", str, f"N[:{'|'.join(CUT_KINDS)}] cuts at every N-th message"),
    ("--receipt-system-id", "receipt_system_id", str, "send all receipts to this system_id"),
    ("--mo-every", "mo_every", float, "seconds between inbound texts"),
    ("--mo-text", "mo_text", str, "inbound text, {n} counts"),
    ("--mo-destination", "mo_destination", str, "shortcode of the inbound texts"),
    ("--time-scale", "time_scale", float, "multiplies the waits of magic numbers"),
    ("--seed", "seed", int, "repeatable delays and choices"),
    ("--journal", "journal", str, "file that gets one JSON line per accepted message"),
)


class Command(BaseCommand):
    """`manage.py simulate_smsc`."""

    help = "Run a simulated SMSC (SMPP 3.4)."
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Show the magic numbers and receipt styles below the options."""
        parser = super().create_parser(prog_name, subcommand, epilog=_TABLES, **kwargs)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        """One flag per setting; its default is that of SimulatorConfig, the port 2776."""
        for flag, name, kind, text in _SETTINGS:
            parser.add_argument(flag, dest=name, type=kind, help=text)
        parser.add_argument("--id-format", choices=list(ID_FORMATS), help="form of the message id")
        parser.add_argument("--receipt-target", choices=RECEIPT_TARGETS, help="which session gets the receipt")
        parser.add_argument("--system-id", help="the only system_id that may bind (default: anybody)")
        parser.add_argument("--password", default="", help="its password")
        parser.add_argument("--ignore-enquire-link", action="store_true", help="leave enquire_link unanswered")
        parser.add_argument("--tls-cert", help="certificate chain (PEM); with --tls-key switches TLS on")
        parser.add_argument("--tls-key", help="private key (PEM)")
        parser.add_argument("--json", type=float, metavar="SECONDS", help="print the counters as JSON every SECONDS")
        parser.add_argument("--magic", action="store_true", help="print magic numbers and receipt styles, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT; raises CommandError for settings that make no sense."""
        if options["magic"]:
            self.stdout.write(_TABLES)
            return
        try:
            config = config_from(options)
        except (ValueError, OSError) as error:
            raise CommandError(str(error)) from error
        try:
            uvloop.run(self._run(config, options["json"] or 0.0))
        except OSError as error:  # only the listener raises it: what happens to a link stays in the link
            raise CommandError(f"port {config.port} on {config.host} cannot be used ({error.strerror})") from error

    async def _run(self, config: SimulatorConfig, every: float) -> None:
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        async with Simulator(config) as smsc:
            control = f", control on 127.0.0.1:{smsc.control_port}" if smsc.control_port else ""
            self._say(f"SMSC simulator listens on {smsc.host}:{smsc.port}{control}", quiet=bool(every))
            if every:
                self._print(smsc)
            while not ended.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), every or None)
                if every and not ended.is_set():
                    self._print(smsc)
        if every:
            self._print(smsc)

    def _say(self, line: str, *, quiet: bool) -> None:
        stream = self.stderr if quiet else self.stdout
        stream.write(line)
        stream.flush()

    def _print(self, smsc: Simulator) -> None:
        self.stdout.write(json.dumps(smsc.snapshot()))
        self.stdout.flush()


def config_from(options: dict[str, Any]) -> SimulatorConfig:
    """The settings that the flags name; raises ValueError or OSError (certificate)."""
    names = [name for _, name, _, _ in _SETTINGS] + ["id_format", "receipt_target", "ignore_enquire_link"]
    chosen = {"port": 2776, **{name: options[name] for name in names if options[name] is not None}}
    if options["system_id"]:
        chosen["credentials"] = {options["system_id"]: options["password"]}
    if options["tls_cert"]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options["tls_cert"], options["tls_key"])
        chosen["ssl_context"] = context
    return SimulatorConfig(**chosen)
