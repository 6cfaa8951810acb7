"""The other doors: the HTTP control, the command, and a client that is not ours (smpplib)."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import smpplib.client
import smpplib.consts
import smpplib.exceptions
from django.core.management import CommandError, call_command

from smpp.codec import encode
from smpp.pdu import BindTransceiver
from tests.support.waiting import wait_until
from workers.simulator import SimulatorConfig, SimulatorThread, magic_number

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def smsc() -> Iterator[SimulatorThread]:
    config = SimulatorConfig(delay_ms=5, control_port=0, credentials={"customer": "secret"})
    with SimulatorThread(config) as running:
        yield running


class Foreigner:
    """smpplib's client: our second opinion on every octet."""

    def __init__(self, port: int, password: str = "secret") -> None:
        self.answers: list[Any] = []
        self.received: list[Any] = []
        self.client = smpplib.client.Client("127.0.0.1", port, timeout=2, allow_unknown_opt_params=True)
        self.client.set_message_sent_handler(lambda pdu, **_: self.answers.append(pdu))
        self.client.set_message_received_handler(lambda pdu, **_: self.received.append(pdu))
        self.client.connect()
        self.client.bind_transceiver(system_id="customer", password=password)

    def send(self, destination: str, text: bytes = b"hello") -> None:
        self.client.send_message(
            source_addr="Acme",
            source_addr_ton=5,
            destination_addr=destination,
            short_message=text,
            registered_delivery=1,
        )

    def read_until(self, condition: Any) -> None:
        def read() -> bool:
            if not condition():
                self.client.read_once()
            return bool(condition())

        wait_until(read, timeout=5)

    def leave(self) -> None:
        self.client.unbind()
        self.client.disconnect()


def test_smpplib_sends_and_gets_its_receipt(smsc: SimulatorThread) -> None:
    foreigner = Foreigner(smsc.port)
    foreigner.send("31612345678")
    foreigner.read_until(lambda: foreigner.answers and foreigner.received)
    message_id = foreigner.answers[0].message_id
    receipt = foreigner.received[0]
    assert receipt.receipted_message_id == message_id
    assert receipt.message_state == smpplib.consts.SMPP_MESSAGE_STATE_DELIVERED
    assert receipt.short_message.startswith(b"id:" + message_id + b" sub:001")
    foreigner.leave()
    wait_until(lambda: smsc.counters["sessions"] == 0)
    assert smsc.counters["receipts_acked"] == 1


def test_smpplib_hears_a_refused_bind_and_a_refused_message(smsc: SimulatorThread) -> None:
    with pytest.raises(smpplib.exceptions.PDUError) as refused:
        Foreigner(smsc.port, password="wrong")
    assert refused.value.args[1] == smpplib.consts.SMPP_ESME_RINVPASWD
    foreigner = Foreigner(smsc.port)
    foreigner.client.set_error_pdu_handler(foreigner.answers.append)
    foreigner.send(magic_number(16))
    foreigner.read_until(lambda: foreigner.answers)
    assert foreigner.answers[0].status == smpplib.consts.SMPP_ESME_RTHROTTLED
    assert not smsc.messages
    foreigner.leave()


def test_smpplib_reads_a_unicode_text_from_a_handset(smsc: SimulatorThread) -> None:
    foreigner = Foreigner(smsc.port)
    smsc.send_mo("31611111111", "12345", "привет")
    foreigner.read_until(lambda: foreigner.received)
    assert foreigner.received[0].short_message.decode("utf-16-be") == "привет"
    foreigner.leave()


@pytest.mark.parametrize(("kind", "reset"), [("rst", True), ("fin", False)])
def test_a_reset_is_a_reset_and_a_fin_an_orderly_end(smsc: SimulatorThread, kind: str, reset: bool) -> None:
    with socket.create_connection(("127.0.0.1", smsc.port), timeout=5) as plain:
        plain.sendall(encode(BindTransceiver(sequence=1, system_id="customer", password="secret")))
        assert plain.recv(1024)
        smsc.disconnect(kind)
        if reset:
            with pytest.raises(ConnectionResetError):
                plain.recv(1024)
        else:
            assert plain.recv(1024) == b""


