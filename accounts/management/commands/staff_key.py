"""`manage.py staff_key`: keys with which staff operate the gateway by the API."""

import json
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import Actor
from accounts.models import StaffKey, User
from accounts.services import state_of_key
from accounts.staff_keys import DAYS, STAFF_SCOPES, issue_staff_key, may_hold_keys, revoke_staff_key
from common.clock import utc_now

LONGEST = 36_500  # days; who wants more says 0, and no date beyond the calendar's end is ever reckoned
ACTOR = Actor("manage.py staff_key")


class Command(BaseCommand):
    help = "Issue, list and revoke keys for X-Staff-Key; the text of a new one is printed once."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do."""
        deeds = parser.add_subparsers(dest="deed", required=True)
        create = deeds.add_parser("create", help="A new key of a member of staff")
        create.add_argument("user", help="User name")
        create.add_argument("--name", default="", help="What it is for")
        create.add_argument("--scope", action="append", choices=STAFF_SCOPES, help="May be repeated; default: read")
        create.add_argument("--days", type=int, default=DAYS, help=f"Until it ends; 0: never; default {DAYS}")
        create.add_argument("--ip", action="append", default=[], help="Address or network; may be repeated")
        listing = deeds.add_parser("list", help="All keys, without their text")
        revoke = deeds.add_parser("revoke", help="End a key at once")
        revoke.add_argument("prefix", help="As `list` shows it")
        for parser_of_deed in (create, listing, revoke):
            parser_of_deed.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, tell it."""
        deed = {"create": self._create, "list": self._list, "revoke": self._revoke}[options["deed"]]
        deed(options)

    def _create(self, options: dict[str, Any]) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None or not user.is_staff:
            raise CommandError(f"no member of staff {options['user']}")
        if not 0 <= options["days"] <= LONGEST:
            raise CommandError(f"--days {options['days']}: 0 to {LONGEST}; 0: it never ends")
        ends = utc_now() + timedelta(days=options["days"]) if options["days"] else None
        try:
            key, plain = issue_staff_key(
                user=user, name=options["name"], scopes=options["scope"] or ["read"], expires_at=ends,
                ip_whitelist=options["ip"], actor=ACTOR,
            )  # fmt: skip
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(json.dumps({**_facts(key), "key": plain}) if options["json"] else plain)

    def _list(self, options: dict[str, Any]) -> None:
        for key in StaffKey.objects.select_related("user").order_by("pk"):
            facts = _facts(key)
            self.stdout.write(json.dumps(facts) if options["json"] else "  ".join(str(v) for v in facts.values()))

    def _revoke(self, options: dict[str, Any]) -> None:
        found = list(StaffKey.objects.select_related("user").filter(prefix=options["prefix"].rstrip("…")))
        if len(found) != 1:
            raise CommandError(f"{len(found) or 'no'} keys begin with {options['prefix']}")
        key = found[0] if not found[0].active else revoke_staff_key(key=found[0], actor=ACTOR)
        self.stdout.write(json.dumps(_facts(key)) if options["json"] else f"{key} is revoked")


def _facts(key: StaffKey) -> dict[str, Any]:
    return {
        "prefix": key.prefix,
        "user": key.user.get_username(),
        "name": key.name,
        "scopes": key.scopes,
        "state": state_of_key(key) if may_hold_keys(key.user) else "off",
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
    }
