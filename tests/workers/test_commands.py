"""Processes that cannot do what their command line says end at once, with one clear line."""

import socket
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command


@pytest.mark.django_db
def test_run_binds_refuses_a_connector_that_does_not_exist():
    with pytest.raises(CommandError, match=r"^no connector smpp9$"):
        call_command("run_binds", "--connector", "smpp9")


def test_the_simulator_names_the_port_that_it_cannot_have():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "manage.py", "simulate_smsc", "--port", str(port)]
        ended = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"CommandError: port {port} on 127.0.0.1 cannot be used (")
    assert len(ended.stderr.splitlines()) == 1
