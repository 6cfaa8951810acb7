"""docker-compose.yml, Procfile and .env.example agree with the code and with each other."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands

from common.queues import Work

ROOT = Path(__file__).resolve().parent.parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "gateway-broker"}
PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
EXAMPLE = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
SETTINGS = sorted((ROOT / "gateway_project" / "settings").glob("*.py"))

# A command line of the fleet as one string, whichever file it stands in.
COMMANDS = {f"compose {name}": " ".join(service["command"]) for name, service in OURS.items()}
COMMANDS |= {f"Procfile {name}": command for name, command in PROCFILE.items()}


@pytest.mark.parametrize("where", COMMANDS)
def test_every_command_of_the_fleet_exists(where):
    command = COMMANDS[where]
    if found := re.search(r"manage\.py (\w+)", command):
        assert found[1] in get_commands()
    elif found := re.search(r"gunicorn ([\w.]+):application", command):
        assert (ROOT / (found[1].replace(".", "/") + ".py")).exists()
    else:
        assert re.search(r"celery -A gateway_project worker|python -m workers\.clock", command), command
        assert (ROOT / "gateway_project" / "celery.py").exists()


def test_compose_and_procfile_run_the_same_processes():
    assert set(PROCFILE) == set(OURS) - {"migrate", "simulator"}


@pytest.mark.parametrize("file", ["compose", "Procfile"])
def test_every_queue_has_exactly_one_kind_of_worker(file):
    commands = [command for where, command in COMMANDS.items() if where.startswith(file)]
    consumed = [name for command in commands for name in re.findall(r"\bwork\.(\w+)", command)]
    assert sorted(consumed) == sorted(Work)


@pytest.mark.parametrize("name", ["docker-compose.yml", "Procfile"])
def test_every_variable_of_the_fleet_is_explained(name):
    used = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / name).read_text()))
    assert used and used <= EXAMPLE


def read_by(path):
    """The variables that a settings file reads."""
    return set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', path.read_text()))


@pytest.mark.parametrize("path", SETTINGS, ids=lambda path: path.name)
def test_every_variable_of_the_settings_is_explained(path):
    assert read_by(path) <= EXAMPLE


def test_a_variable_in_the_env_file_reaches_the_containers():
    passed = set(COMPOSE["x-gateway"]["environment"])
    # A container's own ports and directory are fixed; what leaves it is under `ports` and `volumes`.
    fixed = {"GATEWAY_VAR", "GATEWAY_HTTP_PORT", "GATEWAY_SMPP_PORT", "GATEWAY_SMPPS_PORT", "GATEWAY_SIMULATOR_PORT"}
    wanted = set().union(*(read_by(path) for path in SETTINGS)) - fixed
    assert wanted and wanted <= passed


def test_every_example_carries_a_comment():
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = [(before, line) for before, line in pairwise(lines) if "=" in line and not line.startswith("#")]
    bare = [line for before, line in named if not before.startswith("#")]
    assert named and bare == []


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_read_only_and_stops_in_peace(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]
    assert service["stop_grace_period"]
    assert name in OURS or service["user"] != "root"


def test_our_image_does_not_run_as_root():
    assert re.findall(r"^USER (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[-1] == "gateway"


@pytest.mark.parametrize("name", SERVICES)
def test_only_web_and_smpp_server_are_reachable_from_other_machines(name):
    ports = SERVICES[name].get("ports", [])
    assert name in ("web", "smpp") or all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", ["web", "postgres", "rabbitmq", "redis"])
def test_what_others_wait_for_has_a_health_check(name):
    assert SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", sorted(set(OURS) - {"migrate"}))
def test_nothing_starts_before_the_migration_is_done(name):
    waits_for = OURS[name]["depends_on"]
    assert waits_for["migrate"]["condition"] == "service_completed_successfully"
    assert waits_for["rabbitmq"]["condition"] == waits_for["redis"]["condition"] == "service_healthy"


def test_redis_never_evicts():
    command = SERVICES["redis"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


@pytest.mark.parametrize("name", ["docker-compose.yml", "Procfile", "Dockerfile", "README.md"])
def test_gunicorn_believes_no_proxy_by_itself(name):
    """It would take X-Forwarded-For from 127.0.0.1 before api.gate sees who really asked."""
    text = (ROOT / name).read_text()
    assert "--forwarded-allow-ips=" in text[text.index("gateway_project.asgi:application") :]


def test_image_compose_and_procfile_start_the_same_web():
    """But for the address and the heartbeat file: inside a container all interfaces, and in memory."""
    image = json.loads(re.search(r"^CMD (\[.*?\])", dockerfile_in_long_lines(), re.MULTILINE)[1])
    compose, procfile = SERVICES["web"]["command"], PROCFILE["web"].removeprefix("exec ").split()
    assert image == [word.replace("${WEB_WORKERS:-1}", "1") for word in compose]
    assert compose[-2] == "--worker-tmp-dir"
    where = procfile.index("--bind") + 1
    assert compose[:-2] == [*procfile[:where], "0.0.0.0:8080", *procfile[where + 1 :]]


def dockerfile_in_long_lines():
    """Without the line breaks inside a command."""
    return re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
