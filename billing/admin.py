from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, Q
from django.http import HttpRequest

from accounts.models import Account, ApiClient
from billing import services
from billing.models import ClientSpending, LedgerEntry, LedgerSeal, Wallet
from common.errors import Rejected
from common.staff import Column, GatewayAdmin, ReadOnlyAdmin, TrafficAdmin, after_creation, extend_list, same_id
from common.staff.lists import Since
from common.unfold import AutocompleteSelectFilter, ChoicesDropdownFilter, display


class WalletForm(forms.ModelForm):
    """How far a balance may go; the balance itself moves by billing.services only."""

    def clean_credit_limit(self) -> Any:
        limit = self.cleaned_data["credit_limit"]
        if limit < 0:
            raise ValidationError("A credit limit is not negative.")
        return limit

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        limit, balance = values.get("credit_limit"), self.instance.balance
        if self.instance.pk and limit is not None and not values.get("unlimited") and balance < -limit:
            raise ValidationError({"credit_limit": f"The balance is {balance} already."})
        return values


@admin.register(Wallet)
class WalletAdmin(GatewayAdmin):
    """Wallet accounts (S0-87): balances to read, terms to change; movements are made by billing.services."""

    form = WalletForm
    list_display = ("account", "company", "balance", "credit_limit", "mode", "currency")
    list_select_related = ("account",)
    list_filter = ("unlimited",)
    search_fields = ("account__name__istartswith", "account__company__istartswith")
    ordering = ("account__name",)
    autocomplete_fields = ("account",)
    fields = ("account", "balance", "unlimited", "credit_limit", "currency")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return ("balance", "currency") if obj is None else ("account", "balance", "currency")

    @display(description="company")
    def company(self, wallet: Wallet) -> str:
        return wallet.account.company

    @display(description="mode", label={"prepaid": "info", "postpaid": "warning", "unlimited": "success"})
    def mode(self, wallet: Wallet) -> str:
        if wallet.unlimited:
            return "unlimited"
        return "postpaid" if wallet.credit_limit else "prepaid"

    def create(self, request: HttpRequest, form: Any) -> Model | None:
        return None

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The balance is never written from here: the row in hand may be older than the last charge."""
        if not change:
            opened = services.open_wallet(account=obj.account, unlimited=obj.unlimited, credit_limit=obj.credit_limit)
            obj.__dict__.update(opened.__dict__)
            return
        form.before = {name: Wallet.objects.values_list(name, flat=True).get(pk=obj.pk) for name in form.changed_data}
        try:
            fresh = services.set_terms(account=obj.account, unlimited=obj.unlimited, credit_limit=obj.credit_limit)
        except Rejected as refusal:
            # The balance moved between the form's check and the lock.
            self.message_user(request, f"Nothing was changed: {refusal.message}", "error")
            form.before = {}
            fresh = Wallet.objects.get(pk=obj.pk)
        obj.__dict__.update(fresh.__dict__)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(LedgerEntry)
class LedgerEntryAdmin(TrafficAdmin):
    """Transaction ledger (S0-88): append-only."""

    list_display = (
        "created_at",
        "account",
        "reason",
        "amount",
        "before",
        "after",
        "description",
        "source",
        "actor",
        "reference",
        "key",
    )
    list_select_related = ("account",)
    list_filter = (Since, ("account", AutocompleteSelectFilter), ("reason", ChoicesDropdownFilter))
    search_help_text = "Key, reference or id of an entry, exactly"

    def exactly(self, term: str) -> Q | None:
        """By key or reference (both indexed), or by id."""
        by_word = Q(key=term) | Q(reference=term)
        by_id = same_id("pk", term)
        return by_word if by_id is None else by_word | by_id


@admin.register(ClientSpending)
class ClientSpendingAdmin(ReadOnlyAdmin):
    """What clients with a spending cap have used."""

    list_display = ("api_client", "spent", "cap")
    list_select_related = ("api_client",)
    search_fields = ("api_client__username__istartswith",)
    ordering = ("api_client__username",)

    @display(description="cap")
    def cap(self, spending: ClientSpending) -> Any:
        return spending.api_client.spending_cap


@admin.register(LedgerSeal)
class LedgerSealAdmin(ReadOnlyAdmin):
    """Closed days of the ledger."""

    list_display = ("day", "entries", "head", "created_at")
    ordering = ("-day",)


@display(description="credits")
def _credits(account: Any) -> Any:
    wallet = getattr(account, "wallet", None)
    if wallet is None:
        return None
    return "unlimited" if wallet.unlimited else wallet.balance


@display(description="credits")
def _clients_credits(client: Any) -> Any:
    return _credits(client.account)


def _open(request: HttpRequest, account: Account, *, credits: Decimal | None = None, unlimited: bool = False) -> None:
    """A wallet for the new account, with the credits that the form gave it to start with."""
    services.open_wallet(account=account, unlimited=unlimited)
    if credits:
        actor = request.user.get_username()
        services.top_up(account=account, amount=credits, nonce="opening", actor=actor, description="Opening")


extend_list(Account, Column(_credits, related=("wallet",)))
extend_list(ApiClient, Column(_clients_credits, related=("account__wallet",)))
after_creation(Account, _open)
