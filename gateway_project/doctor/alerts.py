"""Alerts that are open."""

from collections.abc import Iterator

from common.alerts import open_alerts
from gateway_project.doctor.findings import Finding, fail, ok, warn

SHOWN = 20


def look() -> Iterator[Finding]:
    """One line for each."""
    found = list(open_alerts()[: SHOWN + 1])
    for alert in found[:SHOWN]:
        tell = fail if alert.level == "fail" else warn
        yield tell(f"{alert.subject}: {alert.words}", alert.advice or "see Alerts in the admin")
    if len(found) > SHOWN:
        yield warn("there are more", "see Alerts in the admin")
    if not found:
        yield ok("none is open")
