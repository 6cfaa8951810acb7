"""`manage.py smpp_log`: what went over the SMPP links of a customer or of a connector, decoded."""

import json
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from accounts import binds
from accounts.audit import Actor, record
from accounts.models import ClientBind, SmppClient
from connectors.models import Connector
from messaging import wirelog
from messaging.wirelog import lines

Value = TypeVar("Value")
LOOK_EVERY = 1.0  # seconds between looks while following


class Command(BaseCommand):
    help = "Print the last PDUs of an SMPP client or of a connector, decoded, with the reason of every refusal."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, and what of it."""
        parser.add_argument("system_id", nargs="?", help="of an SMPP client")
        parser.add_argument("--connector", metavar="NAME", help="of a connector instead")
        parser.add_argument("--strangers", action="store_true", help="refused binds of unknown system_ids instead")
        parser.add_argument("--errors", action="store_true", help="what was refused with its requests, and events")
        parser.add_argument("--command", metavar="submit_sm", help="with its answers; submit_sm_resp: answers alone")
        parser.add_argument("--status", help="command_status of answers: 88, 0x58 or ESME_RTHROTTLED")
        parser.add_argument("--number", help="1 to 20 digits in any address")
        parser.add_argument("--message-id", help="in an answer, a question or a receipt")
        parser.add_argument("--since", help="ISO 8601 with offset")
        parser.add_argument("--until", help="ISO 8601 with offset")
        parser.add_argument("--limit", type=int, default=wirelog.PAGE, help="at most 1000; default 100")
        parser.add_argument("--texts", action="store_true", help="show the contents of messages")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
        parser.add_argument("--follow", action="store_true", help="go on with what comes, until interrupted")
        parser.add_argument("--binds", action="store_true", help="the history of binds instead of PDUs")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the oldest first, as a log is read."""
        client, log = _chosen(options)
        if not 1 <= options["limit"] <= wirelog.LARGEST_PAGE:
            raise CommandError(f"--limit {options['limit']}: 1 to {wirelog.LARGEST_PAGE}")
        filters = _filters(options)
        if options["binds"]:
            self._binds(client, log, options)
            return
        if options["texts"]:  # reading what people wrote is a deed (reliability S22)
            name = options["system_id"] or options["connector"] or "strangers"
            record(action="smpp_log.texts", entity="smpp log", entity_id=name, actor=Actor("manage.py smpp_log"))
        # Made first: what is written meanwhile is told twice rather than never.
        tail = wirelog.Tail(log, filters=filters, texts=options["texts"]) if options["follow"] else None
        page = wirelog.wire_log(log, filters=filters, texts=options["texts"], limit=options["limit"])
        self._print(reversed(page.items), options)
        if tail is not None:
            self._follow(tail, options)

    def _follow(self, tail: wirelog.Tail, options: dict[str, Any]) -> None:
        try:
            while True:
                time.sleep(LOOK_EVERY)
                self._print(tail.read(), options)
        except KeyboardInterrupt:  # that is how one ends it
            return

    def _binds(self, client: SmppClient | None, log: wirelog.Log, options: dict[str, Any]) -> None:
        """Those of a client by its rows; of a connector or a stranger what was refused."""
        if client is not None:
            page = binds.history(client, limit=options["limit"])
            for bind in reversed(page.items):
                self._say(_bind(bind), lines.bind_line, options)
        for refused in reversed(wirelog.refused_binds(log, limit=options["limit"])):
            self._say(refused, lines.refused_line, options)

    def _print(self, entries: Iterable[dict[str, Any]], options: dict[str, Any]) -> None:
        for entry in entries:
            self._say(entry, lines.entry_line, options)
        self.stdout.flush()

    def _say(self, facts: dict[str, Any], line: Any, options: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(facts, default=_json) if options["json"] else line(facts))


def _chosen(options: dict[str, Any]) -> tuple[SmppClient | None, wirelog.Log]:
    """Whose log; raises CommandError for nobody's, and for more than one."""
    named = [options["system_id"], options["connector"], options["strangers"]]
    if sum(map(bool, named)) != 1:
        raise CommandError("name a system_id, or --connector NAME, or --strangers")
    if options["strangers"]:
        return None, wirelog.strangers_log()
    if options["connector"]:
        connector = Connector.objects.filter(name=options["connector"]).first()
        if connector is None:
            raise CommandError(f"no connector {options['connector']}")
        return None, wirelog.connector_log(connector)
    client = SmppClient.objects.filter(system_id=options["system_id"]).first()
    if client is None:
        raise CommandError(f"no SMPP client {options['system_id']}")
    return client, wirelog.client_log(client)


def _filters(options: dict[str, Any]) -> wirelog.Filters:
    return wirelog.Filters(
        command=_asked("--command", options["command"] or "", wirelog.command_of),
        number=_asked("--number", options["number"] or "", wirelog.number_of),
        message_id=options["message_id"] or "",
        errors=options["errors"],
        status=None if options["status"] is None else _asked("--status", options["status"], wirelog.status_of),
        since=_moment("--since", options["since"]),
        until=_moment("--until", options["until"]),
    )


def _asked(option: str, text: str, read: Callable[[str], Value]) -> Value:
    try:
        return read(text)
    except ValueError as error:
        raise CommandError(f"{option} {text}: {error}") from error


def _moment(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:  # well formed, but no such day or hour
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CommandError(f"{option} {text}: not an ISO 8601 time with offset")
    return moment


def _bind(bind: ClientBind) -> dict[str, Any]:
    return {
        "since": bind.since,
        "ended_at": bind.ended_at,
        "mode": bind.mode,
        "link": f"{bind.address}:{bind.port}",
        "tls": bind.tls,
        "server": bind.server,
        "submitted": bind.submitted,
        "refused": bind.refused,
        "delivered": bind.delivered,
        "reason": bind.reason,
    }


def _json(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
