"""The units in docs/systemd run what the Procfile runs, as nobody who could do harm."""

import re
from configparser import RawConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
UNITS = sorted((ROOT / "docs" / "systemd").glob("gateway*"))
SERVICES = [path for path in UNITS if path.suffix == ".service"]


def parsed(path: Path) -> RawConfigParser:
    parser = RawConfigParser(comment_prefixes=("#",), strict=True, interpolation=None)
    parser.optionxform = str
    parser.read_string(path.read_text())
    return parser


def unit(name: str) -> RawConfigParser:
    return parsed(ROOT / "docs" / "systemd" / name)


def as_the_shell_sees_it(command: str) -> str:
    """Without systemd's quotes and doubled signs; a single $ or % would be systemd's own."""
    found = re.fullmatch(r"/bin/sh -c '([^']*)'", command)
    assert found, command
    assert not re.search(r"\$|%", found[1].replace("$$", "").replace("%%", "")), command
    return found[1].replace("$$", "$").replace("%%", "%")


def test_every_process_of_the_procfile_has_its_unit_and_no_other():
    running = {path.name for path in SERVICES} - {"gateway-migrate.service", "gateway-audit.service"}
    assert running == {f"gateway-{name}.service" for name in PROCFILE}


@pytest.mark.parametrize("name", PROCFILE)
def test_a_unit_runs_the_line_of_the_procfile(name):
    # A reload by signal starts workers of what the main process has loaded: with --preload that would be the old code.
    expected = PROCFILE[name].replace(" --preload", "")
    assert as_the_shell_sees_it(unit(f"gateway-{name}.service")["Service"]["ExecStart"]) == expected


@pytest.mark.parametrize("name", PROCFILE)
def test_a_process_comes_back_and_has_time_to_drain(name):
    service = unit(f"gateway-{name}.service")["Service"]
    assert service["Restart"] == "always"
    assert unit(f"gateway-{name}.service")["Unit"]["StartLimitIntervalSec"] == "0", "for ever"
    assert int(service["TimeoutStopSec"]) >= 60
    # Only the main process is told: the pool children of Celery must finish their tasks.
    assert service["KillMode"] == "mixed"


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_no_unit_has_more_rights_than_it_needs(path):
    service = parsed(path)["Service"]
    assert service["User"] == service["Group"] == "gateway"
    assert service["NoNewPrivileges"] == service["ProtectHome"] == service["PrivateTmp"] == "yes"
    assert service["ProtectSystem"] == "strict" and service["StateDirectory"] == "gateway"
    assert service["CapabilityBoundingSet"] == "" and service["StateDirectoryMode"] == "0700"
    assert service["EnvironmentFile"].startswith("/etc/")
    assert "GATEWAY_VAR=/var/lib/gateway" in service["Environment"]
    assert not re.search("password|secret|_KEY", path.read_text(), re.IGNORECASE)


def test_the_target_starts_everything_after_the_migration():
    wanted = unit("gateway.target")["Unit"]["Wants"].split()
    assert wanted == [*(f"gateway-{name}.service" for name in PROCFILE), "gateway-audit.timer"]
    for name in PROCFILE:
        section = unit(f"gateway-{name}.service")["Unit"]
        assert section["PartOf"] == "gateway.target"
        assert "gateway-migrate.service" in section["Requires"] and "gateway-migrate.service" in section["After"]


def test_the_migration_waits_for_a_database_that_comes_later():
    migration = unit("gateway-migrate.service")["Service"]
    assert migration["Type"] == "oneshot", "which has no limit of time"
    command = as_the_shell_sees_it(migration["ExecStart"])
    assert command == "until python manage.py migrate --no-input; do sleep 5; done"


def test_the_audit_seals_every_night():
    assert unit("gateway-audit.service")["Service"]["ExecStart"].endswith("manage.py audit_ledger --seal")
    assert unit("gateway-audit.timer")["Timer"]["Persistent"] == "yes"
