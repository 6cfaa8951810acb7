"""`manage.py run_gateway`: the whole gateway in this process, with a simulator and demo data."""

import signal
import socket
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from gateway_project.demo import provision_demo, write_demo_json
from gateway_project.demo_receiver import DemoReceiver


class Command(BaseCommand):
    help = "Run intake, workers, binds and web in one process; by default on SQLite with the bundled simulator."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to leave out."""
        parser.add_argument("--no-demo", action="store_true", help="No demo data and no simulator")
        parser.add_argument("--external-simulator", action="store_true", help="The demo carrier runs elsewhere")
        parser.add_argument("--quiet-webhooks", action="store_true", help="Do not print each demo receipt")

    def handle(self, *args: Any, **options: Any) -> None:
        """Start everything, wait for SIGTERM or SIGINT, stop everything."""
        ended = SimpleQueue[None]()  # an Event may be locked by the very thread that the signal comes to
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: ended.put(None))
        web_socket = _listen(settings.GATEWAY_BIND, settings.GATEWAY_HTTP_PORT, "GATEWAY_HTTP_PORT")
        _listen(settings.GATEWAY_BIND, settings.GATEWAY_SMPP_PORT, "GATEWAY_SMPP_PORT").close()
        self._own_simulator = not (options["no_demo"] or options["external_simulator"])
        if self._own_simulator:
            _listen(settings.GATEWAY_BIND, settings.GATEWAY_SIMULATOR_PORT, "GATEWAY_SIMULATOR_PORT").close()
        call_command("migrate", verbosity=0)
        facts = None if options["no_demo"] else self._demo()
        self._run(web_socket, facts, ended, quiet=options["quiet_webhooks"])

    def _demo(self) -> dict[str, Any]:
        facts = provision_demo()
        write_demo_json(Path(settings.GATEWAY_VAR) / "demo.json", facts)
        return facts

    def _run(self, sock: socket.socket, facts: dict[str, Any] | None, ended: SimpleQueue[None], *, quiet: bool) -> None:
        from gateway_project.asgi import application
        from gateway_project.celery import app
        from workers.embedded import parts, running

        show = (lambda _: None) if quiet else self._say
        web = DemoReceiver(application, show) if facts else application
        with running(parts(app, web, sock, simulator=self._own_simulator)):
            self._say(_welcome(facts))
            ended.get()
            self._say("Stopping: draining the binds, at most 30 s.")
        self._say("Stopped.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _listen(host: str, port: int, variable: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise CommandError(f"port {port} on {host} cannot be used ({error.strerror}); set {variable}") from error
    return sock


def _welcome(facts: dict[str, Any] | None) -> str:
    if facts is None:
        return f"Gateway Broker listens on http://{settings.GATEWAY_BIND}:{settings.GATEWAY_HTTP_PORT}"
    base, key = facts["base_url"], facts["api_key"]
    return f"""
Gateway Broker is running.  API docs: {base}/api/docs/   Admin: {facts["admin"]["url"]}
                            Credentials: {settings.GATEWAY_VAR}/demo.json

Send a message through a real SMPP bind to the bundled simulator:

  curl -X POST {base}/api/v1/http-send \\
    -H 'X-API-Key: {key}' -H 'Content-Type: application/json' \\
    -d '{{"to":"971501234567","content":"Hello from the gateway"}}'

Its delivery receipt appears here and at {base}/demo/dlr .  Stop with Ctrl-C.
"""
