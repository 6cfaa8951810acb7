"""Read .env and Procfile, run the fleet."""

import sys

from honcho import environ

from gateway_project.fleet.process import ROOT
from gateway_project.fleet.supervisor import Plan, Supervisor, environment_of


def plan() -> Plan:
    """What the two files say now."""
    file = ROOT / ".env"
    named = environ.parse(file.read_text()) if file.exists() else {}
    commands = environ.parse_procfile((ROOT / "Procfile").read_text()).processes
    return Plan(dict(commands), environment_of(named))


if __name__ == "__main__":
    sys.exit(Supervisor(plan).run())
