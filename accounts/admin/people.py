"""Staff and enterprise users, and what the latter may do."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as PlainUserAdmin
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest

from accounts import services
from accounts.admin.log import actor_of
from accounts.models import PermissionGroup, Role, User
from accounts.models.user import PERMISSIONS
from common.staff import GatewayAdmin, SecretField
from common.unfold import (
    AdminOwnPasswordChangeForm,
    AdminPasswordChangeForm,
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    display,
)


class UserForm(forms.ModelForm):
    """The rules of roles: staff belong to no account, and only superadmins make superadmins."""

    may_make_superadmins = False  # set by the page, which knows who asks

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        enterprise = values.get("role") == Role.ENTERPRISE
        if enterprise and not values.get("account"):
            raise ValidationError({"account": "An enterprise user belongs to an account."})
        if not enterprise and values.get("account"):
            raise ValidationError({"account": "Staff belong to no account."})
        if values.get("role") == Role.SUPERADMIN and not self.may_make_superadmins:
            raise ValidationError({"role": "Only a superadmin makes superadmins."})
        return values


class NewUserForm(UserForm):
    """Adds the first password."""

    new_password = SecretField(label="Password", required=True, help_text="The first one.")

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        if not values.get("must_change_password") and values.get("new_password"):
            try:
                validate_password(values["new_password"], self.instance)
            except ValidationError as error:
                raise ValidationError({"new_password": error.messages}) from error
        return values


class OthersPasswordForm(AdminPasswordChangeForm):
    """A password that somebody else chose must be changed at the next login."""

    def save(self, commit: bool = True) -> Any:
        self.user.must_change_password = True
        return super().save(commit)


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """A password of one's own choice need not be changed any more."""

    def save(self, commit: bool = True) -> Any:
        self.user.must_change_password = False
        return super().save(commit)


class OwnPasswordView(PasswordChangeView):
    """The admin's page for one's own password, which also ends `must_change_password`."""

    form_class = OwnPasswordForm
    template_name = "registration/password_change_form.html"

    def get_success_url(self) -> str:
        from django.urls import reverse

        return reverse("admin:password_change_done")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), **admin.site.each_context(self.request)}


@admin.register(User)
class UserAdmin(GatewayAdmin, PlainUserAdmin):
    """Admin Users and the users of accounts (S0-82, S0-98)."""

    form = UserForm
    add_form = NewUserForm
    change_password_form = OthersPasswordForm
    add_form_template = None
    list_display = ("username", "role", "account", "permission_group", "status", "last_login", "date_joined")
    list_select_related = ("account", "permission_group")
    list_filter = (("role", ChoicesDropdownFilter), "is_active", ("account", AutocompleteSelectFilter))
    search_fields = ("username__istartswith", "email__istartswith", "account__name__istartswith")
    autocomplete_fields = ("account", "permission_group")
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "email", "first_name", "last_name")}),
        ("Role", {"fields": ("role", "account", "permission_group", "is_active", "must_change_password")}),
        ("Use", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "email", "new_password", "must_change_password")}),
        ("Role", {"fields": ("role", "account", "permission_group")}),
    )

    @display(description="status", label={"active": "success", "off": "danger"})
    def status(self, user: User) -> str:
        return "active" if user.is_active else "off"

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"may_make_superadmins": request.user.is_superuser})

    def create(self, request: HttpRequest, form: Any) -> Model:
        values = dict(form.cleaned_data)
        return services.create_user(password=values.pop("new_password"), actor=actor_of(request), **values)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and _within_reach(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        own = obj is not None and obj.pk == request.user.pk
        return super().has_delete_permission(request, obj) and _within_reach(request, obj) and not own

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Only those whom the person may delete one by one."""
        for user in queryset:
            if self.has_delete_permission(request, user):
                self.delete_model(request, user)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            services.record(action="set_password", entity="user", entity_id=id, actor=actor_of(request))
        return response


def _within_reach(request: HttpRequest, obj: Any) -> bool:
    return obj is None or request.user.is_superuser or obj.role != Role.SUPERADMIN


@admin.register(PermissionGroup)
class PermissionGroupAdmin(GatewayAdmin):
    """Permission Groups (S0-84, S0-85)."""

    list_display = ("name", "description", "active", "permissions", "user_count", "created_at")
    list_filter = ("active",)
    search_fields = ("name__istartswith",)
    code_lists = {"permissions": PERMISSIONS}
    fields = ("name", "description", "active", "permissions")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PermissionGroup]:
        return super().get_queryset(request).annotate(_users=Count("users"))

    @display(description="users")
    def user_count(self, group: Any) -> int:
        return group._users
