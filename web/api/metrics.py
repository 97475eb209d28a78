"""Metrics of traces, observations and scores, versions 1 and 2 (public-api.md section 7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, NotRequired

import orjson
from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter
from typing_extensions import TypedDict

from web.api import filters, metrics_daily
from web.api.errors import invalid, issue, refused
from web.api.filter_columns import FilterColumn
from web.api.parameters import Bad, text, time_ns
from web.api.route import Call, Route, validated
from web.queries import metric_rows, metric_time
from web.queries.metric_query import Metric, Order, Query, check, dimensions_of
from web.queries.metric_views import VIEWS, View

#: Rows of an answer of version 2 that asks for no number of them.
_V2_ROWS = 100
_MS = 1_000_000
_MOST_NS = 2**63 - 1


class MetricsAnswer(TypedDict):
    """A row has each dimension under its own name, `time_dimension`, and `{aggregation}_{measure}`. `truncated`, which is true
    or absent: there are more rows than the limit, which version 2 has also when none is asked for."""

    data: list[dict[str, Any]]
    truncated: NotRequired[Literal[True]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsQuery:
    query: str = text(
        "JSON object: view, metrics [{measure, aggregation}], dimensions [{field}], filters, timeDimension {granularity}, "
        "fromTimestamp, toTimestamp, orderBy [{field, direction}], config {bins, row_limit}",
        empty=True,
        required=True,
    )


def _instant(value: object) -> int:
    """ISO 8601 as Unix ns."""
    if not isinstance(value, str):
        raise ValueError("needs a time as text")
    try:
        return time_ns(value)
    except Bad as bad:
        raise ValueError(str(bad)) from None


_Instant = Annotated[int, BeforeValidator(_instant)]


class _Metric(BaseModel):
    measure: str
    aggregation: str


class _Dimension(BaseModel):
    field: str


class _Time(BaseModel):
    granularity: Literal["auto", "minute", "hour", "day", "week", "month"]


class _Order(BaseModel):
    field: str
    direction: Literal["asc", "desc"]


class _Config(BaseModel):
    bins: Annotated[int, Field(ge=1, le=100)] = 10
    row_limit: Annotated[int, Field(ge=1, le=1000)] | None = None


class _Asked(BaseModel):
    """The parameter `query`. Other keys are ignored."""

    view: Literal["traces", "observations", "scores-numeric", "scores-boolean", "scores-categorical"]
    metrics: Annotated[list[_Metric], Field(max_length=100)]
    dimensions: Annotated[list[_Dimension], Field(max_length=50)] = []
    filters: Annotated[list[Any], Field(max_length=200)] = []
    timeDimension: _Time | None = None
    fromTimestamp: _Instant
    toTimestamp: _Instant
    orderBy: Annotated[list[_Order], Field(max_length=50)] | None = None
    config: _Config | None = None


_ASKED: TypeAdapter[_Asked] = TypeAdapter(_Asked)


def filter_columns(view: View, version: int) -> Mapping[str, FilterColumn]:
    """What filters can name: dimensions, the time, and metadata."""
    found = {
        name: FilterColumn(name, "text" if dimension.text else dimension.kind, name=name)
        for name, dimension in dimensions_of(view, version).items()
    }
    found[view.time] = FilterColumn(view.time, "time", name=view.time)
    found["metadata"] = FilterColumn("metadata", "map", name="metadata")
    return found


def _named(condition: Any, known: Mapping[str, FilterColumn]) -> Any:
    """Stored filters call the name of a score `scoreName`, and so on: what ends so and is no column is the name."""
    column = condition.get("column") if isinstance(condition, dict) else None
    if isinstance(column, str) and column.endswith("Name") and column not in known and "name" in known:
        return {**condition, "column": "name"}
    return condition


def read(given: str, version: int) -> Query:
    """The parameter `query` as a value that can be asked. Raises ApiError 400, QueryError."""
    try:
        decoded = orjson.loads(given)
    except (ValueError, RecursionError):
        raise invalid("query is not valid JSON") from None
    asked: _Asked = validated(_ASKED, decoded)
    if asked.fromTimestamp >= asked.toTimestamp:
        raise refused([issue("custom", ["fromTimestamp"], "fromTimestamp must be before toTimestamp")])
    view = VIEWS[asked.view]
    known = filter_columns(view, version)
    config = asked.config or _Config()
    granularity: str | None = asked.timeDimension.granularity if asked.timeDimension else None
    if granularity == "auto":
        granularity = metric_time.auto(asked.fromTimestamp, asked.toTimestamp)
    # An end that is given to the millisecond is all of it.
    until = asked.toTimestamp + (_MS - 1 if asked.toTimestamp % _MS == 0 else 0)
    query = check(
        Query(
            view=view,
            metrics=[Metric(metric.measure, metric.aggregation) for metric in asked.metrics],
            from_ns=asked.fromTimestamp,
            to_ns=min(until, _MOST_NS),
            dimensions=[dimension.field for dimension in asked.dimensions],
            conditions=filters.read([_named(condition, known) for condition in asked.filters], known, "filters"),
            granularity=granularity,
            order=[Order(order.field, order.direction == "desc") for order in asked.orderBy or ()],
            bins=config.bins,
            limit=config.row_limit,
            version=version,
        )
    )
    return replace(query, limit=_V2_ROWS) if version == 2 and query.limit is None else query


async def v1(call: Call, query: MetricsQuery) -> MetricsAnswer:
    return await _answer(call, read(query.query, 1))


async def v2(call: Call, query: MetricsQuery) -> MetricsAnswer:
    return await _answer(call, read(query.query, 2))


async def _answer(call: Call, query: Query) -> MetricsAnswer:
    rows, cut = await metric_rows.answer(call.store, call.project_id, query)
    return {"data": rows, "truncated": True} if cut else {"data": rows}


ROUTES: tuple[Route, ...] = (
    *metrics_daily.ROUTES,
    Route("GET", "/metrics", v1, "Metrics, version 1", "Metrics", MetricsAnswer, MetricsQuery, errors=(422,)),
    Route("GET", "/v2/metrics", v2, "Metrics, version 2", "Metrics", MetricsAnswer, MetricsQuery, errors=(422,)),
)
