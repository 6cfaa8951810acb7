from typing import Any

from django.contrib import admin
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest

from accounts import services
from accounts.admin.log import actor_of
from accounts.models import Account, Group
from common.staff import GatewayAdmin
from common.unfold import AutocompleteSelectFilter, ChoicesDropdownFilter, display


@admin.register(Group)
class GroupAdmin(GatewayAdmin):
    """Groups of accounts (S0-80)."""

    list_display = ("name", "account_count")
    search_fields = ("name__istartswith",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).annotate(_accounts=Count("accounts"))

    @display(description="accounts")
    def account_count(self, group: Any) -> int:
        return group._accounts


@admin.register(Account)
class AccountAdmin(GatewayAdmin):
    """Enterprise accounts (S0-81 … S0-83); credits, routing and senders are added by the packages that own them."""

    list_display = ("name", "company", "group", "tps", "status", "created_at")
    columns_at = 3
    list_select_related = ("group",)
    list_filter = (
        "active",
        ("billing_mode", ChoicesDropdownFilter),
        ("over_limit", ChoicesDropdownFilter),
        ("group", AutocompleteSelectFilter),
    )
    search_fields = ("name__istartswith", "company__istartswith", "email__istartswith")
    autocomplete_fields = ("parent", "group")
    readonly_fields = ("created_at",)
    actions = ("suspend", "resume")
    fieldsets = (
        (None, {"fields": ("name", "company", "email", "phone", "group", "parent", "active")}),
        ("Money", {"fields": ("billing_mode", "charge_on")}),
        ("Limits", {"fields": ("tps", "daily_limit", "over_limit", "max_parts", "ip_whitelist")}),
        ("Senders and reports", {"fields": ("sender_policy", "default_sender", "intermediate_dlr", "mask_connector")}),
        ("Place", {"fields": ("time_zone", "language", "created_at")}),
    )

    @display(description="status", label={"active": "success", "suspended": "danger"})
    def status(self, account: Account) -> str:
        return "active" if account.active else "suspended"

    def create(self, request: HttpRequest, form: Any) -> Model:
        return services.create_account(actor=actor_of(request), **form.cleaned_data)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Messages and ledger name their account for ever: accounts are suspended, not deleted."""
        return False

    @admin.action(description="Suspend: refuse every credential")
    def suspend(self, request: HttpRequest, queryset: QuerySet[Account]) -> None:
        chosen = list(queryset.filter(active=True))
        for account in chosen:
            services.suspend(account=account, actor=actor_of(request))
        self.tell(request, chosen, "suspended")

    @admin.action(description="Resume")
    def resume(self, request: HttpRequest, queryset: QuerySet[Account]) -> None:
        chosen = list(queryset.filter(active=False))
        for account in chosen:
            services.resume(account=account, actor=actor_of(request))
        self.tell(request, chosen, "resumed")
