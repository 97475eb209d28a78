"""Rows of a query of metrics as the answer has them, with the buckets that have none (public-api.md section 7.1)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from litefuse.clickhouse.asking import Store
from web.queries import metric_sql, metric_time, traces
from web.queries.metric_query import TIME, Query
from web.queries.metric_views import OBSERVATIONS, TRACES
from web.queries.statement import QueryError, run

#: Buckets that an answer has at most: five weeks of minutes.
MOST_BUCKETS = 50_000


def checked_buckets(query: Query) -> Query:
    """Raises QueryError for a range that has more buckets than an answer takes."""
    if query.granularity is not None and query.filled:
        most = MOST_BUCKETS if query.limit is None else min(MOST_BUCKETS, query.limit)
        found = sum(1 for _ in islice(metric_time.buckets(query.from_ns, query.to_ns, query.granularity), most + 1))
        if found > MOST_BUCKETS:
            raise QueryError(
                f"The range has more than {MOST_BUCKETS} buckets of a {query.granularity}: take longer ones"
            )
    return query


async def answer(store: Store, project_id: str, query: Query) -> tuple[list[dict[str, Any]], bool]:
    """The rows of a checked query, and whether its limit has left some out. Raises QueryError for too many buckets,
    StoreError."""
    checked_buckets(query)
    nameless = metric_sql.by_name(query) and await _any_nameless(store, project_id, query)
    one_more = replace(query, limit=None if query.limit is None else query.limit + 1)
    found = await run(store, metric_sql.statement(project_id, one_more, nameless=nameless))
    rows = [_row(query, row) for row in found]
    shown = list(islice(filled(query, rows, [_bucket(query, row) for row in found]), one_more.limit))
    return shown[: query.limit], query.limit is not None and len(shown) > query.limit


async def _any_nameless(store: Store, project_id: str, query: Query) -> bool:
    """Whether the range's traces may have some that only their spans name. Scores are of traces of any time."""
    low = query.from_ns if query.view in (TRACES, OBSERVATIONS) else 0
    return bool(await run(store, traces.any_nameless(project_id, low)))


def _bucket(query: Query, row: Sequence[Any]) -> int:
    return int(row[len(query.dimensions)]) if query.granularity else 0


def _row(query: Query, row: Sequence[Any]) -> dict[str, Any]:
    """A row of the statement, by the names of the answer's columns."""
    made: dict[str, Any] = {}
    for name, value in zip(query.names, row, strict=True):
        if name == TIME:
            made[name] = metric_time.text(int(value), query.granularity or "")
        elif name in query.dimensions:
            made[name] = _of_dimension(query.view.dimensions[name].kind, value)
        else:
            made[name] = _of_metric(value)
    return made


def _of_dimension(kind: str, value: Any) -> Any:
    """Empty text is null: nothing says it."""
    if kind == "month":
        return f"{value // 100:04d}-{value % 100:02d}"
    if kind == "day":
        return f"{value // 10_000:04d}-{value // 100 % 100:02d}-{value % 100:02d}"
    if value == "":
        return None
    return list(value) if isinstance(value, tuple) else _finite(value)


def _of_metric(value: Any) -> Any:
    """Histograms are lists of [lower, upper, height]."""
    if isinstance(value, list | tuple):
        return [[_finite(number) for number in bar] for bar in value]
    return _finite(value)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def filled(query: Query, rows: Sequence[dict[str, Any]], at: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The rows, which are in the order of their buckets `at`, and one for each bucket of the range that has none: its metrics
    are 0, its dimensions null (histograms and lists empty)."""
    if query.granularity is None or not query.filled:
        return iter(rows)
    return _merged(query, zip(at, rows, strict=True), query.granularity)


def _merged(query: Query, rows: Iterable[tuple[int, dict[str, Any]]], granularity: str) -> Iterator[dict[str, Any]]:
    left = iter(rows)
    following = next(left, None)
    empty = _empty(query)
    for bucket in metric_time.buckets(query.from_ns, query.to_ns, granularity):
        there = False
        while following is not None and following[0] <= bucket:
            there = there or following[0] == bucket
            yield following[1]
            following = next(left, None)
        if not there:
            yield {**empty, TIME: metric_time.text(bucket, granularity)}


def _empty(query: Query) -> dict[str, Any]:
    made: dict[str, Any] = dict.fromkeys(query.names, 0)
    for name in query.dimensions:
        dimension = query.view.dimensions[name]
        made[name] = [] if dimension.kind == "list" and not dimension.each else None
    for metric in query.metrics:
        if metric.aggregation == "histogram":
            made[metric.name] = []
    return made
