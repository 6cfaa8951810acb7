"""The whole stage of a run: private stores, the fleet on them, and outside of it the carrier, the senders, the sink."""

import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.ports import free_port
from tests.crash.carrier import Carrier
from tests.crash.commit_proxy import CommitProxy, commit_proxy
from tests.crash.fleet import Fleet
from tests.crash.journal import Journal
from tests.crash.load import Doors, Load
from tests.crash.stores import Stores, private_stores
from tests.support.embedded import ROOT

RATE = Decimal("0.5500")  # price of a part
CREDITS = Decimal(1_000_000)
POOR_CREDITS = Decimal("220.2750")  # 400 parts and half a part
WINDOW = 100  # of the connector, where nothing else is asked for
READY_SECONDS = 120
POISON = "tests.crash.poison"  # the tasks that kill, raise and never end

# Limits far above the load, so that they are counted in Redis and never reached.
_PROVISION = """
connectors:
  - {{name: smpp1, kind: smpp, host: "{host}", port: {carrier}, system_id: gw, password: pw, bind: transceiver,
     binds: 1, window: {window}, tps: 300, cost: "0.0100"{settings}}}
routing_profiles:
  - {{name: default, default: true, sender: INFO, routes: [{{prefix: "", connectors: [smpp1], rate: "{rate}"}}]}}
accounts:
  - {{name: crash, billing_mode: rate, credits: "{credits}", routing_profile: default, api_clients: [
      {{username: crash_api, password: generate, api_key: "{key}", rate_limit: 500, dlr_url: "{sink}"}}]}}
  - {{name: poor, billing_mode: rate, credits: "{poor_credits}", routing_profile: default, api_clients: [
      {{username: poor_api, password: generate, api_key: "{poor_key}", rate_limit: 500, dlr_url: "{sink}"}}]}}
"""


@dataclass(frozen=True, slots=True)
class Line:
    """The connector and its carrier: `settings` are further keys of the connector, `answer_ms` of the carrier."""

    window: int = WINDOW
    settings: Mapping[str, int] = field(default_factory=dict)
    answer_ms: str = "5-40"
    host: str = "127.0.0.1"  # on which the carrier listens
    more: str = ""  # a further file of the configuration, with {carrier_host} and {carrier_port}

    @property
    def keys(self) -> str:
        """The settings as they stand in the file."""
        return "".join(f", {name}: {value}" for name, value in self.settings.items())


FleetOf = Callable[[Path, dict[str, str], Stores], Any]  # something with the deeds of tests.crash.fleet.Fleet


@dataclass(slots=True)
class World:
    """See tests.crash.faults.World."""

    place: Path
    environment: dict[str, str]
    stores: Stores
    fleet: Any  # a tests.crash.fleet.Fleet, or what `fleet_of` made
    load: Load
    carrier: Carrier
    log: Journal
    orders: Path  # CRASH_ORDERS of the fleet
    proxy: CommitProxy | None = None  # between the fleet and PostgreSQL, when a fault needs it

    def note(self, event: str, **details: Any) -> None:
        """One line in nemesis.jsonl."""
        self.log.write(event=event, **details)

    def wait(self, condition: Callable[[], Any], timeout: float, step: float = 0.05) -> bool:
        """Whether the condition became true within `timeout` seconds."""
        until = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > until:
                return False
            time.sleep(step)
        return True

    def manage(self, *arguments: str, timeout: float = 120.0) -> str:
        """Run a manage.py command; its standard output; raises CalledProcessError."""
        return _manage(self.environment, *arguments, timeout=timeout)

    def ready(self) -> bool:
        """Whether the web answers that it can work."""
        try:
            url = f"http://127.0.0.1:{self.environment['GATEWAY_HTTP_PORT']}/readyz"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _manage(environment: dict[str, str], *arguments: str, timeout: float = 120.0) -> str:
    clean = {name: value for name, value in environment.items() if not name.startswith("CRASH_")}
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env=clean, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, done.args, done.stdout, done.stderr)
    return done.stdout


