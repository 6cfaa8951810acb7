"""`manage.py partitions`: the months of the tables that grow with traffic: list, make, drop."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from billing.audit import patience
from common import partitions
from common.clock import utc_now
from common.partitions import Partition
from workers import retention

_PATIENCE = 600  # seconds a statement may take: rows that move out of DEFAULT


class Command(BaseCommand):
    help = "List the monthly partitions; make those that are missing; drop those that are older than a retention."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do; without any: list."""
        parser.add_argument("--ensure", action="store_true", help="Make the months that are missing")
        parser.add_argument("--drop-older-than", type=int, metavar="DAYS", help="Drop months that ended so long ago")
        parser.add_argument("--force-unsealed", action="store_true", help="Also days that the ledger has not sealed")
        parser.add_argument("--plan", action="store_true", help="Tell what would be made and dropped, change nothing")
        parser.add_argument("--json", action="store_true", help="Answer as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it and say what was done."""
        if connection.vendor != "postgresql":
            raise CommandError("only PostgreSQL has partitions; this gateway runs on SQLite")
        days = options["drop_older_than"]
        try:
            facts = self._plan(options) if options["plan"] else self._do(options)
        except retention.TooShort as error:
            raise CommandError(str(error)) from error
        listing = not (options["ensure"] or options["plan"] or days is not None)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": True, **facts, "partitions": _listing() if listing else []}))
        elif listing:
            self._list()
        else:
            self._tell(facts, "would be " if options["plan"] else "")

    def _do(self, options: dict[str, Any]) -> dict[str, Any]:
        made: list[str] = []
        with patience(_PATIENCE):
            for table in partitions.tables() if options["ensure"] else ():
                made += partitions.rescue_strays(table) + partitions.ensure_months(table, now=utc_now())
        done = retention.Dropped([])
        if options["drop_older_than"] is not None:
            done = retention.drop_old(
                options["drop_older_than"], now=utc_now(), force_unsealed=options["force_unsealed"]
            )
        return {"made": made, "dropped": done.names, "stays": done.stays}

    def _plan(self, options: dict[str, Any]) -> dict[str, Any]:
        known = {partition.name for partition in partitions.listed()}
        missing = []
        for table in partitions.tables():
            wanted = {*partitions.months_from(utc_now(), partitions.MONTHS_AHEAD + 1), *partitions.stray_months(table)}
            missing += sorted({f"{table}_{year:04d}{month:02d}" for year, month in wanted} - known)
        dropped, stays = self._plan_drop(options)
        return {"made": missing, "dropped": dropped, "stays": stays}

    def _plan_drop(self, options: dict[str, Any]) -> tuple[list[str], str]:
        names: list[str] = []
        if options["drop_older_than"] is None:
            return names, ""
        with patience(_PATIENCE):
            for month, pieces in retention.old_months(options["drop_older_than"], now=utc_now()).items():
                stays = retention.why_kept(month, pieces, force_unsealed=options["force_unsealed"])
                if stays:
                    return names, stays
                names += [piece.name for piece in pieces]
        return names, ""

    def _list(self) -> None:
        for partition in partitions.listed():
            rows = "not analysed" if partition.rows < 0 else f"{partition.rows:,} rows"
            size = f"{partition.octets / 1_048_576:,.1f} MB"
            self.stdout.write(f"{partition.table:24} {_period(partition):8} {rows:>16} {size:>12}")

    def _tell(self, facts: dict[str, Any], mood: str) -> None:
        for name in facts["made"]:
            self.stdout.write(f"{name}: {mood}made")
        for name in facts["dropped"]:
            self.stdout.write(f"{name}: {mood}dropped")
        if facts["stays"]:
            self.stdout.write(facts["stays"])
        if not (facts["made"] or facts["dropped"] or facts["stays"]):
            self.stdout.write("nothing to do")


def _period(partition: Partition) -> str:
    return f"{partition.month[0]}-{partition.month[1]:02}" if partition.month else "DEFAULT"


def _listing() -> list[dict[str, Any]]:
    return [
        {
            "table": partition.table,
            "name": partition.name,
            "month": _period(partition),
            "rows": partition.rows if partition.rows >= 0 else None,
            "octets": partition.octets,
        }
        for partition in partitions.listed()
    ]
