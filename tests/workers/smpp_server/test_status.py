"""Every reason of ours has a command_status, and an HTTP status."""

import pytest

from api.problems import STATUS as HTTP
from common.errors import Busy, Code, Rejected, Unavailable
from smpp.constants import CommandStatus as S
from workers.smpp_server.status import BLAME, NO_CREDIT, STATUS, bind_status, status_of


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_both_numbers(code):
    assert code in STATUS and code in HTTP
    assert STATUS[code] != S.ESME_ROK
    assert STATUS[code] in set(S) or STATUS[code] == NO_CREDIT


@pytest.mark.parametrize("field", BLAME)
def test_a_wrong_value_blames_its_field(field):
    assert status_of(Rejected(Code.INVALID_VALUE, "wrong", {field: "why"})) == BLAME[field]


def test_a_full_line_is_not_a_store_that_is_down():
    assert status_of(Busy("busy")) == S.ESME_RMSGQFUL
    assert status_of(Unavailable()) == S.ESME_RSYSERR


def test_a_bind_of_a_suspended_account_fails_and_its_submit_is_prohibited():
    problem = Rejected(Code.SUSPENDED, "Account suspended")
    assert (bind_status(problem), status_of(problem)) == (S.ESME_RBINDFAIL, S.ESME_RPROHIBITED)
