"""`manage.py connector`: look at carrier lines, start, stop, restart and drain them, and say why one is down."""

import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import Actor
from common.errors import Rejected
from connectors.models import Connector
from messaging import line_control
from messaging.diagnosis import diagnose, overview, overviews
from messaging.line_control import DEEDS
from workers.second_opinion import ask as ask_smpplib

ACTOR = Actor("manage.py connector")
LOOK_EVERY = 0.3  # seconds
LONGEST_WAIT = 86_400  # seconds
Facts = dict[str, Any]


class Command(BaseCommand):
    help = "List, show, start, stop, restart, drain and diagnose connectors; exit 1 when --wait was in vain."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do with which connector."""
        deeds = parser.add_subparsers(dest="deed", required=True)
        for deed, words in (
            ("list", "One line for each connector"),
            ("show", "Everything that is known, without asking the network"),
            ("start", "Open binds; what waits goes out"),
            ("stop", "Close binds; messages go on to wait for it"),
            ("restart", "Close all binds on all hosts and open them anew"),
            ("drain", "No new messages; what is queued goes out, then binds close"),
            ("diagnose", "Why it is down and what to do; exit 1 when it does not work"),
        ):
            one = deeds.add_parser(deed, help=words)
            one.add_argument("--json", action="store_true")
            if deed != "list":
                one.add_argument("name")
            if deed in DEEDS:
                one.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="Until the binds say so")
            if deed == "diagnose":
                one.add_argument("--probe", action="store_true", help="Also bind by smpplib: carriers count binds")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, tell it."""
        try:
            {"list": self._list, "show": self._show, "diagnose": self._diagnose}.get(options["deed"], self._do)(options)
        except Rejected as error:
            raise CommandError(error.message) from error

    def _list(self, options: Facts) -> None:
        found = overviews()
        if options["json"]:
            self._json(found)
            return
        for line in found:
            self.stdout.write(_short(line))

    def _show(self, options: Facts) -> None:
        line_control.find(options["name"])
        facts = overview(options["name"])
        self._json(facts) if options["json"] else self._lines(facts)

    def _do(self, options: Facts) -> None:
        name, deed = options["name"], options["deed"]
        if not 0 <= options["wait"] <= LONGEST_WAIT:  # nan is neither
            raise CommandError(f"--wait {options['wait']:g}: 0 to {LONGEST_WAIT} seconds")
        line_control.operate(name, deed, actor=ACTOR)
        reached = _wait(name, deed, options["wait"]) if options["wait"] > 0 else True
        facts = overview(name)
        assert facts is not None
        if options["json"]:
            self._json({"reached": reached if options["wait"] > 0 else None, **facts})
        else:
            self.stdout.write(_short(facts))
        if not reached:
            why = diagnose(Connector.objects.get(name=name), network=False)["verdict"]["words"]
            raise CommandError(f"not reached within {options['wait']:g} s: {why}")

    def _diagnose(self, options: Facts) -> None:
        row = line_control.find(options["name"])
        found = diagnose(row)
        if options["probe"]:
            found["second_opinion"] = ask_smpplib(row)
        verdict = found["verdict"]
        if options["json"]:
            self._json(found)
        else:
            self.stdout.write(f"{verdict['level']:4}  {verdict['words']}")
            if verdict["do"]:
                self.stdout.write(f"      → {verdict['do']}")
            self._lines({key: value for key, value in found.items() if key != "verdict"})
        if verdict["level"] == "fail":
            raise SystemExit(1)

    def _json(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, default=str))

    def _lines(self, value: Any, indent: str = "") -> None:
        """Nested facts, one a line."""
        for key, found in value.items():
            if isinstance(found, dict) and found:
                self.stdout.write(f"{indent}{key}")
                self._lines(found, indent + "  ")
            elif isinstance(found, list) and found and isinstance(found[0], dict):
                for number, entry in enumerate(found, 1):
                    self.stdout.write(f"{indent}{key} {number}")
                    self._lines(entry, indent + "  ")
            else:
                self.stdout.write(f"{indent}{key:16} {'-' if found in (None, '', {}, []) else found}")


def _short(line: Facts) -> str:
    more = "+" if line["queued"]["or_more"] else ""
    binds = f"{line['bound']}/{len(line['binds'])} bound"
    return (
        f"{line['name']:20} {line['status']:9} {binds:12} {line['throughput']['now']:g}/s  "
        f"{line['queued']['parts']}{more} queued  {line['host']}:{line['port']}"
    )


def _wait(name: str, deed: str, seconds: float) -> bool:
    """Until the binds are as the deed wants them; whether they are."""
    until = time.monotonic() + seconds
    while True:
        facts = overview(name)
        if facts is not None and _is_done(deed, facts):
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(min(LOOK_EVERY, max(0.0, until - time.monotonic())))


def _is_done(deed: str, facts: Facts) -> bool:
    states = [bind["state"] for bind in facts["binds"]]
    if deed in ("start", "restart"):
        return all(state == "bound" for state in states) and all(bind["current"] for bind in facts["binds"])
    gone = all(state in ("stopped", "unserved") for state in states)
    return gone and (deed == "stop" or facts["status"] == "drained")
