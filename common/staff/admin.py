"""Base classes: who may, what is audited, how secrets and lists are edited."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import JSONField, Model, Q, QuerySet, TextField
from django.http import HttpRequest
from django.utils.text import capfirst

from common.secrets import EncryptedTextField
from common.staff import extensions
from common.staff.extensions import Deed, columns_of
from common.staff.fields import CodesField, LinesField, SecretField
from common.staff.lists import NoCountPaginator, PlainList, Since, TrafficList
from common.staff.spelling import spell
from common.unfold import ModelAdmin, TabularInline

NAMED = 10  # rows that the answer to an action names


def is_staff(request: HttpRequest) -> bool:
    """Whether staff asks, with a password of their own choice; roles decide, not Django's permission rows."""
    user: Any = request.user
    return bool(user.is_active and user.is_staff and not getattr(user, "must_change_password", False))


class StaffMay:
    """Permissions by role: staff may everything, unless a class says that only superadmins may."""

    superadmin_only = False

    def _may(self, request: HttpRequest) -> bool:
        return is_staff(request) and (not self.superadmin_only or request.user.is_superuser)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request)

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return self._may(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request)


ADDRESSES = "One a line: addresses or networks, 10.0.0.0/8. Empty: all."


class PlainFields:
    """Lists as lines or ticks, secrets write-only, boxes for longer texts of a few lines."""

    code_lists: dict[str, list[str]] = {}
    line_lists: dict[str, str] = {"ip_whitelist": ADDRESSES}  # column: what a line holds
    secret_lines: tuple[str, ...] = ()
    help_texts: dict[str, str] = {}  # where the column has none of its own, or one that speaks of JSON

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        words = {**self.line_lists, **self.help_texts}.get(db_field.name, db_field.help_text)
        label = {"label": capfirst(db_field.verbose_name), "help_text": words}
        if isinstance(db_field, EncryptedTextField):
            return SecretField(lines=db_field.name in self.secret_lines, label=label["label"])
        if db_field.name in self.code_lists:
            return CodesField(codes=self.code_lists[db_field.name], **label)
        if db_field.name in self.line_lists:
            return LinesField(entry_validators=db_field.validators, **label)
        made = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if made is not None:
            made.help_text = words
        if isinstance(db_field, JSONField | TextField):
            made.widget.attrs["rows"] = 4
        return made

    def get_exclude(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Who may not change a row must not read its secrets from a read-only page either."""
        excluded = list(super().get_exclude(request, obj) or ())  # type: ignore[misc]
        if self.has_change_permission(request, obj):  # type: ignore[attr-defined]
            return excluded or None
        return [*excluded, *secret_names(self.model)]  # type: ignore[attr-defined]


def same_id(field: str, term: str) -> Q | None:
    """`field` equals the UUID that `term` spells, with or without `queued_`; None when it spells none."""
    try:
        return Q(**{field: UUID(term.removeprefix("queued_"))})
    except ValueError:
        return None


def secret_names(model: type[Model]) -> list[str]:
    """The encrypted fields of a model."""
    return [field.name for field in model._meta.concrete_fields if isinstance(field, EncryptedTextField)]


class GatewayAdmin(StaffMay, PlainFields, ModelAdmin):
    """A page family of ours: role permissions, one line in the audit log per deed, no needless counting."""

    list_per_page = 50
    list_max_show_all = 200
    show_full_result_count = False
    list_filter_submit = True
    list_fullwidth = True
    columns_at = -1  # where the columns of other packages go
    nothing_yet = "Nothing here yet."  # the list of an empty table (S0-7)

    def __init__(self, model: type[Model], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        spell(model)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[PlainList]:
        return PlainList

    def tell(self, request: HttpRequest, done: Iterable[Any], words: str) -> None:
        """Say to which rows an action did what: "smpp1, smpp2: stopped"; without rows, that it changed nothing."""
        names = [str(row) for row in done]
        if not names:
            self.message_user(request, f"Nothing changed: no chosen row was to be {words}.", messages.WARNING)
            return
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        self.message_user(request, f"{', '.join(names[:NAMED])}{more}: {words}.", messages.SUCCESS)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        shown = list(super().get_list_display(request))
        shown[self.columns_at : self.columns_at] = [column.show for column in columns_of(self.model)]
        return shown

    def get_list_select_related(self, request: HttpRequest) -> Any:
        own = super().get_list_select_related(request)
        further = [name for column in columns_of(self.model) for name in column.related]
        return [*own, *further] if isinstance(own, list | tuple) else own or further or False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset = super().get_queryset(request)
        for column in columns_of(self.model):
            if column.annotations:
                queryset = queryset.annotate(**column.annotations)
        return queryset

    def create(self, request: HttpRequest, form: Any) -> Model | None:
        """Create the row by a service that also writes the audit log; None: it is simply saved."""
        return None

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save; secrets that were left empty stay, and what changed is kept for the audit log."""
        if change:
            before = type(obj)._base_manager.get(pk=obj.pk)
            for name in set(secret_names(type(obj))) - set(form.changed_data):
                setattr(obj, name, getattr(before, name))
            form.before = {name: getattr(before, name, None) for name in form.changed_data}  # type: ignore[attr-defined]
            super().save_model(request, obj, form, change)
            return
        made = self.create(request, form)
        if made is None:
            super().save_model(request, obj, form, change)
            extensions.record(Deed(request, "create", obj))
        else:
            obj.__dict__.update(made.__dict__)
        extensions.created(request, obj)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """Django's own words for its history page; the audit log gets before and after."""
        message = super().construct_change_message(request, form, formsets, add)
        before = getattr(form, "before", {})
        inlines = tuple(entry for entry in message if any("name" in told for told in entry.values()))
        if not add and (before or inlines):
            after = {name: getattr(form.instance, name, None) for name in before}
            extensions.record(Deed(request, "change", form.instance, before, after, inlines))
        return message

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """Delete by the row, so that snapshots hear of it."""
        extensions.record(Deed(request, "delete", obj))
        obj.delete()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """As `delete_model`, row by row: QuerySet.delete would pass `Versioned.delete` by."""
        for row in queryset:
            self.delete_model(request, row)


class ReadOnlyAdmin(GatewayAdmin):
    """Rows that people look at and never touch: the book, the network, the log."""

    actions: Any = None

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyInline(StaffMay, PlainFields, TabularInline):
    """Rows that belong to the page's row, to look at."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class TrafficAdmin(ReadOnlyAdmin):
    """Rows of a table that grows with traffic: newest first by key, no count, search by indexed values only."""

    paginator = NoCountPaginator
    list_max_show_all = 50
    ordering = ("-pk",)
    sortable_by = ()
    show_facets = admin.ShowFacets.NEVER
    search_fields: tuple[str, ...] = ("pk__exact",)  # shows the box; `exactly` decides what is looked for
    list_filter: tuple[Any, ...] = (Since,)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[TrafficList]:
        return TrafficList

    def exactly(self, term: str) -> Q | None:
        """The condition that finds `term` through an index; None when it can be nothing we look for."""
        return same_id("pk", term)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Rows that hold the term exactly: a contains-search would read the whole table."""
        term = search_term.strip()
        if not term:
            return queryset, False
        condition = self.exactly(term)
        return (queryset.none() if condition is None else queryset.filter(condition)), False
