"""HTTP API accounts, their keys, ESME accounts and webhooks."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts import services
from accounts.admin.log import actor_of
from accounts.admin.shown_once import Secret, shown_once
from accounts.credentials import SCOPES
from accounts.models import Account, ApiClient, ApiKey, SmppClient, WebhookEndpoint
from accounts.models.credentials import BIND_MODES, RECEIPT_OPTIONS
from common.money import LIMIT
from common.staff import GatewayAdmin, SecretField
from common.staff.extensions import created
from common.unfold import AutocompleteSelectFilter, display

STATUS = {"active": "success", "off": "danger", "suspended": "danger", "expired": "warning"}
EVENTS = ["dlr", "mo"]


def state_of(row: ApiClient | SmppClient) -> str:
    """Whether the credential works, in one word."""
    if not row.account.active:
        return "suspended"
    return "active" if row.active else "off"


class ClientForm(forms.ModelForm):
    """Adds the password, which is no field that people may edit."""

    new_password = SecretField(label="Password", help_text="Leave empty: drawn for a new client, kept for an old one.")

    def clean_new_password(self) -> str:
        plain = str(self.cleaned_data["new_password"])
        if plain:
            services.check_machine_password(type(self.instance), plain)
        return plain


class ClientAdmin(GatewayAdmin):
    """What both kinds of machine client share: password in, secrets shown once."""

    form = ClientForm
    list_select_related = ("account",)
    autocomplete_fields = ("account",)

    @display(description="status", label=STATUS)
    def status(self, client: Any) -> str:
        return state_of(client)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and form.cleaned_data.get("new_password"):
            form.before.pop("new_password", None)
            services.set_password(client=obj, password=form.cleaned_data["new_password"], actor=actor_of(request))

    def response_add(self, request: Any, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        onward = reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[obj.pk])
        return shown_once(self.admin_site, request, title=f"{obj} was created", secrets=request.secrets, onward=onward)


class ApiClientForm(ClientForm):
    """Without an account the client gets one of its own name (requirements 1C)."""

    account = forms.ModelChoiceField(Account.objects.all(), required=False)
    credits = forms.DecimalField(required=False, min_value=0, max_value=LIMIT, decimal_places=4)
    unlimited = forms.BooleanField(required=False, label="Unlimited credits")

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        wrong = self._wrong_without(values) if values.get("account") is None else self._wrong_with(values)
        if wrong:
            raise ValidationError(wrong)
        return values

    def _wrong_without(self, values: dict[str, Any]) -> dict[str, str]:
        if self.instance.pk:
            return {"account": "A client keeps an account."}
        if Account.objects.filter(name=values.get("username")).exists():
            return {"account": "An account of this name exists: choose it, or another user name."}
        return {}

    def _wrong_with(self, values: dict[str, Any]) -> dict[str, str]:
        """An account has its credits already; they are not given twice by way of a client."""
        given = [name for name in ("credits", "unlimited") if values.get(name)]
        return dict.fromkeys(given, "Only for a client without account; the account has credits of its own.")


@admin.register(ApiClient)
class ApiClientAdmin(ClientAdmin):
    """HTTP API Accounts (S0-109 … S0-113)."""

    nothing_yet = "No HTTP API accounts yet."
    form = ApiClientForm
    list_display = ("username", "description", "account", "rate_limit", "dlr_url", "status", "keys", "last_used_at")
    columns_at = 3
    list_filter = ("active", "url_credentials", ("account", AutocompleteSelectFilter))
    search_fields = ("username__istartswith", "account__name__istartswith")
    readonly_fields = ("last_used_at", "created_at")
    fieldsets = (
        (None, {"fields": ("username", "new_password", "description", "account", "active")}),
        ("Limits", {"fields": ("rate_limit", "daily_limit", "spending_cap", "ip_whitelist", "url_credentials")}),
        ("Messages", {"fields": ("default_sender", "traffic_class", "otp_allowed", "dlr_url", "webhook_secret")}),
        ("Use", {"fields": ("last_used_at", "created_at")}),
    )
    own_credits = (
        "Without an account",
        {
            "fields": ("credits", "unlimited"),
            "description": "The client gets an account of its own name, which begins with these credits.",
        },
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets if obj else (*self.fieldsets, self.own_credits)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiClient]:
        return super().get_queryset(request).prefetch_related("api_keys")

    @display(description="API key")
    def keys(self, client: ApiClient) -> str:
        return ", ".join(f"{key.prefix}…" for key in client.api_keys.all() if key.active)

    def create(self, request: Any, form: Any) -> Model:
        actor, values = actor_of(request), dict(form.cleaned_data)
        password, account = values.pop("new_password") or None, values.pop("account")
        wishes = {name: values.pop(name) for name in ("credits", "unlimited")}
        if account is None:
            client, plain = services.create_standalone_client(password=password, actor=actor, **values)
            created(request, client.account, **wishes)
        else:
            client, plain = services.create_api_client(account=account, password=password, actor=actor, **values)
        _, key = services.issue_key(client=client, name="first", actor=actor)
        request.secrets = [Secret("API key", key), *([] if password else [Secret("Password", plain)])]
        return client


@admin.register(SmppClient)
class SmppClientAdmin(ClientAdmin):
    """ESME / SMPP Client Accounts (S0-108)."""

    nothing_yet = "No ESME accounts yet. Add one to allow SMPP client binds."
    list_display = ("system_id", "account", "max_binds", "addresses", "tps", "window", "status", "created_at")
    columns_at = 2
    list_filter = ("active", ("account", AutocompleteSelectFilter))
    search_fields = ("system_id__istartswith", "account__name__istartswith")
    readonly_fields = ("created_at",)
    code_lists = {"bind_modes": list(BIND_MODES), "receipt_options": list(RECEIPT_OPTIONS)}
    fieldsets = (
        (None, {"fields": ("system_id", "new_password", "account", "active")}),
        ("Limits", {"fields": ("max_binds", "bind_modes", "tls_only", "ip_whitelist", "tps", "window")}),
        ("Session", {"fields": ("deliver_window", "enquire_link_seconds", "inactivity_seconds")}),
        ("Messages", {"fields": ("default_sender", "traffic_class", "otp_allowed", "default_alphabet")}),
        ("Receipts", {"fields": ("id_style", "receipt_options", "created_at")}),
    )

    @display(description="IP whitelist")
    def addresses(self, client: SmppClient) -> str:
        return ", ".join(client.ip_whitelist) or "all"

    def create(self, request: Any, form: Any) -> Model:
        values = dict(form.cleaned_data)
        password = values.pop("new_password") or None
        client, plain = services.create_smpp_client(password=password, actor=actor_of(request), **values)
        request.secrets = [] if password else [Secret("Password", plain)]
        return client


@admin.register(ApiKey)
class ApiKeyAdmin(GatewayAdmin):
    """API Keys (S0-96): issued, rotated and revoked; their text is shown once."""

    nothing_yet = "No API keys generated."
    list_display = ("name", "shown_prefix", "account", "api_client", "status", "last_used_at", "created_at")
    list_select_related = ("account", "api_client")
    list_filter = ("active", ("account", AutocompleteSelectFilter))
    search_fields = ("prefix__exact", "name__istartswith", "api_client__username__istartswith")
    autocomplete_fields = ("api_client",)
    code_lists = {"scopes": sorted(SCOPES)}
    fields = ("api_client", "name", "scopes", "expires_at", "ip_whitelist")
    actions = ("revoke", "rotate")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.fields
        return (*self.fields, "active", "shown_prefix", "last_used_at", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else ("api_client", "shown_prefix", "last_used_at", "created_at")

    @display(description="key prefix")
    def shown_prefix(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @display(description="status", label=STATUS)
    def status(self, key: ApiKey) -> str:
        return services.state_of_key(key)

    def create(self, request: Any, form: Any) -> Model:
        values = dict(form.cleaned_data)
        key, plain = services.issue_key(client=values.pop("api_client"), actor=actor_of(request), **values)
        request.secrets = [Secret("API key", plain)]
        return key

    def response_add(self, request: Any, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        return self._shown(request, "The key was issued", request.secrets)

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        chosen = list(queryset.filter(active=True))
        for key in chosen:
            services.revoke_key(key=key, actor=actor_of(request))
        self.tell(request, chosen, "revoked")

    @admin.action(description="Rotate: a new key, the old one works for 24 hours")
    def rotate(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        secrets = []
        for key in queryset.select_related("api_client"):
            try:
                _, plain = services.rotate_key(key=key, actor=actor_of(request))
            except ValidationError as error:
                self.message_user(request, f"{key}: {' '.join(error.messages)}", messages.ERROR)
                continue
            secrets.append(Secret(f"API key in the place of {key}", plain))
        return self._shown(request, "New keys", secrets) if secrets else None

    def _shown(self, request: HttpRequest, title: str, secrets: list[Secret]) -> HttpResponse:
        onward = reverse("admin:accounts_apikey_changelist")
        return shown_once(self.admin_site, request, title=title, secrets=secrets, onward=onward)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(GatewayAdmin):
    """Webhooks (S0-97)."""

    nothing_yet = "Configure webhooks for DLR and MO notifications."
    list_display = ("name", "account", "url", "events", "status", "created_at")
    list_select_related = ("account",)
    list_filter = ("active", ("account", AutocompleteSelectFilter))
    search_fields = ("name__istartswith", "account__name__istartswith")
    autocomplete_fields = ("account",)
    code_lists = {"events": EVENTS}
    fields = ("account", "name", "url", "events", "secret", "active")

    @display(description="status", label=STATUS)
    def status(self, endpoint: WebhookEndpoint) -> str:
        return "active" if endpoint.active else "off"
