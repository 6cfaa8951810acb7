"""What the rooms of one bind share."""

from dataclasses import dataclass

from connectors.snapshot import ConnectorView
from workers.binds.flights import Flights
from workers.binds.lanes import Lanes
from workers.binds.pace import Pace
from workers.binds.ready import Ready
from workers.binds.report import Report
from workers.binds.tenure import Tenure


@dataclass(frozen=True, slots=True)
class Shared:
    """`lanes` and `pace` are the connector's, the rest is this bind's own."""

    view: ConnectorView
    bind_no: int
    lanes: Lanes
    pace: Pace
    tenure: Tenure
    flights: Flights
    ready: Ready
    report: Report
