"""Which observations a request asks for: what the lists of both versions take alike (public-api.md section 4). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from web.api import filters
from web.api.filter_columns import FilterColumn
from web.queries.conditions import Condition
from web.queries.observations import Filter

#: Parameters that are the name of a column and its value.
_SAME = ("name", "userId", "sessionId", "traceId", "version", "type", "level", "parentObservationId")


class Query(Protocol):
    """What both lists have."""

    @property
    def environment(self) -> Sequence[str]: ...
    @property
    def fromStartTime(self) -> int | None: ...
    @property
    def toStartTime(self) -> int | None: ...
    @property
    def filter(self) -> str | None: ...


def filter_of(query: Query, columns: Mapping[str, FilterColumn]) -> Filter:
    """Raises ApiError 400."""
    simple: dict[str, Condition] = {
        name: Condition(name, "=", value) for name in _SAME if (value := getattr(query, name, None)) is not None
    }
    if query.environment:
        simple["environment"] = Condition("environment", "any of", list(query.environment))
    root = getattr(query, "isRootObservation", None)
    if root is not None:
        simple["isRootObservation"] = Condition("isRootObservation", "=", root)
    conditions = filters.combined(filters.parse(query.filter, columns), simple)
    return Filter(*filters.within(conditions, "startTime", query.fromStartTime, query.toStartTime))
