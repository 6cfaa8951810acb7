from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest

from accounts.models import Account, SmppClient
from common.phone import InvalidSender, check_sender
from common.staff import Column, GatewayAdmin, extend_list
from common.unfold import AutocompleteSelectFilter, TabularInline, display
from routing import services
from routing.models import MtRoute, ProfileAssignment, RouteConnector, RoutingProfile, SenderId


class SenderForm(forms.ModelForm):
    """Senders are kept as requests will spell them."""

    sender_field = "sender"

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if values.get(self.sender_field):
            try:
                values[self.sender_field] = check_sender(values[self.sender_field])
            except InvalidSender as error:
                raise ValidationError({self.sender_field: str(error)}) from error
        return values


class SenderIdForm(SenderForm):
    sender_field = "value"


class RouteForm(SenderForm):
    """A rate is what a customer pays: never negative."""

    rate = forms.DecimalField(min_value=0, max_digits=12, decimal_places=6, initial=0)


class _OfTheRoute(TabularInline):
    """Inline whose page has asked for permission already."""

    extra = 1

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    has_add_permission = has_change_permission = has_delete_permission = has_view_permission


class HopInline(_OfTheRoute):
    """Connectors in the order in which they are tried."""

    model = RouteConnector
    autocomplete_fields = ("connector",)


@admin.register(RoutingProfile)
class RoutingProfileAdmin(GatewayAdmin):
    """Routing Profiles (S0-61)."""

    form = SenderForm
    list_display = ("name", "active", "is_default", "sender", "route_count", "assignment_count", "created_at")
    list_filter = ("active", "is_default")
    search_fields = ("name__istartswith",)
    readonly_fields = ("is_default", "created_at")
    fields = ("name", "active", "sender", "is_default", "created_at")
    actions = ("make_default",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RoutingProfile]:
        counts = {"_routes": Count("routes", distinct=True), "_assigned": Count("assignments", distinct=True)}
        return super().get_queryset(request).annotate(**counts)

    @display(description="routes")
    def route_count(self, profile: Any) -> int:
        return int(profile._routes)

    @display(description="assigned")
    def assignment_count(self, profile: Any) -> int:
        return int(profile._assigned)

    @admin.action(description="Make the default (choose one)")
    def make_default(self, request: HttpRequest, queryset: QuerySet[RoutingProfile]) -> None:
        chosen = list(queryset[:2])
        if len(chosen) != 1:
            self.message_user(request, "Choose exactly one profile.", "error")
            return
        services.make_default(profile=chosen[0])
        self.log_change(request, chosen[0], "Made the default.")


@admin.register(MtRoute)
class MtRouteAdmin(GatewayAdmin):
    """MT routes: a prefix, a rate, connectors in order."""

    form = RouteForm
    list_display = ("profile", "shown_prefix", "order", "connectors", "sender", "rate", "active")
    list_display_links = ("profile", "shown_prefix")
    list_select_related = ("profile",)
    list_filter = ("active", ("profile", AutocompleteSelectFilter))
    search_fields = ("prefix__startswith", "profile__name__istartswith")
    autocomplete_fields = ("profile",)
    inlines = (HopInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[MtRoute]:
        return super().get_queryset(request).prefetch_related("hops__connector")

    @display(description="prefix")
    def shown_prefix(self, route: MtRoute) -> str:
        return route.prefix or "all"

    @display(description="connectors")
    def connectors(self, route: MtRoute) -> str:
        return ", ".join(hop.connector.name for hop in route.hops.all())


@admin.register(RouteConnector)
class RouteConnectorAdmin(GatewayAdmin):
    """Every use of a connector by a route."""

    list_display = ("route", "connector", "position")
    list_select_related = ("route__profile", "connector")
    search_fields = ("connector__name__istartswith", "route__prefix__startswith")
    list_filter = (("connector", AutocompleteSelectFilter),)
    autocomplete_fields = ("route", "connector")


@admin.register(ProfileAssignment)
class ProfileAssignmentAdmin(GatewayAdmin):
    """Which profile a customer or a credential uses."""

    list_display = ("profile", "account", "api_client", "smpp_client")
    list_select_related = ("profile", "account", "api_client", "smpp_client")
    list_filter = (("profile", AutocompleteSelectFilter),)
    search_fields = (
        "account__name__istartswith",
        "api_client__username__istartswith",
        "smpp_client__system_id__istartswith",
    )
    autocomplete_fields = ("profile", "account", "api_client", "smpp_client")


@admin.register(SenderId)
class SenderIdAdmin(GatewayAdmin):
    """Registered senders; without an account everybody may use one."""

    form = SenderIdForm
    list_display = ("value", "account", "active", "created_at")
    list_select_related = ("account",)
    list_filter = ("active", ("account", AutocompleteSelectFilter))
    search_fields = ("value__istartswith", "account__name__istartswith")
    autocomplete_fields = ("account",)
    fields = ("value", "account", "active")


def _senders() -> Any:
    """The number of an account's senders, one sub-query for the whole page."""
    mine = SenderId.objects.filter(account=OuterRef("pk"), active=True).order_by().values("account")
    return Coalesce(Subquery(mine.annotate(n=Count("pk")).values("n"), output_field=IntegerField()), 0)


@display(description="routing")
def _routing(row: Any) -> Any:
    assignment = getattr(row, "profile_assignment", None)
    return assignment.profile if assignment else "default"


@display(description="sender IDs")
def _sender_count(account: Any) -> int:
    return int(account._senders)


extend_list(
    Account,
    Column(_routing, related=("profile_assignment__profile",)),
    Column(_sender_count, annotations={"_senders": _senders()}),
)
extend_list(SmppClient, Column(_routing, related=("profile_assignment__profile",)))
