"""`manage.py replay_deliveries`: send dead-lettered webhooks again, with the same event ids."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from accounts.models import Account
from common import bus
from messaging.dead_letters import Choice, dead_letters, replay

LISTED = 1000


class Command(BaseCommand):
    help = "Send webhooks again that were given up: by event id, by account, or since a time."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which dead letters."""
        parser.add_argument("ids", nargs="*", help="Event ids")
        parser.add_argument("--account", help="Name of an account")
        parser.add_argument("--since", help="ISO 8601 with offset; of the event, not of the last try")
        parser.add_argument("--list", action="store_true", help="Only show them")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """List or replay."""
        if not (options["ids"] or options["account"] or options["since"]):
            raise CommandError("name event ids, --account or --since")
        chosen = self._chosen(options)
        if options["list"]:
            self._list(chosen, as_json=options["json"])
            return
        count = replay(chosen)
        bus.close()
        self.stdout.write(json.dumps({"replayed": count}) if options["json"] else f"{count} deliveries are due again")

    def _chosen(self, options: dict[str, Any]) -> Choice:
        return Choice(
            ids=tuple(_event_id(text) for text in options["ids"]),
            account_id=_account(options["account"]) if options["account"] else None,
            since=_moment(options["since"]) if options["since"] else None,
        )

    def _list(self, chosen: Choice, *, as_json: bool) -> None:
        for row in dead_letters(chosen)[:LISTED]:
            facts = {"id": str(row.pk), "url": row.url, "tries": row.tries, "error": row.last_error}
            self.stdout.write(json.dumps(facts) if as_json else "  ".join(str(value) for value in facts.values()))


def _event_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise CommandError(f"{text}: not an event id") from error


def _account(name: str) -> int:
    pk = Account.objects.filter(name=name).values_list("pk", flat=True).first()
    if pk is None:
        raise CommandError(f"no account {name}")
    return pk


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:  # well formed, but no such day or hour
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CommandError(f"--since {text}: not an ISO 8601 time with offset")
    return moment
