"""Lines that fail over on time, for the tests."""

from datetime import timedelta

from connectors.models import BindState
from tests.messaging.underway import accepted, now
from tests.support.cast import forget_snapshots

LIMIT = 30  # seconds


def limit(connector, **fields):
    """Change a connector as staff would."""
    for name, value in fields.items():
        setattr(connector, name, value)
    connector.save()
    forget_snapshots()


def seen_bound(connector, *, ago, bind_no=1):
    """A bind of it was last seen bound so many seconds ago."""
    moment = now() - timedelta(seconds=ago)
    BindState.objects.update_or_create(connector=connector, bind_no=bind_no, defaults={"bound_at": moment})


def over(cast, *connectors, **fields):
    """A message whose route goes on to these connectors."""
    return accepted(cast, hops=(cast.connector.pk, *(line.pk for line in connectors)), **fields)
