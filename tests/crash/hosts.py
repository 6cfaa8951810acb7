"""Two hosts, each with a bind worker and an SMPP server: `python -m tests.crash.hosts --times 2`.

One is killed, one is cut off the network, one stands still for a minute (F2, F18, P9); the other takes over what it
held. Web, workers and stores run beside them, the carrier is reached from both. Judged like every campaign, with
customers on HTTP and on both SMPP servers. Beyond that no two sessions of one carrier login may carry messages by
turns: whoever lost a bind writes nothing any more.
"""

import argparse
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

from honcho import environ

from tests.crash import report
from tests.crash.campaign import Orders, end_in_order, run
from tests.crash.checker import Figure
from tests.crash.customers import Customers
from tests.crash.evidence import Evidence
from tests.crash.faults import Details, Family, Skipped
from tests.crash.journal import read
from tests.crash.netns import Host, Network, missing, network, relays
from tests.crash.stores import Stores
from tests.crash.world import Line, World
from tests.support.embedded import ROOT
from tests.support.waiting import wait_until

NAMES = ("gwa", "gwb")
ON_HOSTS = ("binds", "smpp")
AWAY_SECONDS = 60.0  # cut off, or standing still
REBOOT_SECONDS = 20.0
TAKEOVER_SECONDS = 15.0  # reliability P9
WINDOW = 20
LOGIN = ("esme1", "secret12")
TIMERS = {"response_timeout": 5, "enquire_link_interval": 5, "enquire_link_timeout": 3, "reconnect_max": 5}
# Customers on SMPP pay nothing, so that the judge of the money need not know them.
MORE = f"""
connectors:
  - {{{{name: smpp2, kind: smpp, host: "{{carrier_host}}", port: {{carrier_port}}, system_id: gw2, password: pw,
     bind: transceiver, binds: 1, window: {WINDOW}, response_timeout: 5, enquire_link_interval: 5,
     enquire_link_timeout: 3, reconnect_max: 5}}}}
routing_profiles:
  - {{{{name: free, sender: INFO, routes: [{{{{prefix: "", connectors: [smpp2], rate: "0"}}}}]}}}}
accounts:
  - {{{{name: esme, billing_mode: rate, credits: "0", routing_profile: free, smpp_clients: [
      {{{{system_id: {LOGIN[0]}, password: {LOGIN[1]}, max_binds: 8, window: 20}}}}]}}}}
"""


class Site:
    """Our own processes, and the two hosts; what tests.crash.fleet.Fleet is to the other campaigns."""

    def __init__(self, made: Network, customers: Customers, place: Path, environment: dict[str, str]) -> None:
        self._place, self._environment, self._customers = place, environment, customers
        self.hosts = made.hosts
        commands = dict(environ.parse_procfile((ROOT / "Procfile").read_text()).processes)
        self._abroad = {name: commands.pop(name) for name in ON_HOSTS}
        self._commands = commands
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.names = tuple(commands)

    def start(self) -> None:
        """Everything, and the customers when both servers listen."""
        with (self._place / "site.log").open("ab") as log:
            for name, command in self._commands.items():
                self._processes[name] = subprocess.Popen(
                    ["/bin/sh", "-c", command], cwd=ROOT, env=self._environment, stdout=log, stderr=log
                )
        for host in self.hosts.values():
            self.boot(host)
        self._customers.start()
        wait_until(lambda: self._customers.bound == len(NAMES), timeout=120, step=0.2)

    def boot(self, host: Host) -> None:
        """Start what runs on a host."""
        host.processes.clear()
        host.join()
        for name, command in self._abroad.items():
            host.start(name, command, self._place / f"{host.name}.log")

    def stop(self) -> int:
        """SIGTERM to all that is ours; the hosts go with their network."""
        self._customers.stop()
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
        return 0

    def supervised(self) -> bool:
        """Raises when one of our own processes has ended: no fault touches them."""
        ended = [name for name, process in self._processes.items() if process.poll() is not None]
        if ended:
            raise RuntimeError(f"{', '.join(ended)} ended by themselves")
        return True

    def alive(self) -> bool:
        """Whether both hosts are at work, for customers too."""
        return all(host.alive() for host in self.hosts.values()) and self._customers.bound == len(NAMES)


class Fault:
    """What happens to the host that holds the bind of smpp1."""

    family = Family.BINDS

    def __init__(self, name: str, begin: Callable[[Host], None], end: Callable[[Site, Host], None], seconds: float):
        self.name, self._begin, self._end, self._seconds = name, begin, end, seconds

    def strike(self, world: World, rng: random.Random) -> Details:
        """Seconds until others have its leases (`lease`), are bound (`takeover`), and what was sent since is `told`."""
        site: Site = world.fleet
        host = site.hosts.get(_owner(world, "smpp1"))
        if host is None:
            raise Skipped("nobody holds the bind now")
        held = [name for name in ("smpp1", "smpp2") if _owner(world, name) == host.name]
        binds, began = world.carrier.counters()["binds"], time.monotonic()
        self._begin(host)
        try:
            world.wait(lambda: all(_owner(world, name) not in ("", host.name) for name in held), self._seconds, 0.2)
            leases = time.monotonic() - began
            bound = world.wait(
                lambda: world.carrier.counters()["binds"] >= binds + len(held),
                self._seconds - (time.monotonic() - began), 0.05,
            )  # fmt: skip
            takeover = round(time.monotonic() - began, 1) if bound else None
            world.wait(lambda: world.load.first_told_after(began), self._seconds - (time.monotonic() - began), 0.1)
            told = world.load.first_told_after(began)
            time.sleep(max(0.0, self._seconds - (time.monotonic() - began)))
        finally:
            self._end(site, host)
        heard = None if told is None else round(told - began, 1)
        return {"host": host.name, "held": held, "lease": round(leases, 1), "takeover": takeover, "told": heard}

    def settled(self, world: World) -> bool:
        return bool(world.fleet.alive())


