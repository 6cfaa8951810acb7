"""The admin theme: everything that we take from django-unfold comes through here, so that it can be exchanged."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
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
]

F = TypeVar("F", bound=Callable[..., Any])


def display(*, description: str, label: Mapping[str, str] | None = None) -> Callable[[F], F]:
    """Name a list column; `label` colours its words (info, success, warning, danger)."""

    def named(show: F) -> F:
        shown: F = _display(show, description=description, label=label)
        return shown

    return named
