"""An operator hears of a line that is down, with the reason, and not of one that comes back at once."""

from datetime import timedelta

import pytest

from common.alerts import open_alerts, raise_alert
from common.clock import utc_now
from common.models import Alert
from connectors import services
from connectors.models import BindLease, BindState, CredentialCheck
from messaging.rows import database_now
from tests.support import cast
from workers.alerts import lines
from workers.binds.admission import alert_key

pytestmark = pytest.mark.django_db


def later():
    """A minute has passed."""
    Alert.objects.update(first_seen_at=utc_now() - lines.GRACE - timedelta(seconds=1))
    lines.watch()


def bound(line):
    BindLease.objects.create(connector=line, bind_no=1, owner="o", expires_at=database_now() + timedelta(seconds=10))
    BindState.objects.create(connector=line, bind_no=1, state="bound")


def test_a_line_that_nobody_serves_is_told_after_a_minute_and_resolved_when_it_is_up():
    line = cast.make_connector()
    lines.watch()
    assert not open_alerts().exists()
    later()
    alert = open_alerts().get()
    assert (alert.subject, alert.level) == (f"connector {line.name}", "fail")
    assert alert.words.startswith(f"no process serves {line.name}") and "run_binds" in alert.advice
    bound(line)
    lines.watch()
    assert not open_alerts().exists()


@pytest.mark.parametrize("change", [{"desired": "stopped"}, {"desired": "drained"}, {"active": False}])
def test_a_line_that_nobody_wants_is_no_matter_of_alarm(change):
    cast.make_connector(**change)
    lines.watch()
    later()
    assert not Alert.objects.exists()


def test_refused_credentials_have_an_alert_of_their_own():
    line = cast.make_connector()
    CredentialCheck.objects.create(connector=line, refusals=3, last_status=14)
    raise_alert(key=alert_key(line.name), level="fail", subject="s", words="refused")
    lines.watch()
    later()
    assert open_alerts().get().words == "refused"
    services.stop(connector=line)  # and then nobody tries any more
    lines.watch()
    assert not open_alerts().exists()
