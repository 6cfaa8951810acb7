"""Whatever is charged, refunded, topped up and debited in whatever order, the books agree with a plain model."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.models import LedgerEntry
from billing.services import adjust, debit, set_terms, top_up
from common.errors import Rejected
from tests.support import cast
from tests.support.money import a_charge, a_refund, assert_money_is_exact, balance, charge_now, lines, refund_now

pytestmark = [pytest.mark.both, pytest.mark.django_db]

units = st.integers(1, 60_000)
who = st.integers(0, 1)
deeds = st.one_of(
    st.tuples(st.just("charge"), st.lists(st.tuples(who, units), min_size=1, max_size=4)),
    st.tuples(st.just("refund"), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=4)),
    st.tuples(st.just("top_up"), who, units, st.integers(0, 5)),
    st.tuples(st.just("debit"), who, units),
    st.tuples(st.just("adjust"), who, st.integers(-60_000, 60_000).filter(bool)),
    st.tuples(st.just("terms"), who, st.booleans(), st.integers(0, 50_000)),
)


def credits(count: int) -> Decimal:
    return Decimal(count).scaleb(-4)


class Model:
    """Balances in units, by the rules and nothing else."""

    def __init__(self) -> None:
        self.accounts = [cast.make_account(credits="10"), cast.make_account(credits="0", credit_limit="2")]
        self.balances, self.limits, self.unlimited = [100_000, 0], [0, 20_000], [False, False]
        self.paid: list = []
        self.refunded: set = set()
        self.forms: dict = {}
        self.serial = 0

    def nonce(self) -> str:
        self.serial += 1
        return f"n{self.serial}"

    def fits(self, i: int, amount: int) -> bool:
        return self.unlimited[i] or self.balances[i] - amount >= -self.limits[i]

    def charge(self, wanted) -> None:
        items = [(i, amount, a_charge(self.accounts[i], str(credits(amount)))) for i, amount in wanted]
        totals = [sum(amount for j, amount, _ in items if j == i) for i in (0, 1)]
        short = {i for i, _, _ in items if not self.fits(i, totals[i])}
        assert charge_now(*(item for _, _, item in items)) == {self.accounts[i].pk for i in short}
        for i, amount, item in items:
            if i not in short:
                self.balances[i] -= amount
                self.paid.append((i, amount // 4, item))

    def refund(self, wanted) -> None:
        """Parts 0 … 3 of a charge are a quarter of it each."""
        if not self.paid:
            return
        asked, expected = [], set()
        for nth, seq in wanted:
            i, amount, item = self.paid[nth % len(self.paid)]
            part = LedgerEntry._meta.pk.to_python(f"{item.ledger_id.hex[:31]}{seq}")
            asked.append(a_refund(item, str(credits(amount)), part=part))
            if part not in self.refunded and amount:
                self.balances[i] += amount
                self.refunded.add(part)
                expected.add(part)
        assert refund_now(*asked) == expected

    def top_up(self, i: int, amount: int, form: int) -> None:
        first = self.forms.setdefault((i, form), amount)
        try:
            top_up(account=self.accounts[i], amount=credits(amount), nonce=f"form{form}", actor="model")
            assert first == amount
        except Rejected as refusal:
            assert (refusal.code, first != amount) == ("idempotency_conflict", True)
        if (i, form, "done") not in self.forms:
            self.forms[i, form, "done"] = True
            self.balances[i] += amount

    def debit(self, i: int, amount: int) -> None:
        self._by_hand(i, -amount, debit, credits(amount))

    def adjust(self, i: int, amount: int) -> None:
        self._by_hand(i, amount, adjust, credits(amount))

    def _by_hand(self, i: int, change: int, deed, amount: Decimal) -> None:
        fits = change > 0 or self.fits(i, -change)
        try:
            deed(account=self.accounts[i], amount=amount, nonce=self.nonce(), actor="model", description="x")
            assert fits
            self.balances[i] += change
        except Rejected as refusal:
            assert (refusal.code, fits) == ("no_credit", False)

    def terms(self, i: int, unlimited: bool, limit: int) -> None:
        fits = unlimited or self.balances[i] >= -limit
        try:
            set_terms(account=self.accounts[i], unlimited=unlimited, credit_limit=credits(limit))
            assert fits
            self.unlimited[i], self.limits[i] = unlimited, limit
        except Rejected:
            assert not fits

    def check(self) -> None:
        assert [balance(account) for account in self.accounts] == [credits(count) for count in self.balances]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(deeds, min_size=1, max_size=15))
def test_any_sequence_of_movements_keeps_every_invariant(sequence):
    model = Model()
    for name, *arguments in sequence:
        getattr(model, name)(*arguments)
        model.check()
    assert_money_is_exact()
    for account in model.accounts:
        for entry in lines(account):
            moved = entry.amount if entry.credit == "customer" else -entry.amount
            assert entry.after - entry.before == moved
