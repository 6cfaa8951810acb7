"""`manage.py doctor`: one screen that says what is wrong with this gateway and what to do."""

from collections.abc import Sequence

from gateway_project.doctor import alerts, broker, cache, configuration, database, disk, lines, money, processes, work
from gateway_project.doctor.findings import Check, Finding, Level
from gateway_project.doctor.running import Told, run

CHECKS: Sequence[Check] = (
    Check("settings", configuration.look),
    Check("database", database.look),
    Check("migrations", database.migrations, needs_database=True),
    Check("clock", database.clock, needs_database=True),
    Check("partitions", database.months, needs_database=True),
    Check("secrets", database.secrets, needs_database=True),
    Check("broker", broker.look),
    Check("redis", cache.look),
    Check("processes", processes.look),
    Check("connectors", lines.look, needs_database=True),
    Check("alerts", alerts.look, needs_database=True),
    Check("work", work.look, needs_database=True),
    Check("money", money.look, needs_database=True),
    Check("disk", disk.look),
)

__all__ = ["CHECKS", "Check", "Finding", "Level", "Told", "run"]
