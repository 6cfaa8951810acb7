"""`manage.py smpp_probe`: what another SMPP client (smpplib) hears from a carrier."""

import getpass
import json
import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import Actor, record
from connectors.models import Connector
from workers.second_opinion import Target, ask, probe, together

ACTOR = Actor("manage.py smpp_probe")
PASSWORD = "SMPP_PASSWORD"  # noqa: S105 - the name of a variable


class Command(BaseCommand):
    help = (
        "Connect by smpplib to each host, and with --bind also bind, ask enquire_link and send; exit 1 unless all of "
        "it works. "
        f"Without a connector the password is read from ${PASSWORD} or asked for."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Whom to ask, and how far to go."""
        parser.add_argument("name", nargs="?", help="A connector, with all its hosts")
        parser.add_argument("--host")
        parser.add_argument("--port", type=int, default=2775)
        parser.add_argument("--system-id")
        parser.add_argument("--system-type", default="")
        parser.add_argument("--bind", action="store_true", help="Carriers count binds: only when asked for")
        parser.add_argument(
            "--send",
            nargs=2,
            metavar=("TO", "TEXT"),
            help="One short text, over the first host that binds; with --bind",
        )
        parser.add_argument("--force", action="store_true", help="Also while the carrier refuses our credentials")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask and tell."""
        if bool(options["name"]) == bool(options["host"]):
            raise CommandError("name a connector, or --host")
        if options["send"] and not options["bind"]:
            raise CommandError("--send needs --bind")
        told = self._connector(options) if options["name"] else self._address(options)
        if options["json"]:
            self.stdout.write(json.dumps(told))
        else:
            self._lines(told)
        if not told["ok"]:
            raise SystemExit(1)

    def _connector(self, options: dict[str, Any]) -> dict[str, Any]:
        row = Connector.objects.filter(name=options["name"]).first()
        if row is None:
            raise CommandError(f"no connector {options['name']}")
        if options["bind"]:
            details = {"bind": True, "sent": bool(options["send"])}
            record(action="probe", entity="connector", entity_id=row.pk, details=details, actor=ACTOR)
        send = tuple(options["send"]) if options["send"] else None
        return ask(row, bind=options["bind"], send=send, force=options["force"])

    def _address(self, options: dict[str, Any]) -> dict[str, Any]:
        if options["bind"] and not options["system_id"]:
            raise CommandError("--bind needs --system-id")
        target = Target(
            host=options["host"], port=options["port"], system_id=options["system_id"] or "",
            password=_password() if options["bind"] else "", system_type=options["system_type"],
        )  # fmt: skip
        send = tuple(options["send"]) if options["send"] else None
        return together([probe(target, bind=options["bind"], send=send)])

    def _lines(self, told: dict[str, Any]) -> None:
        for host in told["hosts"]:
            self.stdout.write(host["host"])
            self._steps(host)
        for warning in told["warnings"]:
            self.stdout.write(f"warn  {warning}")

    def _steps(self, told: dict[str, Any]) -> None:
        for step in ("connect", "bind", "enquire_link", "send"):
            found = told[step]
            if found is not None:
                more = found["error"] or found["message_id"] or found["name"] or ""
                self.stdout.write(f"{'ok' if found['ok'] else 'fail':4}  {step:12} {found['ms']} ms  {more}")
        if told["error"] and told["connect"] is None:
            self.stdout.write(f"fail  {told['error']}")


def _password() -> str:
    given = os.environ.get(PASSWORD)
    if given is not None:
        return given
    return getpass.getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
