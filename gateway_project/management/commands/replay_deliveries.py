"""`manage.py replay_deliveries`: send dead-lettered webhooks again, with the same event ids."""

import json
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from accounts.models import Account
from common import bus
from messaging import webhooks
from messaging.models import Delivery


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
        count = webhooks.replay(**chosen)
        bus.close()
        self.stdout.write(json.dumps({"replayed": count}) if options["json"] else f"{count} deliveries are due again")

    def _chosen(self, options: dict[str, Any]) -> dict[str, Any]:
        since = parse_datetime(options["since"]) if options["since"] else None
        if options["since"] and (since is None or since.tzinfo is None):
            raise CommandError(f"--since {options['since']}: not an ISO 8601 time with offset")
        try:
            ids = [UUID(text) for text in options["ids"]]
        except ValueError as error:
            raise CommandError(f"not an event id: {error}") from error
        account = None
        if options["account"]:
            account = Account.objects.filter(name=options["account"]).values_list("pk", flat=True).first()
            if account is None:
                raise CommandError(f"no account {options['account']}")
        return {"ids": ids, "account_id": account, "since": since}

    def _list(self, chosen: dict[str, Any], *, as_json: bool) -> None:
        dead = Delivery.objects.filter(state=Delivery.State.EXHAUSTED).order_by("id")
        if chosen["ids"]:
            dead = dead.filter(pk__in=chosen["ids"])
        if chosen["account_id"] is not None:
            dead = dead.filter(account_id=chosen["account_id"])
        if chosen["since"] is not None:
            dead = dead.filter(created_at__gte=chosen["since"])
        for row in dead[:1000]:
            facts = {"id": str(row.pk), "url": row.url, "tries": row.tries, "error": row.last_error}
            self.stdout.write(json.dumps(facts) if as_json else "  ".join(str(value) for value in facts.values()))
