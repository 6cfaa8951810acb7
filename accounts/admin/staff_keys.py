"""Staff keys: issued and revoked; their text is shown once."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts import staff_keys
from accounts.admin.log import actor_of
from accounts.admin.machines import STATUS
from accounts.admin.shown_once import Secret, shown_once
from accounts.models import Role, StaffKey, User
from accounts.services import state_of_key
from common.clock import utc_now
from common.staff import GatewayAdmin
from common.unfold import display


@admin.register(StaffKey)
class StaffKeyAdmin(GatewayAdmin):
    """Keys for X-Staff-Key. A key acts in its person's name: only superadmins deal with keys of others."""

    nothing_yet = "No staff keys yet. Add one to let a machine look or operate in your name."
    list_display = ("name", "shown_prefix", "user", "scopes", "status", "expires_at", "last_used_at", "created_at")
    list_select_related = ("user",)
    list_filter = ("active",)
    search_fields = ("prefix__exact", "name__istartswith", "user__username__istartswith")
    code_lists = {"scopes": list(staff_keys.STAFF_SCOPES)}
    fields = ("user", "name", "scopes", "expires_at", "ip_whitelist")
    actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.fields
        return (*self.fields, "active", "shown_prefix", "last_used_at", "created_at")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A key of one's own that ends by itself, as `manage.py staff_key create` makes them."""
        ends = (utc_now() + timedelta(days=staff_keys.DAYS)).replace(microsecond=0)
        return {"user": request.user.pk, "expires_at": ends, **super().get_changeform_initial_data(request)}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else ("user", "shown_prefix", "last_used_at", "created_at")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        staff = User.objects.filter(role__in=(Role.SUPERADMIN, Role.ADMIN)).order_by("username")
        kwargs["queryset"] = staff if request.user.is_superuser else staff.filter(username=request.user.get_username())
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @display(description="key prefix")
    def shown_prefix(self, key: StaffKey) -> str:
        return f"{key.prefix}…"

    @display(description="status", label=STATUS)
    def status(self, key: StaffKey) -> str:
        return state_of_key(key) if staff_keys.may_hold_keys(key.user) else "off"

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and _own(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _own(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[StaffKey]) -> None:
        """Only those that the person may delete one by one."""
        for key in queryset:
            if self.has_delete_permission(request, key):
                self.delete_model(request, key)

    def create(self, request: Any, form: Any) -> Model:
        key, plain = staff_keys.issue_staff_key(actor=actor_of(request), **form.cleaned_data)
        request.secrets = [Secret("Staff key", plain)]
        return key

    def response_add(self, request: Any, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        onward = reverse("admin:accounts_staffkey_changelist")
        title = "The staff key was issued"
        return shown_once(self.admin_site, request, title=title, secrets=request.secrets, onward=onward)

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, queryset: QuerySet[StaffKey]) -> None:
        chosen = [key for key in queryset.filter(active=True) if _own(request, key)]
        for key in chosen:
            staff_keys.revoke_staff_key(key=key, actor=actor_of(request))
        self.tell(request, chosen, "revoked")


def _own(request: HttpRequest, obj: Any) -> bool:
    return obj is None or bool(request.user.is_superuser) or obj.user_id == request.user.pk
