"""What an answer means for a message: the operator's word, the table, and what came before."""

from types import SimpleNamespace

import pytest

from common.errors import SendKind
from common.ids import new_id
from connectors.tables import problems
from workers.binds.verdict import BUSY_IN_A_ROW, GUILTY, GUILTY_ALONE, PARTS, Verdicts

LENGTH, COMMAND, NOT_BOUND, FULL = 0x02, 0x03, 0x04, 0x14


def part(recipient="31655500001"):
    return SimpleNamespace(part_id=new_id(), recipient=recipient)


@pytest.mark.parametrize("kind", list(SendKind))
def test_every_word_that_the_forms_take_is_followed(kind):
    written = {"1040": kind.value}
    assert problems({"error_classes": written}) == {}
    assert Verdicts(written).judge(part(), 1040) is kind


def test_what_is_no_word_of_ours_is_left_out_and_the_table_decides():
    verdicts = Verdicts({"nonsense": "permanent", "0x08": "no such class", "0x410": "permanent"})
    assert verdicts.judge(part(), 0x08) is SendKind.TEMPORARY
    assert verdicts.judge(part(), 0x410) is SendKind.PERMANENT
    assert verdicts.judge(part(), 0x411) is SendKind.ROUTE


def test_a_full_queue_is_the_carriers_until_one_number_hears_it_three_times_in_a_row():
    verdicts, one = Verdicts({}), part()
    for _ in range(2):
        assert [verdicts.judge(one, FULL) for _ in range(BUSY_IN_A_ROW - 1)] == [SendKind.BUSY] * (BUSY_IN_A_ROW - 1)
        verdicts.accepted(one)
    assert [verdicts.judge(one, FULL) for _ in range(BUSY_IN_A_ROW)][-1] is SendKind.TEMPORARY


@pytest.mark.parametrize("status", [LENGTH, COMMAND])
def test_a_part_that_ends_sessions_while_others_are_taken_goes_elsewhere(status):
    verdicts, one = Verdicts({}), part()
    found = []
    for _ in range(GUILTY):
        found.append(verdicts.judge(one, status))
        verdicts.accepted(part())
    assert found == [SendKind.SESSION] * (GUILTY - 1) + [SendKind.ROUTE]


def test_a_carrier_that_takes_nothing_is_not_the_messages_fault_for_a_while():
    verdicts, some = Verdicts({}), [part() for _ in range(5)]
    rounds = [{verdicts.judge(one, COMMAND) for one in some} for _ in range(GUILTY_ALONE)]
    assert rounds == [{SendKind.SESSION}] * (GUILTY_ALONE - 1) + [{SendKind.ROUTE}]


def test_a_session_that_is_not_bound_says_nothing_of_the_message():
    verdicts, one = Verdicts({}), part()
    for _ in range(2 * GUILTY_ALONE):
        assert verdicts.judge(one, NOT_BOUND) is SendKind.SESSION
        verdicts.accepted(part())


def test_memory_of_parts_is_bounded():
    verdicts = Verdicts({})
    for _ in range(PARTS + 10):
        verdicts.judge(part(), LENGTH)
    assert len(verdicts._ended) == PARTS
