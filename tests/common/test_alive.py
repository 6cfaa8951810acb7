"""Signs of life reach the fleet's file and systemd's socket, and a sign that cannot be given is nobody's death."""

import socket

from common import alive


def test_the_file_is_touched_and_systemd_hears(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("GATEWAY_ALIVE_FILE", str(tmp_path / "alive"))
        alive.tell()
        assert systemd.recv(64) == b"WATCHDOG=1"
    assert (tmp_path / "alive").exists()


def test_a_sign_that_cannot_be_given_harms_nobody(tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setenv("GATEWAY_ALIVE_FILE", str(tmp_path / "no" / "directory"))
    alive.tell()
    assert not (tmp_path / "no").exists()
