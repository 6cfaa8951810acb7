"""An alert is one row while it is open: seen often, told rarely, and over when it is over."""

from datetime import timedelta

import pytest

from common.alerts import KEPT, open_alerts, purge_alerts, raise_alert, resolve_alert
from common.clock import utc_now
from common.models import Alert

pytestmark = [pytest.mark.django_db, pytest.mark.both]
SAID = {"key": "connector:smpp1:credentials", "level": "fail", "subject": "connector smpp1", "words": "refused"}


def test_people_are_told_once_in_a_cooldown_however_often_it_is_seen():
    assert [raise_alert(**SAID) for _ in range(3)] == [True, False, False]
    row = Alert.objects.get()
    assert (row.count, row.resolved_at) == (3, None) and row.last_seen_at >= row.first_seen_at
    Alert.objects.update(told_at=utc_now() - timedelta(hours=2))
    assert raise_alert(**{**SAID, "words": "refused again"})
    assert Alert.objects.get().words == "refused again"


def test_after_it_was_resolved_it_opens_anew_and_the_former_one_stays():
    raise_alert(**SAID)
    assert resolve_alert(SAID["key"]) and not resolve_alert(SAID["key"])
    assert not open_alerts().exists()
    assert raise_alert(**SAID)
    assert Alert.objects.count() == 2 and open_alerts().count() == 1


def test_what_is_over_within_its_grace_is_nobodys_business():
    patient = {**SAID, "grace": timedelta(seconds=60)}
    assert not raise_alert(**patient) and not open_alerts().exists()
    Alert.objects.update(first_seen_at=utc_now() - timedelta(seconds=61))
    assert raise_alert(**patient) and open_alerts().exists()


def test_long_words_are_cut_not_refused():
    assert raise_alert(**{**SAID, "words": "x" * 900, "subject": "y" * 300, "advice": "z" * 900})


def test_resolved_ones_go_after_a_while_open_ones_never():
    raise_alert(**SAID)
    Alert.objects.update(first_seen_at=utc_now() - 2 * KEPT)
    assert purge_alerts() == 0
    Alert.objects.update(resolved_at=utc_now() - KEPT - timedelta(seconds=1))
    assert purge_alerts() == 1
