"""Lists over tables that grow with traffic: no COUNT(*), bounded depth, a time window on the key."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from common.clock import utc_now
from common.ids import floor_at
from common.unfold import ChangeList, DropdownFilter, InfinitePaginator

DEEPEST_PAGE = 200  # OFFSET reads what it skips: 10,000 rows; beyond, narrow the filter


class NoCountPaginator(InfinitePaginator):
    """Pages by previous and next; never asks how many rows there are."""

    @cached_property
    def count(self) -> int:
        """A ceiling, not a number of rows."""
        return int(self.per_page) * DEEPEST_PAGE


class PlainList(ChangeList):
    """A list that knows whether somebody narrowed it; else it offers neither "Show all" nor to reset filters."""

    narrowed = False

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.narrowed = bool(self.query or self.get_filters_params())
        if not self.narrowed:
            self.full_result_count = self.result_count  # what the theme compares


class TrafficList(PlainList):
    """A list that names only the number of rows it has seen, and the time that it looks at unasked."""

    since = ""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        spans = [spec.words for spec in self.filter_specs if isinstance(spec, Since)]
        self.since = spans[0] if spans and not self.narrowed else ""
        self.result_count = (self.page_num - 1) * self.list_per_page + len(self.result_list)
        if not self.narrowed:
            self.full_result_count = self.result_count


class Since(DropdownFilter):
    """The last minutes, hours or days, as a range of UUIDv7 keys: only the newest partitions are read.

    Twenty-four hours unless chosen otherwise; a search looks at all times.
    """

    title = "time"
    parameter_name = "since"
    all_option = None
    spans = {
        "15m": ("Last 15 minutes", timedelta(minutes=15)),
        "1h": ("Last hour", timedelta(hours=1)),
        "24h": ("Last 24 hours", timedelta(hours=24)),
        "7d": ("Last 7 days", timedelta(days=7)),
        "30d": ("Last 30 days", timedelta(days=30)),
        "all": ("All", None),
    }

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        self._searching = bool(request.GET.get("q"))
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, words) for code, (words, _) in self.spans.items()]

    def value(self) -> str:
        chosen = super().value()
        if chosen in self.spans:
            return str(chosen)
        return "all" if self._searching else "24h"

    @property
    def words(self) -> str:
        """The span that is looked at, for the reader."""
        return self.spans[self.value()][0].lower()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        span = self.spans[self.value()][1]
        return queryset if span is None else queryset.filter(pk__gte=floor_at(utc_now() - span))


class OpenOrEnded(DropdownFilter):
    """Rows whose `column` is empty, or those where it is filled: what is open, and what has ended."""

    column = "ended_at"
    title = "state"
    parameter_name = "state"
    words = {"open": "Open", "ended": "Ended"}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.words.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in self.words:
            return queryset
        return queryset.filter(**{f"{self.column}__isnull": self.value() == "open"})
