"""Queries of metrics through HTTP, and their answers compared with the same in plain Python."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest

from tests.web.api.filter_language import iso
from tests.web.api.metric_rows import Row, World, aggregated, exploded, grouped, key
from tests.web.api.support import Client, Reply
from tests.web.queries.support import HOUR, MONDAY, Span, newest

DAY = 24 * HOUR
FROM, TO = MONDAY - DAY, MONDAY + 60 * DAY
PATHS = {1: "/metrics", 2: "/v2/metrics"}
EACH = ("toolNames", "calledToolNames", "costType", "usageType")


def asked(view: str, metrics: Sequence[tuple[str, str]], **rest: Any) -> dict[str, Any]:
    return {
        "view": view,
        "metrics": [{"measure": measure, "aggregation": aggregation} for measure, aggregation in metrics],
        "fromTimestamp": iso(FROM),
        "toTimestamp": iso(TO),
        **rest,
    }


async def ask(client: Client, query: Any, version: int = 1, **rest: Any) -> Reply:
    return await client.get(PATHS[version], {"query": query if isinstance(query, str) else json.dumps(query)}, **rest)


def by(*names: str) -> list[dict[str, str]]:
    return [{"field": name} for name in names]


def compare(
    answer: Sequence[Mapping[str, Any]],
    rows: Sequence[Row],
    dimensions: Sequence[str],
    metrics: Sequence[tuple[str, str]],
    granularity: str | None = None,
) -> None:
    """The answer has a row for each group and the group's numbers."""
    expected = grouped(rows, dimensions, granularity)
    names = [*dimensions, *(["time_dimension"] if granularity else [])]
    found = {key(row, names): row for row in answer}
    assert len(found) == len(answer)
    assert found.keys() == expected.keys()
    for group, members in expected.items():
        row = found[group]
        assert list(row) == [*names, *(f"{aggregation}_{measure}" for measure, aggregation in metrics)]
        for measure, aggregation in metrics:
            value = row[f"{aggregation}_{measure}"]
            wanted = aggregated(members, measure, aggregation)
            if aggregation == "histogram":
                check_histogram(value, [r.measures[measure] for r in members if r.measures[measure] is not None])
            else:
                same = value == wanted if wanted is None else value == pytest.approx(wanted, rel=1e-9, abs=1e-12)
                assert same, (group, measure, aggregation, value, wanted)


def check_histogram(bars: Sequence[Sequence[float]], values: Sequence[Any]) -> None:
    """Bars of at most ten, side by side, over all values, each of which is in some bar."""
    assert len(bars) <= 10
    assert sum(height for _, _, height in bars) == pytest.approx(len(values))
    assert all(low <= high for low, high, _ in bars)
    assert all(before[1] == after[0] for before, after in pairwise(bars))
    if values:
        assert bars[0][0] <= float(min(values)) + 1e-9
        assert bars[-1][1] >= float(max(values)) - 1e-9


def spans_by_id(world: World) -> dict[str, Span]:
    return {span.span_id: span for span in newest(world.spans)}


def rows_of(world: World, view: str, dimension: str = "") -> Sequence[Row]:
    rows = world.views[view]
    return exploded(rows, dimension, spans_by_id(world)) if dimension in EACH else rows
