"""Ports of test servers cannot be taken by a connection on its way out."""

import socket

import pytest

from bench import ports


def test_a_port_is_free_and_no_outgoing_connection_is_given_it() -> None:
    found = {ports.free_port() for _ in range(50)}
    assert len(found) > 40  # by chance, so that processes side by side do not meet
    with socket.create_server(("127.0.0.1", found.pop())):
        assert max(found) < ports._ephemeral_from()


def test_a_port_in_use_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", ports.free_port())) as taken:
        used = taken.getsockname()[1]
        offered = iter([used, used + 1, used + 2, used + 3])
        monkeypatch.setattr(ports._dice, "randint", lambda *_: next(offered))
        assert ports.free_port() > used


def test_no_free_port_at_all_is_an_error_and_no_endless_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_is_free", lambda _port: False)
    with pytest.raises(OSError, match="no free port found between 10240 and"):
        ports.free_port()
