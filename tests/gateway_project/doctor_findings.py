"""What the doctor found, for its tests: texts by level, and a bind as a process keeps it."""

from datetime import timedelta

from connectors.models import BindLease, BindState
from gateway_project.doctor.findings import Level
from tests.messaging.underway import now


def told(findings, level: Level) -> str:
    """What findings of the level say, with what to do."""
    return "\n".join(f"{finding.what} → {finding.do}" for finding in findings if finding.level is level)


def failed(findings) -> str:
    return told(findings, Level.FAIL)


def warned(findings) -> str:
    return told(findings, Level.WARN)


def levels(findings) -> set[Level]:
    return {finding.level for finding in findings}


def bound(line, *, number: int = 1, state: str = "bound", **fields) -> None:
    BindLease.objects.create(
        connector=line, bind_no=number, owner="here", fence=1, expires_at=fields.pop("until", now() + timedelta(10))
    )
    BindState.objects.create(connector=line, bind_no=number, state=state, **fields)
