"""Read .env and Procfile, run the fleet; `reload`: ask the one that runs for new processes."""

import sys

from honcho import environ

from gateway_project import env_file
from gateway_project.fleet.process import ROOT
from gateway_project.fleet.reload import reload
from gateway_project.fleet.supervisor import Plan, Supervisor, environment_of, run_directory


def plan() -> Plan:
    """What the two files say now."""
    commands = environ.parse_procfile((ROOT / "Procfile").read_text()).processes
    return Plan(dict(commands), environment_of(env_file.read()))


def main(arguments: list[str]) -> int:
    """The exit status."""
    if arguments == ["reload"]:
        return reload(run_directory(plan().environment))
    if arguments:
        sys.stderr.write("usage: python -m gateway_project.fleet [reload]\n")
        return 2
    return Supervisor(plan).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
