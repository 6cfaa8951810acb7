from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from common.staff import Deed, GatewayAdmin, ReadOnlyAdmin
from common.staff.extensions import record
from common.unfold import ChoicesDropdownFilter, TabularInline, display
from connectors import services
from connectors.models import AnswerCount, BindLease, BindState, Connector, ConnectorProfile, CredentialCheck, Desired

BOUND = {"all": "success", "some": "warning", "none": "danger", "closed": "info"}
STATE = {"bound": "success", "connecting": "info", "waiting": "danger", "refused": "danger", "stopped": "warning"}
STATUS = {"started": "success", "stopped": "warning", "draining": "info", "drained": "warning", "off": "danger"}


class ConnectorProfileInline(TabularInline):
    """What the line costs (S0-48)."""

    model = ConnectorProfile
    extra = 1
    max_num = 1
    can_delete = False
    hide_title = True  # the section says it

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
    columns_at = -2  # before what was last
    list_filter = (("kind", ChoicesDropdownFilter), "active", ("desired", ChoicesDropdownFilter))
    list_select_related = ("profile",)
    search_fields = ("name__istartswith", "provider__istartswith", "host__istartswith", "system_id__istartswith")
    nothing_yet = "No connectors yet. Add the line to a carrier."
    secret_lines = ("tls_key",)
    line_lists = {"more_hosts": "Further hosts of the same carrier, one a line: host or host:port. Binds share them."}
    help_texts = {
        "failover_after": "Seconds without a bind after which what waits goes to the route's next connector; 0: never.",
        "receipt_timeout": "Seconds without a receipt after which a message is sent once more, over the route's next "
        "connector; 0: never.",
        "interface_version": "51 (3.3), 52 (3.4) or 80 (5.0)",
        "window": "submit_sm that one bind leaves unanswered",
        "source_npi": "-1: by the address",
        "uncertain_policy": 'What was sent and not answered, by lane: {"otp": "resend", "bulk": "hold"}',
    }
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
                    ("service_type", "id_rule"),
                    ("default_alphabet", "long_messages"),
                    "dlr_parts",
                    ("source_ton", "source_npi"),
                    ("dest_ton", "dest_npi"),
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
                    ("connect_timeout", "bind_timeout"),
                    ("enquire_link_interval", "enquire_link_timeout"),
                    ("response_timeout", "inactivity_timeout"),
                    ("pdu_read_timeout", "reconnect_max"),
                    "created_at",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connector]:
        return super().get_queryset(request).prefetch_related("states")

    @display(description="bind", label=BOUND)
    def bind(self, connector: Connector) -> tuple[str, str]:
        """How many are bound, of how many; coloured when they ought to be."""
        bound = sum(state.state == "bound" for state in connector.states.all())
        open_ = connector.active and connector.desired in (Desired.STARTED, Desired.DRAINING)
        word = "none" if not bound else "all" if bound >= connector.binds else "some"
        return word if bound or open_ else "closed", f"{bound}/{connector.binds} {connector.bind_mode}"

    @display(description="status", label=STATUS)
    def status(self, connector: Connector) -> str:
        return connector.desired if connector.active else "off"

    @display(description="cost")
    def cost(self, connector: Connector) -> Any:
        profile = getattr(connector, "profile", None)
        return f"{profile.cost_per_message.normalize():f} {profile.currency}" if profile else None

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
        self._each(request, queryset, services.start, "started, binds open within seconds")

    @admin.action(description="Stop: close binds, messages wait")
    def stop(self, request: HttpRequest, queryset: QuerySet[Connector]) -> None:
        self._each(request, queryset, services.stop, "stopped, binds close once what was written is answered")

    @admin.action(description="Restart: close all binds and open them anew")
    def restart(self, request: HttpRequest, queryset: QuerySet[Connector]) -> None:
        self._each(request, queryset, services.restart, "restarted, binds close and open anew")

    @admin.action(description="Drain: no new messages, those that wait go out, then close binds")
    def drain(self, request: HttpRequest, queryset: QuerySet[Connector]) -> None:
        self._each(request, queryset, services.drain, "draining: no new messages, binds close when nothing waits")

    @admin.action(description="Switch on: a candidate of routing")
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Connector]) -> None:
        self._each(request, queryset, partial(services.switch, active=True), "switched on")

    @admin.action(description="Switch off: never a candidate of routing")
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Connector]) -> None:
        self._each(request, queryset, partial(services.switch, active=False), "switched off")

    def _each(self, request: HttpRequest, queryset: QuerySet[Connector], deed: Any, words: str) -> None:
        """Do it to each, and say to which; what makes no sense for one is said of that one."""
        done, refused = [], []
        for connector in queryset:
            try:
                self._told(request, connector, deed(connector=connector))
                done.append(connector)
            except services.NotStarted as error:
                refused.append(str(error))
        for words_ in refused:
            self.message_user(request, words_, messages.ERROR)
        if done or not refused:
            self.tell(request, done, words)

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

    nothing_yet = "No bind has reported yet: is `run_binds` running?"
    list_display = (
        "connector",
        "bind_no",
        "shown_state",
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
    list_filter = ("state",)
    search_fields = ("connector__name__istartswith",)
    ordering = ("connector", "bind_no")

    @display(description="state", label=STATE)
    def shown_state(self, bind: BindState) -> str:
        return bind.state


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
