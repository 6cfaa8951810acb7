"""Tries with credentials are counted for all binds together, so that no carrier locks the account."""

from datetime import timedelta

import pytest

from common.clock import utc_now
from connectors import credential_checks, services
from connectors.credential_checks import PAUSE, SCOUT, TRIES, fingerprint
from connectors.models import BindState, CredentialCheck
from connectors.snapshot import view_of
from smpp.constants import CommandStatus
from tests.support import cast

pytestmark = [pytest.mark.django_db, pytest.mark.both]
WRONG, PERHAPS = int(CommandStatus.ESME_RINVPASWD), int(CommandStatus.ESME_RBINDFAIL)


@pytest.fixture
def line():
    return cast.make_connector()


def mark_of(line):
    return fingerprint(view_of(line.pk))


def ask(line):
    return credential_checks.ask(line.pk, mark_of(line), patience=60)


def refuse(line, status=WRONG, counts=True):
    return credential_checks.refused(line.pk, mark_of(line), status, counts=counts, host="carrier.example:2775")


def let_time_pass(line):
    CredentialCheck.objects.filter(pk=line.pk).update(next_try_at=None)


def test_one_bind_tries_for_all_until_it_says_what_it_heard(line):
    assert ask(line).go
    assert 0 < ask(line).wait <= SCOUT
    credential_checks.accepted(line.pk, mark_of(line))
    assert ask(line).go and ask(line).go


def test_a_carrier_that_hangs_holds_the_others_up_for_seconds_only(line):
    assert ask(line).go
    until = CredentialCheck.objects.get().trying_until
    assert until is not None and until - utc_now() <= timedelta(seconds=SCOUT + 1)


def test_after_three_refusals_the_next_try_is_in_a_quarter_of_an_hour(line):
    for times in range(1, TRIES + 1):
        assert ask(line).go
        assert refuse(line) == times
        if times < TRIES:
            assert ask(line).wait <= 2
        let_time_pass(line) if times < TRIES else None
    turn = ask(line)
    assert PAUSE - 5 < turn.wait <= PAUSE and (turn.refusals, turn.status) == (TRIES, WRONG)


def test_the_host_that_refused_is_remembered(line):
    credential_checks.refused(line.pk, mark_of(line), WRONG, counts=True, host="b:2776")
    assert CredentialCheck.objects.get().refused_by == "b:2776"


def test_refusals_count_only_in_a_row(line):
    refuse(line), refuse(line)
    credential_checks.accepted(line.pk, mark_of(line))
    assert refuse(line) == 1


def test_a_single_bind_failed_may_be_the_carriers_trouble_a_repeated_one_is_ours(line):
    assert [refuse(line, PERHAPS, counts=False) for _ in range(4)] == [0, 1, 2, 3]
    assert ask(line).wait > PAUSE - 5


def test_a_carrier_that_takes_one_bind_and_no_second_has_not_refused_our_credentials(line):
    BindState.objects.create(connector=line, bind_no=1, state="bound")
    assert [refuse(line, PERHAPS, counts=False) for _ in range(5)] == [0] * 5
    assert ask(line).go
    assert refuse(line) == 1  # a wrong password is one, whoever is up


@pytest.mark.parametrize(
    "change", [{"password": "other"}, {"system_id": "other"}, {"host": "127.0.0.2"}, {"more_hosts": ["127.0.0.2"]}]
)
def test_other_credentials_are_tried_at_once(line, change):
    for _ in range(TRIES):
        refuse(line)
    services.update_connector(connector=line, **change)
    assert ask(line).go and CredentialCheck.objects.get().refusals == 0


def test_other_settings_bring_no_further_tries(line):
    for _ in range(TRIES):
        refuse(line)
    services.update_connector(connector=line, tps=5, password="secret")
    assert ask(line).wait > PAUSE - 5


def test_an_operator_who_restarts_gets_one_try_and_no_more(line):
    for _ in range(TRIES):
        refuse(line)
    services.restart(connector=line)
    assert ask(line).go and not ask(line).go
    assert refuse(line) == TRIES + 1
    assert ask(line).wait > PAUSE - 5


def test_what_is_kept_does_not_tell_the_password(line):
    ask(line)
    assert "secret" not in str(CredentialCheck.objects.values().get())


def test_what_was_heard_of_former_credentials_does_not_count(line):
    old = mark_of(line)
    services.update_connector(connector=line, password="other")
    ask(line)
    credential_checks.unheard(line.pk, old)
    assert not ask(line).go  # the try with the new ones still runs
