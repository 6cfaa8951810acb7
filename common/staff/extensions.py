"""What packages above add to the admin of those below, so that no admin.py reaches upstairs.

Registered once, when Django loads the admin modules; read only afterwards.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model
from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Column:
    """A list column: a display function, the relations it reads, the annotations it needs."""

    show: Callable[[Any], Any]
    related: tuple[str, ...] = ()
    annotations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deed:
    """A change by a person in the admin: create, change or delete, with the changed fields before and after."""

    request: HttpRequest
    action: str
    row: Model
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    related: tuple[Any, ...] = ()  # what was done to rows of inlines, in Django's words


_columns: dict[str, list[Column]] = defaultdict(list)
_creation: dict[str, list[Callable[..., None]]] = defaultdict(list)
_recorders: list[Callable[[Deed], None]] = []


def extend_list(model: type[Model], *columns: Column) -> None:
    """Show further columns in the list of `model`."""
    _columns[model._meta.label].extend(columns)


def columns_of(model: type[Model]) -> list[Column]:
    """The columns that others added."""
    return _columns[model._meta.label]


def after_creation(model: type[Model], do: Callable[..., None]) -> None:
    """Call `do(request, row, **wishes)` in the transaction in which the admin creates a row of `model`."""
    _creation[model._meta.label].append(do)


def created(request: HttpRequest, row: Model, **wishes: Any) -> None:
    """Tell those who asked that a row was created; `wishes` are what the form asked of them."""
    for do in _creation[row._meta.label]:
        do(request, row, **wishes)


def record_with(recorder: Callable[[Deed], None]) -> None:
    """Let `recorder` write the audit log of the admin."""
    _recorders.append(recorder)


def record(deed: Deed) -> None:
    """Write a deed to the audit log."""
    for recorder in _recorders:
        recorder(deed)
