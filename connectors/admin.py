from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from common.staff import Deed, GatewayAdmin, ReadOnlyAdmin
from common.staff.extensions import record
from common.unfold import ChoicesDropdownFilter, TabularInline, display
from connectors import services
from connectors.models import AnswerCount, BindLease, BindState, Connector, ConnectorProfile, CredentialCheck

STATUS = {"started": "success", "stopped": "warning", "draining": "info", "drained": "warning", "off": "danger"}


class ConnectorProfileInline(TabularInline):
    """What the line costs (S0-48)."""

    model = ConnectorProfile
    extra = 1
    max_num = 1
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True  # the page has asked already

    has_add_permission = has_change_permission = has_view_permission


@admin.register(Connector)
class ConnectorAdmin(GatewayAdmin):
    """SMPP connectors (S0-43)."""

    list_display = (
        "name",
        "provider",
        "host",
        "port",
        "system_id",
        "bind",
        "status",
        "tps",
        "cost",
        "provider_balance",
        "window",
        "last_submit",
        "last_receipt",
    )
    list_filter = (("kind", ChoicesDropdownFilter), "active", ("desired", ChoicesDropdownFilter))
    list_select_related = ("profile",)
    search_fields = ("name__istartswith", "provider__istartswith", "host__istartswith", "system_id__istartswith")
    secret_lines = ("tls_key",)
    readonly_fields = ("created_at",)
    inlines = (ConnectorProfileInline,)
    actions = ("start", "stop", "restart", "drain", "switch_on", "switch_off")
    fieldsets = (
        (None, {"fields": ("name", "kind", "channel", "provider", "active", "desired", "carrier_account")}),
        ("Line", {"fields": ("host", "port", "more_hosts", "system_id", "password", "system_type", "address_range")}),
        ("Binds", {"fields": ("bind_mode", "binds", "window", "tps", "interface_version")}),
        ("Failover", {"fields": (("failover_after", "receipt_timeout"),)}),
        ("TLS", {"fields": ("use_tls", "tls_verify", "tls_server_name", "tls_ca", "tls_certificate", "tls_key")}),
        (
            "Messages",
            {
                "fields": (
                    ("service_type", "default_alphabet", "long_messages", "dlr_parts", "id_rule"),
                    ("source_ton", "source_npi", "dest_ton", "dest_npi"),
                    ("default_validity", "max_attempts"),
                    "tlv_dictionary",
                    "error_classes",
                    "uncertain_policy",
                )
            },
        ),
        (
            "Timers, seconds",
            {
                "fields": (
                    ("connect_timeout", "bind_timeout", "reconnect_max", "pdu_read_timeout"),
                    ("enquire_link_interval", "enquire_link_timeout", "response_timeout", "inactivity_timeout"),
                    "created_at",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connector]:
        return super().get_queryset(request).prefetch_related("states")

    @display(description="bind")
    def bind(self, connector: Connector) -> str:
        states = [state.state for state in connector.states.all()]
        return f"{states.count('bound')}/{connector.binds} {connector.bind_mode}"

    @display(description="status", label=STATUS)
    def status(self, connector: Connector) -> str:
        return connector.desired if connector.active else "off"

    @display(description="cost")
    def cost(self, connector: Connector) -> Any:
        profile = getattr(connector, "profile", None)
        return f"{profile.cost_per_message} {profile.currency}" if profile else None

    @display(description="balance")
    def provider_balance(self, connector: Connector) -> Any:
        return getattr(getattr(connector, "profile", None), "current_provider_balance", None)

    @display(description="last submit")
    def last_submit(self, connector: Connector) -> Any:
        return max((s.last_submit_at for s in connector.states.all() if s.last_submit_at), default=None)

    @display(description="last DLR")
    def last_receipt(self, connector: Connector) -> Any:
        return max((s.last_receipt_at for s in connector.states.all() if s.last_receipt_at), default=None)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Queues are named after connectors: the name is given once."""
        return self.readonly_fields if obj is None else (*self.readonly_fields, "name")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Parts and receipts name their connector for ever: lines are switched off, not deleted."""
        return False

    @admin.action(description="Start: open binds")
    def start(self, request: HttpRequest, queryset: QuerySet[Connector]) -> None:
        for connector in queryset:
            self._told(request, connector, services.start(connector=connector))

    @admin.action(description="Stop: close binds, messages wait")
    def stop(self, request: HttpRequest, queryset: QuerySet[Connector]) -> None:
        for connector in queryset:
            self._told(request, connector, services.stop(connector=connector))

    @admin.action(description="Restart: close all binds and open them anew")
    def restart(self, request: HttpRequest, queryset: QuerySet[Connector]) -> None:
        self._if_started(request, queryset, services.restart)

    @admin.action(description="Drain: no new messages, those that wait go out, then close binds")
    def drain(self, request: HttpRequest, queryset: QuerySet[Connector]) -> None:
        self._if_started(request, queryset, services.drain)

    def _if_started(self, request: HttpRequest, queryset: QuerySet[Connector], deed: Any) -> None:
        for connector in queryset:
            try:
                self._told(request, connector, deed(connector=connector))
            except services.NotStarted as error:
                self.message_user(request, str(error), messages.ERROR)

    @admin.action(description="Switch on: a candidate of routing")
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Connector]) -> None:
        for connector in queryset:
            self._told(request, connector, services.switch(connector=connector, active=True))

    @admin.action(description="Switch off: never a candidate of routing")
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Connector]) -> None:
        for connector in queryset:
            self._told(request, connector, services.switch(connector=connector, active=False))

    def _told(self, request: HttpRequest, old: Connector, new: Connector) -> None:
        before, after = (
            {name: getattr(row, name) for name in ("active", "desired", "generation")} for row in (old, new)
        )
        record(Deed(request, "change", new, before, after))


