"""A small campaign with every `make test`: a few faults, one a restart of PostgreSQL, judged like the large one."""

import pytest

from tests.crash import report
from tests.crash.campaign import Orders, run
from tests.crash.faults.catalogue import chosen

SEED = 20_261_122
KINDS = "kill-web-child,kill-worker,at-webhook-taken-before-record,postgres-restart"


@pytest.mark.slow
@pytest.mark.timeout(400)  # stores and processes start one after the other; on an idle machine it takes 70 s
def test_a_few_faults_under_load_and_every_promise_holds(tmp_path):
    orders = Orders(seed=SEED, per_kind=1, rate=25, out=tmp_path / "report", place=tmp_path / "run", overlap=0.0)
    done = run(chosen(KINDS), orders)
    assert report.holds(done), report.markdown(done)
    assert done["load"]["acknowledged"] > 200
    assert {fault["kind"] for fault in done["faults"] if not fault["skipped"]} == set(KINDS.split(","))