def _owner(world: World, connector: str) -> str:
    """The host that holds the bind of a connector by the database, empty without one."""
    found = world.stores.postgres.value(
        "SELECT coalesce(min(CASE WHEN l.expires_at > now() THEN split_part(l.owner, ':', 1) END), '') "
        f"FROM connectors_bindlease l JOIN connectors_connector c ON c.id = l.connector_id WHERE c.name = '{connector}'"
    )
    return str(found)


def kinds(away: float = AWAY_SECONDS) -> list[Fault]:
    """All ways; `away` in seconds."""
    return [
        Fault("kill-host", Host.kill, lambda site, host: site.boot(host), REBOOT_SECONDS),
        Fault("cut-host-off", Host.cut, lambda _, host: host.join(), away),
        Fault("pause-host", Host.freeze, lambda _, host: host.thaw(), away),
    ]


def writers(journal: Path) -> Figure:
    """Sessions of one login that carried messages although a later one had begun to."""
    spans: dict[str, dict[int, list[str]]] = defaultdict(dict)
    sessions = 0
    for line in read(journal):
        span = spans[line["system_id"]].setdefault(line["session"], [line["received_at"], ""])
        span[1] = line["received_at"]
    doubled = []
    for login, found in spans.items():
        ordered = [found[number] for number in sorted(found)]
        sessions += len(ordered)
        doubled += [f"{login}: until {a[1]}, another since {b[0]}" for a, b in pairwise(ordered) if a[1] > b[0]]
    meaning = "sessions of a carrier login over which a message came after its successor's first"
    return Figure("double_binds", len(doubled), sessions, 0, doubled[:10], meaning)


def takeovers(done: report.Report) -> Figure:
    """Those that took longer than a carrier's bind may."""
    struck = [fault for fault in done["faults"] if not fault["skipped"]]
    times = [fault["details"].get("takeover") for fault in struck]
    late = [f"{f['kind']}: {t}" for f, t in zip(struck, times, strict=True) if t is None or t > TAKEOVER_SECONDS]
    told = ", ".join(f"{fault['kind']} {time_} s" for fault, time_ in zip(struck, times, strict=True))
    return Figure("late_takeovers", len(late), len(struck), 0, late, f"beyond {TAKEOVER_SECONDS:g} s: {told}")


def campaign(orders: Orders, away: float = AWAY_SECONDS) -> report.Report:
    """Run it and write the report."""
    with ExitStack() as stack:
        made = stack.enter_context(network(*NAMES))
        smpp_port = 2775
        places = [(host.address, smpp_port) for host in made.hosts.values()]
        customers = Customers(places, system_id=LOGIN[0], password=LOGIN[1], seed=orders.seed)
        orders.line = Line(WINDOW, TIMERS, host=made.gate, more=MORE)
        orders.overlap = 0.0
        place = orders.place
        assert place is not None

        def site(place: Path, environment: dict[str, str], stores: Stores) -> Site:
            _equip(made, environment, stores, smpp_port)
            stack.enter_context(
                relays(made.gate, [store.port for store in (stores.postgres, stores.rabbit, stores.redis)])
            )
            return Site(made, customers, place, environment)

        def quiet(world: World) -> list[Figure]:
            customers.stop_sending()
            world.wait(lambda: not customers.waiting, 120, 0.5)
            return []

        def sieve(evidence: Evidence) -> tuple[Evidence, list[Figure]]:
            rest, figures = customers.judge(evidence)
            return rest, [*figures, writers(place / "carrier.jsonl")]

        faults = {fault.name: fault for fault in kinds(away)}
        done = run(faults, orders, finale=quiet, sieve=sieve, fleet_of=site)
    done["figures"].append(takeovers(done).as_dict())
    report.write(done, orders.out)
    return done


def _equip(made: Network, environment: dict[str, str], stores: Stores, smpp_port: int) -> None:
    """What the processes of a host are told: the stores at our gate, an address to listen on, a place of their own."""
    for host in made.hosts.values():
        var = Path(environment["GATEWAY_VAR"]) / host.name
        (var / "run").mkdir(parents=True, exist_ok=True)
        reached = {name: url.replace("127.0.0.1", made.gate) for name, url in stores.environment.items()}
        host.environment = environment | reached | {
            "GATEWAY_BIND": host.address, "GATEWAY_SMPP_PORT": str(smpp_port), "GATEWAY_VAR": str(var),
        }  # fmt: skip


def main(arguments: list[str]) -> int:
    """The exit status: 0 when every promise held."""
    end_in_order()
    options = _parser().parse_args(arguments)
    if reason := missing():
        print(reason, file=sys.stderr)
        return 2
    orders = Orders(seed=options.seed, per_kind=options.times, rate=options.rate, out=options.out, place=options.place)
    done = campaign(orders, options.away)
    print(report.markdown(done))
    return 0 if report.holds(done) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.hosts", description=__doc__)
    parser.add_argument("--times", type=int, default=1, help="each way so often")
    parser.add_argument("--away", type=float, default=AWAY_SECONDS, help="seconds cut off or standing still")
    parser.add_argument("--rate", type=float, default=20.0, help="messages a second over HTTP")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--place", type=Path, required=True, help="directory of the journals")
    parser.add_argument("--out", type=Path, default=Path("docs/reports/hosts"), help="report without suffix")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
