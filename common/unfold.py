"""The admin theme: everything that we take from django-unfold comes through here, so that it can be exchanged."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils.timezone import get_current_timezone_name
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter as _AutocompleteSelectFilter
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import display as _display
from unfold.forms import AdminOwnPasswordChangeForm, AdminPasswordChangeForm
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

__all__ = [
    "AdminOwnPasswordChangeForm",
    "AdminPasswordChangeForm",
    "AutocompleteSelectFilter",
    "ChangeList",
    "ChoicesDropdownFilter",
    "DropdownFilter",
    "InfinitePaginator",
    "ModelAdmin",
    "TabularInline",
    "UnfoldAdminCheckboxSelectMultipleWidget",
    "UnfoldAdminPasswordWidget",
    "UnfoldAdminTextInputWidget",
    "UnfoldAdminTextareaWidget",
    "display",
    "stylesheet",
    "zone_of_times",
]

F = TypeVar("F", bound=Callable[..., Any])


class AutocompleteSelectFilter(_AutocompleteSelectFilter):
    """Rows that belong to a chosen one. What is no key of such a row is refused before a database sees it: a number
    beyond its integers would be an error there.
    """

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        key = self.field.target_field
        try:
            for value in self.lookup_val or ():
                key.run_validators(key.to_python(value))
        except ValidationError as error:
            raise IncorrectLookupParameters(error) from error
        found: QuerySet[Any] = super().queryset(request, queryset)
        return found


def display(*, description: str, label: Mapping[str, str] | None = None) -> Callable[[F], F]:
    """Name a list column; `label` colours its words (info, success, warning, danger)."""

    def named(show: F) -> F:
        shown: F = _display(show, description=description, label=label)
        return shown

    return named


def stylesheet(request: HttpRequest) -> str:
    """Where our own rules lie."""
    return static("admin/gateway.css")


def zone_of_times(request: HttpRequest) -> list[str]:
    """The zone of every time on the screen, as a label at the top (interface habit 12)."""
    return [f"Times: {get_current_timezone_name()}", "info"]
