"""`manage.py replay_deliveries`: what it takes, what it refuses, what it shows."""

import json
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from common.clock import utc_now
from common.jobs import recorder
from tests.support.cast import customer, stranger
from tests.support.webhooks import due, states

pytestmark = pytest.mark.django_db
URL = "https://customer.example/dlr"


def run(*arguments):
    out = StringIO()
    with recorder():
        call_command("replay_deliveries", *arguments, stdout=out)
    return out.getvalue()


def dead(cast, **fields):
    [key] = due(cast, URL, state="EXHAUSTED", tries=12, next_try_at=None, last_error="HTTP 500", **fields)
    return key


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name event ids, --account or --since"),
        (["abc"], "abc: not an event id"),
        (["--account", "nobody"], "no account nobody"),
        (["--since", "yesterday"], "--since yesterday: not an ISO 8601 time with offset"),
        (["--since", "2026-04-10T12:00:00"], "not an ISO 8601 time with offset"),
        (["--since", "2026-02-31T12:00:00Z"], "not an ISO 8601 time with offset"),
        (["--list"], "name event ids, --account or --since"),
        (["--nonsense"], "unrecognized arguments"),
    ],
)
def test_what_it_does_not_understand_it_refuses_and_replays_nothing(arguments, said):
    key = dead(customer())
    with pytest.raises(CommandError, match=said):
        run(*arguments)
    assert states([key]) == {"EXHAUSTED"}


def test_ids_are_replayed_and_counted():
    cast = customer()
    chosen, other = dead(cast), dead(cast)
    assert run(str(chosen)) == "1 deliveries are due again\n"
    assert (states([chosen]), states([other])) == ({"PENDING"}, {"EXHAUSTED"})
    assert json.loads(run(str(uuid4()), "--json")) == {"replayed": 0}


def test_an_accounts_dead_letters_are_replayed_and_nobody_elses():
    mine, theirs = customer(), stranger()
    own, foreign = dead(mine), dead(theirs)
    assert json.loads(run("--account", mine.account.name, "--json")) == {"replayed": 1}
    assert (states([own]), states([foreign])) == ({"PENDING"}, {"EXHAUSTED"})
    assert json.loads(run(str(foreign), "--account", mine.account.name, "--json")) == {"replayed": 0}


def test_a_time_chooses_the_newer_events():
    cast = customer()
    old, new = dead(cast, created_at=utc_now() - timedelta(days=3)), dead(cast)
    run("--since", (utc_now() - timedelta(days=1)).isoformat())
    assert (states([old]), states([new])) == ({"EXHAUSTED"}, {"PENDING"})


def test_a_list_shows_and_changes_nothing():
    cast = customer()
    key = dead(cast)
    assert run("--account", cast.account.name, "--list") == f"{key}  {URL}  12  HTTP 500\n"
    lines = run("--account", cast.account.name, "--list", "--json").splitlines()
    assert [json.loads(line) for line in lines] == [{"id": str(key), "url": URL, "tries": 12, "error": "HTTP 500"}]
    assert states([key]) == {"EXHAUSTED"}
