"""The whole diagnosis of a connector (S0-45)."""

from dataclasses import asdict
from typing import Any

from connectors import answer_counts, probing
from connectors.models import Connector
from connectors.snapshot import ConnectorView, view_of
from messaging.diagnosis.overview import overviews
from messaging.diagnosis.receipts import receipt_facts
from messaging.diagnosis.verdict import verdict
from smpp.constants import status_name

MINUTES = 60


def diagnose(connector: Connector, *, network: bool = True) -> dict[str, Any]:
    """Everything that is known, as JSON values, with a verdict; `network`: also look its hosts up and connect.

    It never binds: carriers count binds, and a wrong one may lock the account.
    """
    view = view_of(connector.pk)
    [facts] = overviews(Connector.objects.filter(pk=connector.pk))
    found = {
        "connector": facts,
        "network": _network(view) if network else None,
        "answers": {"minutes": MINUTES, "by_status": _answers(connector.pk)},
        "receipts": receipt_facts(view),
    }
    return {"verdict": asdict(verdict(found)), **found}


def _network(view: ConnectorView) -> list[dict[str, Any]]:
    return [_host(reach) for reach in probing.reach_all(view)]


def _host(reach: probing.Reach) -> dict[str, Any]:
    return {
        "host": reach.host,
        "port": reach.port,
        "dns": reach.dns.facts("addresses"),
        "tcp": reach.tcp.facts("address") if reach.tcp else None,
        "tls": reach.tls.facts("session") if reach.tls else None,
    }


def _answers(connector_id: int) -> dict[str, int]:
    counted = answer_counts.histogram(connector_id, minutes=MINUTES)
    return {
        "no_answer" if status == answer_counts.NO_ANSWER else status_name(status): count
        for status, count in counted.items()
    }
