"""Connectors: whether each bind that should be up is, and whose it is."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from common.clock import utc_now
from connectors.models import BindLease, BindState, Connector, Desired, Kind
from gateway_project.doctor.findings import Finding, ago, fail, ok, warn
from messaging.receipts.doctor import open_proposals
from messaging.rows import database_now

SILENT = timedelta(seconds=30)  # binds report every 3 s


def look() -> Iterator[Finding]:
    """One line for each connector that is up, one for each bind that is not."""
    now = database_now()
    lines = Connector.objects.filter(active=True, kind=Kind.SMPP)
    states = {(state.connector_id, state.bind_no): state for state in BindState.objects.all()}
    leases = {(lease.connector_id, lease.bind_no): lease for lease in BindLease.objects.all()}
    started = [line for line in lines if line.desired in (Desired.STARTED, Desired.DRAINING)]
    for line in started:
        keys = [(line.pk, number) for number in range(1, line.binds + 1)]
        found = [f for key in keys for f in _bind(line, key[1], states.get(key), leases.get(key), now)]
        yield from found or [ok(f"{line.name}: {line.binds} bound")]
    if not lines:
        yield warn("there is no active connector: nothing can be sent", "python manage.py provision FILE")
    elif not started:
        yield warn("every connector is stopped: messages wait", "start one in the admin (Connectors)")
    for proposal in open_proposals():
        yield warn(
            f"receipts of {proposal.carrier_account} meet no message; by the rule {proposal.rule} they would",
            f"python manage.py dlr_doctor {proposal.carrier_account} shows why; --accept or --reject it",
        )


def _bind(
    line: Connector, number: int, state: BindState | None, lease: BindLease | None, now: datetime
) -> Iterator[Finding]:
    where = f"{line.name} bind {number}"
    if lease is None or lease.expires_at is None or lease.expires_at <= now:
        yield fail(f"{where}: no process holds it", "start the process binds (python manage.py run_binds)")
    elif state is None or utc_now() - state.updated_at > SILENT:
        yield fail(f"{where}: {lease.owner} holds it and says nothing", "restart the process binds")
    elif state.state != "bound":
        yield fail(f"{where}: {_words(state)}", f"python manage.py connector diagnose {line.name}")


def _words(state: BindState) -> str:
    words = state.state
    if state.last_error:
        words += f", {state.last_error}"
    if state.next_try_at is not None:
        words += f"; next try in {ago(max(0.0, (state.next_try_at - utc_now()).total_seconds()))}"
    return words
