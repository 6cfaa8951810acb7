"""Receipts in another form than the answers: a rule is proposed, a person decides, and every message is settled."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.audit import Actor
from accounts.models import AuditEntry
from common.jobs import recorder
from connectors.models import Connector
from messaging import failover, sweep
from messaging.models import Attempt, IdRuleProposal, Part, Receipt, Status
from messaging.receipts import doctor
from messaging.receipts.doctor import rehoming
from smpp.constants import MessageState
from tests.messaging.doctored import answer_hex, carrier, give_up, heal, proposed, report_dec
from tests.messaging.underway import Line, leases, now, part_of, past, receipt, shown, told
from tests.support.cast import forget_snapshots, make_connector

pytestmark = [pytest.mark.both, pytest.mark.django_db]
ANN = Actor("ann")


def rules():
    return set(Connector.objects.values_list("id_rule", flat=True))


def command(*arguments):
    out = StringIO()
    try:
        call_command("dlr_doctor", *arguments, stdout=out)
    except SystemExit as ended:
        return ended.code, out.getvalue()
    return 0, out.getvalue()


def test_twenty_receipts_that_agree_are_proposed_and_nothing_is_changed_until_a_person_accepts():
    here = carrier()
    here.report(here.take(20))
    doctor.look_over()
    [found] = IdRuleProposal.objects.all()
    assert (found.carrier_account, found.rule, found.before, found.state) == (
        here.account,
        "hex_to_dec",
        "as_is",
        "OPEN",
    )
    assert (found.agreeing, found.unmatched) == (20, 20)
    assert (found.answer_format, found.receipt_format) == ("hex, small letters", "decimal")
    assert found.samples[0] == {"answer": answer_hex(0), "receipt": report_dec(0), "number": "…0000"}
    assert (rules(), here.states()) == ({"as_is"}, {"SUBMITTED"})
    doctor.look_over()
    assert IdRuleProposal.objects.count() == 1


def test_nineteen_are_not_proposed():
    here = carrier()
    here.report(here.take(19))
    doctor.look_over()
    assert proposed(here) is None
    assert not IdRuleProposal.objects.exists()


def test_two_rules_that_both_fit_are_not_proposed():
    here = carrier()
    here.report(here.take(20))
    here.report(here.take(20, lambda n: f"000{n + 7000}"), lambda n: str(n + 7000))
    assert proposed(here) is None
    assert "two rules fit" in doctor.examine(here.account).verdict


def test_after_acceptance_every_message_is_settled_told_and_audited_once():
    here = carrier()
    messages = here.take(25)
    here.report(messages[:22])
    assert heal(proposed(here), actor=ANN) == 22
    assert [part_of(one).status for one in messages] == ["DELIVERED"] * 22 + ["SUBMITTED"] * 3
    assert {shown(one).status for one in messages[:22]} == {"DELIVERED"}
    assert [len(told(one)) for one in messages] == [1] * 22 + [0] * 3
    assert set(Receipt.objects.values_list("state", "matched_by")) == {("MATCHED", "id")}
    assert here.connector.id_rule == "hex_to_dec"
    entries = {(entry.action, entry.entity, entry.actor): entry.details for entry in AuditEntry.objects.all()}
    assert entries["change", "connector", "ann"]["id_rule"] == ["as_is", "hex_to_dec"]
    assert entries["accept", "idruleproposal", "ann"]["connectors"] == {here.connector.name: ["as_is", "hex_to_dec"]}
    assert len(entries) == 2


def test_accepting_and_coming_home_twice_changes_nothing_more():
    here = carrier()
    messages = here.take(20)
    here.report(messages)
    proposal = proposed(here)
    heal(proposal, actor=ANN)
    balance, entries = here.cast.balance, AuditEntry.objects.count()
    assert heal(proposal, actor=ANN) == 0
    assert (here.cast.balance, AuditEntry.objects.count()) == (balance, entries)
    assert {len(told(one)) for one in messages} == {1}


def test_what_was_sent_under_the_old_rule_and_is_reported_later_comes_home_by_the_tick():
    here = carrier()
    messages = here.take(22)
    here.report(messages[:20])
    heal(proposed(here), actor=ANN)
    here.report(messages[20:])
    assert here.states() == {"DELIVERED", "SUBMITTED"}
    doctor.look_over()
    assert here.states() == {"DELIVERED"}
    [fresh] = here.take(1)
    here.report([fresh])
    assert part_of(fresh).status == Status.DELIVERED
    assert IdRuleProposal.objects.get().rehomed == 22


def test_receipts_that_were_given_up_settle_messages_that_ended_as_unknown_once():
    here = carrier(account={"charge_on": "delivery"})
    messages = here.take(20)
    here.report(messages[:19])
    here.report(messages[19:], state=MessageState.UNDELIVERABLE)
    give_up()
    Part.objects.update(expires_at=now() - timedelta(hours=73))
    assert sweep.close_unreceipted() == 20
    assert here.cast.balance == 200  # paid on delivery: nobody knows of one
    assert heal(proposed(here), actor=ANN) == 20
    assert [shown(one).status for one in messages] == ["DELIVERED"] * 19 + ["UNDELIVERED"]
    assert here.cast.balance == 200  # what was refunded is never charged again
    assert [[json.loads(one.body)["status"] for one in told(message)] for message in messages[18:]] == [
        ["UNDELIV", "DELIVRD"],
        ["UNDELIV", "UNDELIV"],
    ]
    assert set(Receipt.objects.values_list("state", flat=True)) == {"MATCHED"}


def test_refunds_follow_receipts_that_come_home():
    here = carrier(account={"charge_on": "delivery"})
    here.report(here.take(20), state=MessageState.UNDELIVERABLE)
    assert here.cast.balance == 180
    heal(proposed(here), actor=ANN)
    assert (here.states(), here.cast.balance) == ({"UNDELIVERED"}, 200)


def test_of_two_receipts_of_a_message_the_first_settles_it_when_both_come_home():
    here = carrier()
    messages = here.take(20)
    here.report(messages)
    here.report(messages, state=MessageState.UNDELIVERABLE, err="011")
    heal(proposed(here), actor=ANN)
    assert here.states() == {"DELIVERED"}
    assert {len(told(one)) for one in messages} == {1}


def test_receipts_of_another_carrier_account_are_never_looked_at_or_touched():
    here, there = carrier(), carrier()
    here.report(here.take(12))
    there.report(there.take(12))  # the same ids and numbers
    assert proposed(here) is None and proposed(there) is None
    here.report(here.take(8))
    heal(proposed(here), actor=ANN)
    assert (here.states(), there.states()) == ({"DELIVERED"}, {"SUBMITTED"})
    assert (here.connector.id_rule, there.connector.id_rule) == ("hex_to_dec", "as_is")
    assert Receipt.objects.filter(state="PARKED").count() == 12


def test_all_connectors_of_a_carrier_account_are_one():
    here = carrier(carrier_account="acme")
    other = make_connector(carrier_account="acme")
    lease = leases.acquire(other.pk, 1, "another")
    receipts_line = Line(other.pk, lease.fence)
    messages = here.take(20)
    receipts_line.hear(*(receipt(report_dec(n), recipient=one.recipient) for n, one in enumerate(messages)))
    heal(proposed(here), actor=ANN)
    assert here.states() == {"DELIVERED"}
    assert rules() == {"hex_to_dec"}


def test_keys_that_are_stale_because_somebody_changed_the_rule_by_hand_are_found_and_written_anew():
    here = carrier()
    messages = here.take(20)
    Connector.objects.update(id_rule="hex_to_dec")
    forget_snapshots()
    here.report(messages)
    found = proposed(here)
    assert (found.rule, found.before) == ("hex_to_dec", "hex_to_dec")
    heal(found, actor=ANN)
    assert here.states() == {"DELIVERED"}


def test_a_rejected_rule_is_proposed_again_only_when_the_evidence_is_another():
    here = carrier()
    here.report(here.take(20))
    found = proposed(here)
    doctor.reject(found, actor=ANN)
    assert doctor.reject(found, actor=ANN).decided_by == "ann"
    assert (rules(), here.states()) == ({"as_is"}, {"SUBMITTED"})
    assert AuditEntry.objects.get().action == "reject"
    here.report(here.take(79))
    assert proposed(here) is None
    here.report(here.take(1))
    again = proposed(here)
    assert (again.agreeing, again.pk != found.pk) == (100, True)
    with pytest.raises(doctor.AlreadyDecided):
        doctor.accept(found, actor=ANN)
    assert rules() == {"as_is"}


def test_a_rejected_rule_is_proposed_again_when_the_ids_have_another_form():
    here = carrier()
    here.report(here.take(20))
    doctor.reject(proposed(here), actor=ANN)
    here.report(here.take(20, lambda n: f"{answer_hex(n).upper()}"))
    assert proposed(here).answer_format == "hex"


def test_a_proposal_is_withdrawn_when_the_receipts_say_so_no_longer():
    here = carrier()
    here.report(here.take(20))
    found = proposed(here)
    Receipt.objects.all().delete()
    assert proposed(here) is None
    found.refresh_from_db()
    assert found.state == "WITHDRAWN"
    with pytest.raises(doctor.AlreadyDecided):
        doctor.accept(found, actor=ANN)
    assert rules() == {"as_is"}


def test_coming_home_ends_when_somebody_sets_another_rule(monkeypatch):
    here = carrier()
    here.report(here.take(20))
    heal(proposed(here), actor=ANN)
    assert IdRuleProposal.objects.get().rehoming
    Connector.objects.update(id_rule="casefold")
    forget_snapshots()
    monkeypatch.setattr(rehoming, "GRACE", timedelta(0))
    doctor.look_over()
    assert not IdRuleProposal.objects.get().rehoming


def test_coming_home_takes_passes_of_a_bounded_size(monkeypatch):
    monkeypatch.setattr(rehoming, "PASS", 7)
    here = carrier()
    here.report(here.take(23))
    assert heal(proposed(here), actor=ANN) == 23
    assert here.states() == {"DELIVERED"}


def test_a_job_without_time_left_asks_for_another():
    here = carrier()
    here.report(here.take(20))
    with recorder():
        accepted = doctor.accept(proposed(here), actor=ANN)
    assert doctor.rehome(accepted, budget=0) == (0, False)
    assert here.states() == {"SUBMITTED"}


def test_an_account_whose_receipts_all_meet_costs_two_short_looks():
    here = carrier()
    here.report(here.take(30), answer_hex)
    assert here.states() == {"DELIVERED"}
    account = here.account
    with CaptureQueriesContext(connection) as queries:
        assert doctor.propose(account) is None
    assert len(queries) == 3, [query["sql"] for query in queries]  # the clock, the open proposal, the probe


def test_a_parked_receipt_whose_text_names_the_true_id_finds_its_part_by_it():
    """TLV and text differ, and the answer is committed after the receipt came."""
    here = carrier()
    pdu = receipt("the-tlv", recipient="971500000000").replace(b"id:the-tlv", b"id:thetext")
    here.line.hear(pdu)
    assert Receipt.objects.get().provider_id == "the-tlv"
    [message] = here.take(1, lambda n: "thetext")
    Receipt.objects.update(next_try_at=past())
    assert sweep.rematch_parked() == 1
    assert part_of(message).status == Status.DELIVERED


def test_the_command_tells_decides_and_says_by_its_status_what_is_left_to_do():
    here = carrier()
    here.report(here.take(20))
    status, told_ = command(here.account)
    assert status == 1  # nobody decided
    assert "20 messages agree on hex_to_dec" in told_
    assert "answers hex, small letters; receipts decimal" in told_
    assert "UTC+00:00" in told_ and "10 digits in 20" in told_
    assert f"{answer_hex(0)}  <->  {report_dec(0)}  (…0000)" in told_
    assert "97150000" not in told_
    status, told_ = command("--accept", here.account)
    assert (status, told_.strip()) == (0, f"carrier_account: {here.account}, rule: hex_to_dec, rehomed: 20")
    forget_snapshots()
    assert here.states() == {"DELIVERED"}
    status, told_ = command(here.account, "--json")
    [facts] = json.loads(told_)["accounts"]
    assert (status, facts["unmatched"], facts["verdict"]) == (0, 0, "every receipt has its message")
    assert (facts["rules"], facts["proposal"]) == ({here.connector.name: "hex_to_dec"}, None)
    assert facts["clock"]["zone"] == 0


def test_receipts_that_came_over_a_line_of_another_account_are_told_to_belong_there():
    """Two lines with one login, not told to be one carrier account: the carrier reports over either bind."""
    here, strange = carrier(), carrier()
    messages = here.take(20)
    pdus = [receipt(answer_hex(n), recipient=f"+{message.recipient}") for n, message in enumerate(messages)]
    strange.line.hear(*pdus)
    status, told_ = command(strange.account)
    assert status == 1
    assert f"20 are for messages of {here.connector.name}: if it is one login" in told_
    assert "the same carrier_account" in told_
    assert "are for messages of" not in command(here.account)[1]


def test_equal_ids_to_other_numbers_are_no_messages_of_another_line():
    here, strange = carrier(), carrier()
    here.take(20)
    strange.line.hear(*(receipt(answer_hex(n), recipient=f"+9719{n:08d}") for n in range(20)))
    assert doctor.examine(strange.account).elsewhere == {}


def test_the_command_refuses_what_cannot_be_decided():
    here = carrier()
    here.report(here.take(20))
    assert command("--reject", here.account)[0] == 0
    for arguments, words in [
        (("--accept", here.account), "nothing is proposed; hex_to_dec was rejected by dlr_doctor at 20"),
        (("--accept", "nobody"), "no connector has the carrier account nobody"),
        (("nobody",), "no connector"),
    ]:
        with pytest.raises(CommandError, match=words) as refused:
            command(*arguments)
        assert refused.value.returncode == 2
    assert (rules(), here.states()) == ({"as_is"}, {"SUBMITTED"})


def test_a_carrier_in_another_zone_is_told_from_its_dates():
    here = carrier()
    here.report(here.take(20), answer_hex, done=now() + timedelta(hours=4))
    clock = doctor.examine(here.account).clock
    assert (clock.zone, clock.digits) == (14_400, {10: 20})
    assert -90 < clock.drift <= 1


def test_messages_that_went_over_another_connector_because_no_id_met_are_evidence_and_are_settled_by_their_first_copy():
    here, second = carrier(receipt_timeout=30), make_connector()
    messages = here.take(20, hops=(here.line.connector_id, second.pk))
    here.report(messages)
    Part.objects.update(uncertain_until=past())
    assert failover.resend_without_receipt() == 20
    assert here.states() == {"QUEUED"} and Attempt.objects.count() == 20
    proposal = proposed(here)
    assert proposal is not None and (proposal.rule, proposal.agreeing) == ("hex_to_dec", 20)
    assert heal(proposal, actor=ANN) == 20
    assert here.states() == {"DELIVERED"}
    assert not Receipt.objects.filter(part_id=None).exists()
