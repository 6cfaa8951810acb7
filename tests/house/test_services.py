"""tests.services finds or starts what the suite needs, and complains in one line when it cannot."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from bench.ports import free_port
from tests.services import choosing, private
from tests.services.answering import POSTGRESQL, RABBITMQ, REDIS, SERVICES, Unusable, first_answering
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent


@contextmanager
def mute_server():
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def url_at(service, port):
    return {
        "PostgreSQL": f"postgres://postgres@127.0.0.1:{port}/postgres",
        "RabbitMQ": f"amqp://guest:guest@127.0.0.1:{port}//",
        "Redis": f"redis://127.0.0.1:{port}/9",
    }[service.name]


def in_use(service):
    """The URL that this very run uses."""
    return os.environ.get(service.variable) or first_answering(service, service.standard_urls)


@pytest.fixture
def program_environment():
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}


def program(*command, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.services", "run", "--", *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_port_that_only_accepts_connections_does_not_answer(service, monkeypatch):
    monkeypatch.setattr("tests.services.answering.LOGIN_SECONDS", 1)
    with mute_server() as port, pytest.raises(Unusable):
        service.login(url_at(service, port))


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_closed_port_does_not_answer(service):
    with pytest.raises(Unusable):
        service.login(url_at(service, free_port()))


def test_a_url_of_another_kind_of_store_is_refused():
    for service in SERVICES:
        with pytest.raises(Unusable, match="is not"):
            service.login("sqlite:////nowhere/database.sqlite3")


def test_a_named_service_is_used_as_it_is_named():
    urls = {service.variable: in_use(service) for service in SERVICES}
    with ExitStack() as stack:
        chosen = choosing.choose_all(urls, stack)
    assert [item.origin for item in chosen] == ["named"] * 3
    assert {item.service.variable: item.url for item in chosen} == urls


def test_a_named_service_that_does_not_serve_is_never_replaced():
    named = {"DATABASE_URL": url_at(POSTGRESQL, free_port())}
    with ExitStack() as stack, pytest.raises(Unusable, match=r"^DATABASE_URL names a PostgreSQL") as refusal:
        choosing.choose_all(named, stack)
    assert "\n" not in str(refusal.value)


def test_without_names_the_standard_ports_are_taken_when_they_answer(monkeypatch):
    in_use_now = {service: in_use(service) for service in SERVICES}
    monkeypatch.setattr(choosing, "SERVICES", [_at(service, url) for service, url in in_use_now.items()])
    with ExitStack() as stack:
        chosen = choosing.choose_all({}, stack)
    assert [(item.origin, item.url) for item in chosen] == [("standard port", url) for url in in_use_now.values()]


def _at(service, url):
    return type(service)(service.name, service.variable, (url,), service.login, service.packages)


def test_a_service_that_cannot_be_had_is_named_with_its_command(monkeypatch):
    monkeypatch.setattr(private, "binary_of", lambda service: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with ExitStack() as stack, pytest.raises(Unusable) as refusal:
        choosing.choose_all({"GATEWAY_TEST_SERVICES": "private"}, stack)
    advice = "sudo apt-get install -y postgresql (or name one in DATABASE_URL)"
    assert str(refusal.value) == f"missing: PostgreSQL; install it with: {advice}"


def test_a_private_redis_keeps_nothing_and_ends_with_the_run():
    with ExitStack() as stack:
        url = private.start(REDIS, stack)
        assert url not in REDIS.standard_urls
        REDIS.login(url)
    with pytest.raises(Unusable):
        REDIS.login(url)


@pytest.fixture
def short_folder(monkeypatch):
    """Where private services live: not tmp_path, because the name of a socket has at most 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="gs-", dir="/tmp"))
    folder.chmod(0o755)  # the service runs as another user when we are root
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("service", [POSTGRESQL, RABBITMQ], ids=lambda service: service.name)
def test_a_private_service_serves_and_leaves_nothing_behind(service, short_folder):
    with ExitStack() as stack:
        url = private.start(service, stack)
        service.login(url)
        assert list(short_folder.iterdir()) != []
    with pytest.raises(Unusable):
        service.login(url)
    assert list(short_folder.iterdir()) == []


def test_the_command_sees_the_services_and_its_status_is_ours(program_environment):
    named = {service.variable: in_use(service) for service in SERVICES}
    script = 'echo "$DATABASE_URL|$BROKER_URL|$CACHE_URL"; exit 7'
    process = program("sh", "-c", script, **program_environment, **named)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 7, errors
    assert output.splitlines()[-1] == "|".join(named[service.variable] for service in SERVICES)


def test_the_command_does_not_start_without_its_services(program_environment, tmp_path):
    ran = tmp_path / "ran"
    named = {"DATABASE_URL": url_at(POSTGRESQL, free_port())}
    process = program("touch", str(ran), **program_environment, **named)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors.startswith("services: DATABASE_URL names") and errors.count("\n") == 1
    assert not ran.exists()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_command_and_the_started_services_end(sign, program_environment, tmp_path):
    named = {service.variable: in_use(service) for service in (POSTGRESQL, RABBITMQ)}
    taken = REDIS.standard_urls[0]
    told = tmp_path / "url"
    script = 'echo "$CACHE_URL" > "$0.part"; mv "$0.part" "$0"; exec sleep 60'
    process = program("sh", "-c", script, str(told), **program_environment, **named, GATEWAY_TEST_SERVICES="private")
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        wait_until(told.exists, timeout=30)
        url = told.read_text().strip()
        assert url != taken
        REDIS.login(url)
        process.send_signal(sign)
        process.communicate(timeout=30)
    finally:
        watchdog.cancel()
    assert process.returncode == 128 + sign
    with pytest.raises(Unusable):
        REDIS.login(url)