@contextmanager
def world(
    place: Path | None = None,
    *,
    seed: int,
    rate: float,
    proxied: bool = False,
    line: Line | None = None,
    fleet_of: FleetOf = lambda place, environment, _stores: Fleet(place, environment),
) -> Iterator[World]:
    """A running fleet under load; everything ends with the block, the journals stay in `place`.

    `fleet_of` makes what runs the product's processes. `proxied`: the fleet reaches PostgreSQL through a proxy that can
    cut a COMMIT from its answer.
    """
    line = line or Line()
    place = place or Path(tempfile.mkdtemp(prefix="gateway-crash-"))
    place.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stores = stack.enter_context(private_stores())
        carrier = Carrier(place, seed, host=line.host, answer_ms=line.answer_ms)
        stack.callback(carrier.stop)
        doors, environment = _settings(place, stores, carrier)
        _provision(place, environment, doors, carrier, line)
        proxy = stack.enter_context(commit_proxy(stores.postgres.port)) if proxied else None
        if proxy is not None:
            environment |= {"DATABASE_URL": stores.postgres.url_of("gateway", proxy.port)}
        log = Journal(place / "nemesis.jsonl")
        stack.callback(log.close)
        fleet = fleet_of(place, environment, stores)
        load = Load(place, doors, seed=seed, rate=rate)
        orders = Path(environment["CRASH_ORDERS"])
        found = World(place, environment, stores, fleet, load, carrier, log, orders, proxy)
        fleet.start()
        stack.callback(fleet.stop)
        if not found.wait(found.ready, READY_SECONDS, 0.2):
            raise RuntimeError("the fleet is not ready:\n" + (place / "fleet.log").read_text()[-3000:])
        load.start()
        stack.callback(load.stop)
        yield found


def _settings(place: Path, stores: Stores, carrier: Carrier) -> tuple[Doors, dict[str, str]]:
    http, sink = free_port(), free_port()
    orders = place / "orders"
    orders.mkdir()
    ours = ("DJANGO_", "GATEWAY_", "CRASH_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment = clean | stores.environment | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SECRET_KEY": "crash",
        "FIELD_ENCRYPTION_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "GATEWAY_VAR": str(place / "var"),
        "GATEWAY_HTTP_PORT": str(http),
        "GATEWAY_SMPP_PORT": str(free_port()),
        "GATEWAY_SIMULATOR_PORT": str(carrier.port),
        "GATEWAY_QUEUE_PREFIX": "crash.",
        "OUTBOUND_HTTP_ALLOW": "127.0.0.0/8",
        "COOKIES_SECURE": "0",
        "WEB_WORKERS": os.environ.get("WEB_WORKERS", "2"),  # two: they meet in the database
        "LOG_LEVEL": "INFO",
        "CRASH_ORDERS": str(orders),
        "EXTRA_TASK_MODULES": POISON,
    }  # fmt: skip
    url = f"http://127.0.0.1:{http}/api/v1/messages"
    return Doors(url, secrets.token_urlsafe(24), secrets.token_urlsafe(24), sink), environment


def _provision(place: Path, environment: dict[str, str], doors: Doors, carrier: Carrier, line: Line) -> None:
    (place / "var").mkdir(mode=0o700, exist_ok=True)
    file = place / "gateway.yaml"
    file.write_text(
        _PROVISION.format(
            host=line.host, carrier=carrier.port, window=line.window, settings=line.keys, rate=RATE,
            credits=CREDITS, poor_credits=POOR_CREDITS, key=doors.key, poor_key=doors.poor_key, sink=f"http://127.0.0.1:{doors.sink_port}/dlr",
        )
    )  # fmt: skip
    _manage(environment, "migrate", "--no-input", "-v", "0")
    _manage(environment, "provision", str(file))
    if line.more:
        file.write_text(line.more.format(carrier_host=line.host, carrier_port=carrier.port))
        _manage(environment, "provision", str(file))