@admin.register(ConnectorProfile)
class ConnectorProfileAdmin(GatewayAdmin):
    """Cost, balance and limits of connectors (S0-48)."""

    list_display = ("connector", "cost_per_message", "currency", "current_provider_balance", "monthly_limit")
    list_select_related = ("connector",)
    search_fields = ("connector__name__istartswith",)
    autocomplete_fields = ("connector",)


@admin.register(BindState)
class BindStateAdmin(ReadOnlyAdmin):
    """What the binds say of themselves."""

    list_display = (
        "connector",
        "bind_no",
        "state",
        "since",
        "host",
        "window_used",
        "rate",
        "ceiling",
        "probe_ms",
        "submitted",
        "last_submit_at",
        "last_receipt_at",
        "last_error",
        "updated_at",
    )
    list_select_related = ("connector",)
    search_fields = ("connector__name__istartswith",)
    ordering = ("connector", "bind_no")


@admin.register(BindLease)
class BindLeaseAdmin(ReadOnlyAdmin):
    """Which process holds which bind."""

    list_display = ("connector", "bind_no", "owner", "fence", "expires_at")
    list_select_related = ("connector",)
    search_fields = ("connector__name__istartswith",)
    ordering = ("connector", "bind_no")


@admin.register(CredentialCheck)
class CredentialCheckAdmin(ReadOnlyAdmin):
    """Whether carriers take our credentials."""

    list_display = (
        "connector",
        "refusals",
        "last_status",
        "refused_by",
        "last_refused_at",
        "next_try_at",
        "verified_at",
    )
    list_select_related = ("connector",)
    search_fields = ("connector__name__istartswith",)
    ordering = ("connector",)


@admin.register(AnswerCount)
class AnswerCountAdmin(ReadOnlyAdmin):
    """What carriers answered in the last 24 hours, by minute."""

    list_display = ("connector", "minute", "command_status", "count")
    list_select_related = ("connector",)
    search_fields = ("connector__name__istartswith",)
    ordering = ("-minute", "connector")
