"""What the list of connectors shows of messages (S0-43)."""

from django.db.models import IntegerField, OuterRef, Subquery

from common.staff.extensions import Column, extend_list
from common.unfold import display
from connectors.models import Connector
from messaging.diagnosis.overview import COUNTED
from messaging.models import Part, Status


class _Counted(Subquery):
    """How many rows the subquery finds; its own LIMIT ends the counting."""

    template = "(SELECT count(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def _waiting() -> _Counted:
    waiting = Part.objects.filter(connector=OuterRef("pk"), status=Status.QUEUED).order_by()
    return _Counted(waiting.values("pk")[: COUNTED + 1])


@display(description="queued")
def queued(connector: Connector) -> str:
    """Parts in line for the connector; exact up to COUNTED."""
    waiting: int = connector._waiting  # type: ignore[attr-defined]
    return f"{COUNTED:,}+" if waiting > COUNTED else f"{waiting:,}"


extend_list(Connector, Column(queued, annotations={"_waiting": _waiting()}))
