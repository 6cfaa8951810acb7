"""Carrier lines that should be up and are not: also when the process that should say so is gone."""

from datetime import timedelta
from typing import Any

from common.alerts import FAIL, raise_alert, resolve_alert
from connectors.credential_checks import TRIES
from messaging.diagnosis import overviews
from messaging.diagnosis.verdict import verdict
from workers.binds.admission import alert_key

# A restart, a deploy and a carrier's own restart are over by then: nobody is told of them.
GRACE = timedelta(seconds=60)
WANTED = ("started", "draining")


def watch() -> None:
    """Raise an alert for each line without a single bind, with the reason; resolve what is over."""
    for line in overviews():
        key = f"connector:{line['name']}:down"
        if _is_down(line):
            said = verdict(_known(line))
            raise_alert(
                key=key, level=FAIL, subject=f"connector {line['name']}", words=said.words, advice=said.do, grace=GRACE
            )
        else:
            resolve_alert(key)
        if line["status"] not in WANTED or not line["credentials"]["refusals"]:
            resolve_alert(alert_key(line["name"]))  # nobody tries any more, or with other credentials


def _is_down(line: dict[str, Any]) -> bool:
    # Refused credentials have an alert of their own, from the bind that was refused.
    refused = line["credentials"]["refusals"] >= TRIES
    return line["status"] in WANTED and not line["bound"] and not refused


def _known(line: dict[str, Any]) -> dict[str, Any]:
    """Without a look at the network: ticks are short."""
    nothing = {"unmatched": 0, "unmatched_or_more": False}
    return {"connector": line, "network": None, "answers": {"by_status": {}}, "receipts": nothing}