def test_a_taken_control_port_leaves_nothing_listening(smsc: SimulatorThread) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(OSError):
        SimulatorThread(SimulatorConfig(port=port, control_port=smsc.control_port)).start()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def ask(smsc: SimulatorThread, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", smsc.control_port or 0, timeout=5)
    data = None if body is None else (body if isinstance(body, bytes) else json.dumps(body))
    connection.request(method, path, body=data)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_the_control_port_shows_counters_and_messages(smsc: SimulatorThread) -> None:
    foreigner = Foreigner(smsc.port)
    for text in (b"one", b"two"):
        foreigner.send("31612345678", text)
    foreigner.read_until(lambda: len(foreigner.received) == 2)
    status, counters = ask(smsc, "GET", "/counters")
    assert status == 200
    assert counters["answers"] == {"ESME_ROK": 2}
    assert counters["bound"] == ["customer"]
    _, found = ask(smsc, "GET", "/messages?limit=10")
    assert [message["text"] for message in found["messages"]] == ["one", "two"]
    _, later = ask(smsc, "GET", f"/messages?after={found['messages'][0]['message_id']}")
    assert [message["text"] for message in later["messages"]] == ["two"]
    foreigner.leave()


def test_the_control_port_injects_texts_receipts_and_octets(smsc: SimulatorThread) -> None:
    foreigner = Foreigner(smsc.port)
    assert ask(smsc, "POST", "/mo", {"from": "31611", "to": "12345", "text": "x" * 200, "order": [2, 1]}) == (
        200,
        {"pdus": 2},
    )
    foreigner.read_until(lambda: len(foreigner.received) == 2)
    assert [pdu.short_message[5] for pdu in foreigner.received] == [2, 1]
    ask(smsc, "POST", "/receipt", {"from": "31611", "to": "Acme", "text": "id:7 stat:ODD"})
    foreigner.read_until(lambda: len(foreigner.received) == 3)
    assert foreigner.received[2].short_message == b"id:7 stat:ODD"
    enquire_link = "00000010000000150000000000000007"
    assert ask(smsc, "POST", "/raw", {"hex": enquire_link}) == (200, {"sessions": 1})
    foreigner.leave()


def test_the_control_port_changes_behaviour_and_cuts_sessions(smsc: SimulatorThread) -> None:
    status, config = ask(smsc, "POST", "/behaviour", {"delay_ms": "10-20", "receipt_style": "bare"})
    assert status == 200
    assert config["delay_ms"] == {"low": 0.01, "high": 0.02, "exponential": False}
    assert "secret" not in json.dumps(ask(smsc, "GET", "/config")[1])
    foreigner = Foreigner(smsc.port)
    assert ask(smsc, "POST", "/disconnect", {"kind": "rst"}) == (200, {"sessions": 1})
    with pytest.raises(smpplib.exceptions.ConnectionError):
        foreigner.client.read_once()
    foreigner.client.disconnect()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/behaviour", {"colour": "red"}, 400),
        ("POST", "/behaviour", {"port": 1}, 400),
        ("POST", "/behaviour", {"receipt_style": "nonsense"}, 400),
        ("POST", "/behaviour", b"[1]", 400),
        ("POST", "/mo", b"{", 400),
        ("POST", "/mo", {"from": "1", "to": "2"}, 400),
        ("POST", "/raw", {"hex": "xyz"}, 400),
        ("POST", "/disconnect", {"kind": "bang"}, 400),
        ("GET", "/nowhere", None, 404),
    ],
)
def test_the_control_port_refuses_nonsense_and_changes_nothing(
    smsc: SimulatorThread, method: str, path: str, body: Any, status: int
) -> None:
    before = ask(smsc, "GET", "/config")
    assert ask(smsc, method, path, body)[0] == status
    assert ask(smsc, "GET", "/config") == before


def test_the_command_serves_counts_and_ends_on_sigterm(tmp_path: Path) -> None:
    journal = tmp_path / "taken.jsonl"
    flags = ["--port", "0", "--control-port", "0", "--delay-ms", "5", "--json", "60", "--journal", str(journal)]
    command = [sys.executable, "manage.py", "simulate_smsc", *flags]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        words = process.stderr.readline().replace(",", "").split()
        port = int(words[4].rpartition(":")[2])
        assert json.loads(process.stdout.readline())["submits"] == 0
        foreigner = Foreigner(port)
        foreigner.send("31612345678", b"journal me")
        foreigner.read_until(lambda: foreigner.received)
        foreigner.leave()
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors
    last = json.loads(output.strip().splitlines()[-1])
    assert (last["accepted"], last["receipts_acked"]) == (1, 1)
    assert json.loads(journal.read_text())["text"] == "journal me"


def test_the_command_prints_its_tables(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("simulate_smsc", "--magic")
    printed = capsys.readouterr().out
    assert "99900016  ESME_RTHROTTLED once" in printed
    assert "nospace_dates" in printed


def test_the_command_refuses_senseless_settings() -> None:
    with pytest.raises(CommandError, match="ends before it begins"):
        call_command("simulate_smsc", "--delay-ms", "9-1")


def test_a_silent_control_client_is_let_go(smsc: SimulatorThread) -> None:
    async def whisper() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", smsc.control_port)
        writer.write(b"POST /mo HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer

    assert asyncio.run(whisper()).startswith(b"HTTP/1.1 400")
