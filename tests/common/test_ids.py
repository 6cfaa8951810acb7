"""UUIDv7 ids: order, uniqueness, children, short numbers, time windows."""

import threading
import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from common import ids


def test_ids_of_many_threads_are_unique_and_sorted_within_a_thread():
    drawn: list[list[uuid.UUID]] = [[] for _ in range(8)]
    threads = [
        threading.Thread(target=lambda rows=rows: rows.extend(ids.new_id() for _ in range(5_000))) for rows in drawn
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(rows == sorted(rows) for rows in drawn)
    assert len({value for rows in drawn for value in rows}) == 40_000


def test_a_full_millisecond_borrows_from_the_next():
    factory = ids.IdFactory(5)
    drawn = [factory.draw(1_800_000_000_000) for _ in range(10_000)]
    assert drawn == sorted(set(drawn))
    assert all(value.version == 7 and value.variant == uuid.RFC_4122 for value in drawn)


@given(st.integers(0, 2047), st.integers(ids.EPOCH_2025_MS, ids.EPOCH_2025_MS + 2**40 - 1))
def test_a_short_number_fits_63_bits_and_names_one_range(process, ms):
    value = ids.IdFactory(process).draw(ms)
    number = ids.short_number(value)
    low, high = ids.range_of_short(number)
    assert 0 <= number < 2**63
    assert low <= value <= high
    assert ids.milliseconds(value) == ms


@given(st.integers(1, 2_000))
def test_children_share_the_millisecond_and_are_always_the_same(number):
    parent = ids.new_id()
    child = ids.derive(parent, number)
    assert child == ids.derive(parent, number) != parent
    assert ids.milliseconds(child) == ids.milliseconds(parent)
    assert child.version == 7
    assert child.int >> 51 == parent.int >> 51


def test_a_time_window_is_an_id_range():
    value = ids.new_id()
    assert ids.floor_at(ids.moment(value)) <= value < ids.floor_at(ids.moment(value) + timedelta(milliseconds=1))
    assert abs(ids.moment(value) - datetime.now(UTC)) < timedelta(seconds=5)
