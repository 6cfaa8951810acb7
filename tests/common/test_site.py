"""Snapshots: live after a change, kept when the database is away, read by one thread at a time."""

import pytest
from django.db import DatabaseError

from common.models import ConfigVersion
from common.site import Snapshot, bump
from tests.support.cast import unique

pytestmark = [pytest.mark.django_db, pytest.mark.both]


def counting(topic, **options):
    built = []

    def build():
        built.append(1)
        return len(built)

    return Snapshot((topic,), build, **options), built


def test_it_is_built_once_while_nothing_changes():
    snapshot, built = counting(unique("topic"), max_age=0)
    assert [snapshot.get() for _ in range(3)] == [1, 1, 1]
    assert len(built) == 1


def test_a_change_is_seen():
    topic = unique("topic")
    snapshot, _ = counting(topic, max_age=0)
    assert snapshot.get() == 1
    bump(topic)
    assert snapshot.get() == 2
    assert ConfigVersion.objects.get(topic=topic).version == 1
    bump(topic)
    assert snapshot.get() == 3


def test_within_its_age_it_asks_nobody(django_assert_num_queries):
    snapshot, _ = counting(unique("topic"), max_age=60)
    snapshot.get()
    with django_assert_num_queries(0):
        snapshot.get()


def test_the_last_value_stays_while_the_database_is_away(monkeypatch):
    topic = unique("topic")
    snapshot, _ = counting(topic, max_age=0)
    snapshot.get()

    def away(_):
        raise DatabaseError("away")

    monkeypatch.setattr(Snapshot, "_read_versions", away)
    assert snapshot.get() == 1


def test_without_any_value_the_fault_is_told(monkeypatch):
    snapshot, _ = counting(unique("topic"))

    def away(_):
        raise DatabaseError("away")

    monkeypatch.setattr(Snapshot, "_read_versions", away)
    with pytest.raises(DatabaseError):
        snapshot.get()
