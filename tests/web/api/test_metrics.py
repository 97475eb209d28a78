"""Metrics through HTTP against the same in plain Python: every view with every measure, aggregation, dimension and filter
(public-api.md section 7.1)."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest

from tests.embedded.server import Server
from tests.web.api import metric_rows
from tests.web.api.filter_language import conditions, holds, iso
from tests.web.api.metric_rows import AGGREGATIONS, Row, World, aggregated, exploded, grouped, key
from tests.web.api.support import PROJECTS, Client, Reply
from tests.web.queries.support import HOUR, MONDAY, SECOND, Span, insert, newest
from web.api.metrics import filter_columns
from web.queries.metric_views import VIEWS, View

DAY = 24 * HOUR
FROM, TO = MONDAY - DAY, MONDAY + 60 * DAY
PATHS = {1: "/metrics", 2: "/v2/metrics"}
EACH = ("toolNames", "calledToolNames", "costType", "usageType")


@pytest.fixture(scope="module")
def world(server: Server) -> World:
    return metric_rows.made(server)


def views() -> Iterator[tuple[View, int]]:
    for view in VIEWS.values():
        for version in range(view.version, view.until_version + 1):
            yield view, version


def cases(kind: str) -> list[tuple[str, int, str]]:
    """View, version, and each of its measures or dimensions."""
    found = []
    for view, version in views():
        table: Mapping[str, Any] = getattr(view, kind)
        found += [(view.name, version, name) for name, entry in table.items() if entry.version <= version]
    return found


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


# -- what there is -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("view", "version", "measure"), cases("measures"))
async def test_measures_with_every_aggregation(
    client: Client, world: World, view: str, version: int, measure: str
) -> None:
    kind = VIEWS[view].measures[measure].kind
    metrics = [(measure, aggregation) for aggregation in (("count", "uniq") if kind == "text" else AGGREGATIONS)]
    brought = VIEWS[view].measures[measure].each
    dimensions = ["environment", *([brought] if brought else [])]
    reply = await ask(client, asked(view, metrics, dimensions=by("environment")), version)
    compare(reply.data, rows_of(world, view, brought), dimensions, metrics)
    assert len(reply.data) > 1
    if not brought:
        reply = await ask(client, asked(view, metrics), version)
        compare(reply.data, rows_of(world, view), [], metrics)


@pytest.mark.parametrize(("view", "version", "dimension"), cases("dimensions"))
async def test_dimensions(client: Client, world: World, view: str, version: int, dimension: str) -> None:
    metrics = [("count", "count")]
    if view == "observations":
        metrics += [("totalCost", "sum"), ("toolCalls", "sum"), ("toolDefinitions", "sum"), ("countScores", "sum")]
    elif view == "traces":
        metrics += [("observationsCount", "sum"), ("scoresCount", "sum")]
    order = [{"field": "count_count", "direction": "desc"}]
    query = asked(view, metrics, dimensions=by(dimension), orderBy=order, config={"row_limit": 1000})
    reply = await ask(client, query, version)
    compare(reply.data, rows_of(world, view, dimension), [dimension], metrics)
    counts = [row["count_count"] for row in reply.data]
    assert counts == sorted(counts, reverse=True)
    assert counts


@pytest.mark.parametrize("seed", range(40))
async def test_any_query(client: Client, world: World, seed: int) -> None:
    """Dimensions, measures, filters and buckets as they come."""
    chance = random.Random(seed)
    name = chance.choice([*VIEWS, "observations", "observations", "traces"])
    view = VIEWS[name]
    known = [n for n, d in view.dimensions.items() if n not in EACH and d.version == 1]
    dimensions = chance.sample(known, chance.randint(0, 3))
    each = chance.choice(["", "", "toolNames", "calledToolNames"]) if name == "observations" else ""
    measures = [n for n, m in view.measures.items() if m.version == 1 and m.kind != "text"]
    metrics = list(
        dict.fromkeys(
            (chance.choice(measures), chance.choice((*AGGREGATIONS[:-2], "uniq"))) for _ in range(chance.randint(1, 4))
        )
    )
    filters, rows = [], list(world.views[name])
    for column in chance.sample(known, chance.randint(0, 2)):
        kind = filter_columns(view, 1)[column].kind
        values = [{column: row.dimensions[column]} for row in rows]
        possible = [c for c in conditions(kind, False, values, column) if c["type"] != "null"] if rows else []
        if possible:
            condition = chance.choice(possible)
            filters.append({**condition, "column": column})
            rows = [row for row in rows if holds(condition, row.dimensions[column])]
    granularity = chance.choice([None, "hour", "day", "week", "month"])
    query = asked(
        name,
        metrics,
        dimensions=by(*dimensions, *([each] if each else [])),
        filters=filters,
        timeDimension={"granularity": granularity} if granularity else None,
        orderBy=[{"field": f"{metrics[0][1]}_{metrics[0][0]}", "direction": chance.choice(["asc", "desc"])}],
    )
    reply = await ask(client, query)
    if each:
        rows, dimensions = exploded(rows, each, spans_by_id(world)), [*dimensions, each]
    if dimensions or granularity or rows:
        compare(reply.data, rows, dimensions, metrics, granularity)


# -- filters -------------------------------------------------------------------------------------------------------------


def filtered() -> list[tuple[str, int, str]]:
    found: list[tuple[str, int, str]] = []
    for view, version in views():
        names = [name for name in filter_columns(view, version) if name not in ("costType", "usageType")]
        # Version 2 has the same columns and some more.
        new = [n for n in names if n not in filter_columns(view, 1)] if version == 2 else names
        # The three views of scores have the same columns, but for the value.
        tried = {case[2] for case in found if case[0] != view.name and "scores" in case[0] and "scores" in view.name}
        found += [(view.name, version, name) for name in new if name not in tried]
    return found


@pytest.mark.parametrize(("view", "version", "column"), filtered())
async def test_filters(client: Client, world: World, view: str, version: int, column: str) -> None:
    spans = spans_by_id(world)

    def value(row: Row) -> Any:
        if column == VIEWS[view].time:
            return row.at
        if column == "metadata":
            return row.metadata
        if column in ("toolNames", "calledToolNames"):
            span = spans[row.dimensions["id"]]
            return list(span.tools if column == "toolNames" else span.called)
        return row.dimensions[column]

    rows = world.views[view]
    values = [{column: value(row)} for row in rows]
    kind = filter_columns(VIEWS[view], version)[column].kind
    possible = list(conditions(kind, False, values, column))
    for condition in possible[:: max(1, len(possible) // 12)]:
        given = {**condition, "column": column}
        reply = await ask(client, asked(view, [("count", "count")], filters=[given]), version)
        assert reply.data == [{"count_count": sum(holds(condition, value(row)) for row in rows)}], given


async def test_names_that_are_no_column_are_the_name(client: Client, world: World) -> None:
    for view, column in (("scores-numeric", "scoreName"), ("observations", "observationName"), ("traces", "traceName")):
        name = next(row.dimensions["name"] for row in world.views[view] if row.dimensions["name"])
        given = {"type": "string", "column": column, "operator": "=", "value": name}
        reply = await ask(client, asked(view, [("count", "count")], filters=[given]))
        assert reply.data == [{"count_count": sum(r.dimensions["name"] == name for r in world.views[view])}]


async def test_kinds_of_usage_are_filtered_where_they_are_rows(client: Client, world: World) -> None:
    given = {"type": "stringOptions", "column": "usageType", "operator": "any of", "value": ["input"]}
    query = asked("observations", [("usageByType", "sum")], dimensions=by("providedModelName"), filters=[given])
    reply = await ask(client, query, 2)
    rows = [row for row in rows_of(world, "observations", "usageType") if row.dimensions["usageType"] == "input"]
    compare(reply.data, rows, ["providedModelName", "usageType"], [("usageByType", "sum")])
    reply = await ask(client, asked("observations", [("count", "count")], filters=[given]), 2)
    assert (reply.status, reply.json["error"]) == (400, "InvalidRequestError")


# -- time ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("granularity", ["minute", "hour", "day", "week", "month"])
@pytest.mark.parametrize("view", ["traces", "observations", "scores-numeric"])
async def test_buckets_without_rows_are_filled(client: Client, world: World, view: str, granularity: str) -> None:
    until = MONDAY + (DAY if granularity == "minute" else 30 * DAY) + 90 * SECOND
    query = asked(view, [("count", "count"), ("count", "avg")], timeDimension={"granularity": granularity})
    query |= {"fromTimestamp": iso(FROM), "toTimestamp": iso(until)}
    reply = await ask(client, query)
    rows = [row for row in world.views[view] if FROM <= row.at <= until]
    counts = {group[0]: len(members) for group, members in grouped(rows, [], granularity).items()}
    expected = metric_rows.buckets(FROM, until, granularity)
    assert [row["time_dimension"] for row in reply.data] == expected
    assert [row["count_count"] for row in reply.data] == [counts.get(at, 0) for at in expected]
    assert [row["avg_count"] for row in reply.data] == [int(at in counts) for at in expected]
    assert len(counts) < len(expected) or granularity == "month"


async def test_filled_rows_have_no_dimensions(client: Client, world: World) -> None:
    metrics = [("latency", "histogram"), ("latency", "p95"), ("totalCost", "sum")]
    query = asked("observations", metrics, dimensions=by("type", "tags"), timeDimension={"granularity": "day"})
    reply = await ask(client, query)
    days = [row["time_dimension"] for row in reply.data]
    assert days == sorted(days)
    assert list(dict.fromkeys(days)) == metric_rows.buckets(FROM, TO, "day")
    empty = reply.data[-1]
    assert empty == {
        "type": None,
        "tags": [],
        "time_dimension": "2026-07-31",
        "histogram_latency": [],
        "p95_latency": 0,
        "sum_totalCost": 0,
    }
    there = [row for row in reply.data if row["type"] is not None]
    compare(there, world.views["observations"], ["type", "tags"], metrics, "day")


@pytest.mark.parametrize(
    ("hours", "granularity"),
    [(1.9, "minute"), (2, "hour"), (71.9, "hour"), (72, "day"), (1439, "day"), (1440, "week"), (8760, "month")],
)
async def test_auto_granularity(client: Client, world: World, hours: float, granularity: str) -> None:
    until = FROM + int(hours * HOUR)
    query = asked("observations", [("count", "count")], timeDimension={"granularity": "auto"})
    reply = await ask(client, query | {"toTimestamp": iso(until)})
    assert [row["time_dimension"] for row in reply.data] == metric_rows.buckets(FROM, until, granularity)


async def test_both_ends_are_inclusive(client: Client, world: World) -> None:
    ats = sorted(row.at for row in world.views["observations"])
    low, high = ats[3], ats[-3]
    for view in ("observations", "traces", "scores-numeric"):
        query = asked(view, [("count", "count")]) | {"fromTimestamp": iso(low), "toTimestamp": iso(high)}
        reply = await ask(client, query)
        assert reply.data == [{"count_count": sum(low <= row.at <= high for row in world.views[view])}]


async def test_an_end_in_milliseconds_is_all_of_it(client: Client, server: Server) -> None:
    """23:59:59.999 is the end of a day: what starts half a millisecond later belongs to it, as it is in milliseconds."""
    at = MONDAY + 200 * DAY
    insert(server, [Span(f"{1007:032x}", f"{n:016x}", at + ns) for n, ns in enumerate((0, 999_999, 1_000_000))])
    query = asked("observations", [("count", "count")]) | {"fromTimestamp": iso(at - HOUR)}
    for until, count in ((iso(at)[:-7] + "Z", 2), (iso(at + 1), 1), (iso(at + 999_999), 2), (iso(at + 1_000_000), 3)):
        assert (await ask(client, query | {"toTimestamp": until})).data == [{"count_count": count}], until


async def test_a_trace_belongs_to_its_start(client: Client, server: Server) -> None:
    """A range that begins within a trace has its observations, and not the trace; what they say of users and tags is the
    trace's, which was said before."""
    at, id_ = MONDAY + 220 * DAY, f"{1008:032x}"
    root = Span(id_, f"{10080:016x}", at, name="root", user_id="user of 8", tags=("t8",))
    insert(server, [root, Span(id_, f"{10081:016x}", at + 3 * HOUR, parent=root.span_id, tokens=(3, 4))])
    later = {"fromTimestamp": iso(at + HOUR), "toTimestamp": iso(at + 5 * HOUR)}
    assert (await ask(client, asked("traces", [("count", "count")]) | later)).data == [{"count_count": 0}]
    query = asked("observations", [("totalTokens", "sum")], dimensions=by("userId", "tags", "traceName")) | later
    assert (await ask(client, query)).data == [
        {"userId": "user of 8", "tags": ["t8"], "traceName": "root", "sum_totalTokens": 7}
    ]
    whole = asked("traces", [("totalTokens", "sum"), ("latency", "max")], dimensions=by("id"))
    whole |= {"fromTimestamp": iso(at), "toTimestamp": iso(at + HOUR)}
    latency = (3 * HOUR + SECOND) / 1e6
    assert (await ask(client, whole)).data == [{"id": id_, "sum_totalTokens": 7, "max_latency": latency}]


async def test_a_trace_without_observations(client: Client, server: Server) -> None:
    """What says something of a trace is no observation, and the trace is there without any."""
    at = MONDAY + 240 * DAY
    told = Span(f"{1009:032x}", f"{10090:016x}", at, type="TRACE", name="told", tokens=(5, 5), cost="1")
    insert(server, [told])
    within = {"fromTimestamp": iso(at - HOUR), "toTimestamp": iso(at + HOUR)}
    metrics = [("count", "count"), ("observationsCount", "max"), ("latency", "avg"), ("totalCost", "sum")]
    found = await ask(client, asked("traces", metrics, dimensions=by("name")) | within)
    assert found.data == [
        {"name": "told", "count_count": 1, "max_observationsCount": 0, "avg_latency": None, "sum_totalCost": 0}
    ]
    found = await ask(client, asked("observations", [("totalCost", "sum"), ("count", "count")]) | within)
    assert found.data == [{"sum_totalCost": 0, "count_count": 0}]


async def test_what_json_has_no_number_for_is_null(client: Client, server: Server) -> None:
    at = MONDAY + 260 * DAY
    row = "'{p}', '{id}', fromUnixTimestamp64Nano({at}), 'odd', 'NUMERIC', {value}"
    rows = [row.format(p="p", id=f"odd {n}", at=at + n, value=value) for n, value in enumerate(("nan", "inf", "1"))]
    columns = "project_id, id, timestamp, name, data_type, value"
    answer = server.ask(f"INSERT INTO scores ({columns}) VALUES ({'), ('.join(rows)})", database="litefuse")
    assert answer.status == 200, answer.text
    query = asked("scores-numeric", [("value", "sum"), ("value", "max"), ("value", "count")], dimensions=by("id"))
    query |= {"fromTimestamp": iso(at), "toTimestamp": iso(at + HOUR)}
    found = {row["id"]: (row["sum_value"], row["max_value"]) for row in (await ask(client, query)).data}
    assert found == {"odd 0": (None, None), "odd 1": (None, None), "odd 2": (1, 1)}


# -- orders and limits ---------------------------------------------------------------------------------------------------


async def test_default_orders(client: Client, world: World) -> None:
    dear = (await ask(client, asked("observations", [("totalCost", "sum")], dimensions=by("type")))).data
    assert [row["sum_totalCost"] for row in dear] == sorted((r["sum_totalCost"] for r in dear), reverse=True)
    named = (await ask(client, asked("observations", [], dimensions=by("providedModelName")))).data
    models = [row["providedModelName"] for row in named]
    assert models[-1] is None
    assert models[:-1] == sorted(models[:-1])
    assert sum(row["count"] for row in named) == len(world.views["observations"])
    bars = asked("observations", [("latency", "histogram")], dimensions=by("type"))
    types = [row["type"] for row in (await ask(client, bars)).data]
    assert types == sorted(types)
    assert (await ask(client, asked("observations", []))).data == [{"count": len(world.views["observations"])}]


@pytest.mark.parametrize("direction", ["asc", "desc"])
async def test_orders(client: Client, world: World, direction: str) -> None:
    """Null comes last either way."""
    order = [{"field": "p50_timeToFirstToken", "direction": direction}, {"field": "promptName", "direction": direction}]
    query = asked("observations", [("timeToFirstToken", "p50")], dimensions=by("promptName"), orderBy=order)
    rows = (await ask(client, query)).data
    known = [(row["p50_timeToFirstToken"], row["promptName"].encode()) for row in rows if None not in row.values()]
    assert known == sorted(known, reverse=direction == "desc")
    values = [row["p50_timeToFirstToken"] for row in rows]
    nulls = values.count(None)
    assert nulls
    assert values[-nulls:] == [None] * nulls
    order = [{"field": "time_dimension", "direction": direction}]
    query = asked("observations", [], timeDimension={"granularity": "day"}, orderBy=order)
    days = [row["time_dimension"] for row in (await ask(client, query)).data]
    assert days == sorted(
        {metric_rows.bucket(r.at, "day") for r in world.views["observations"]}, reverse=direction == "desc"
    )


async def test_row_limit(client: Client, world: World) -> None:
    query = asked("observations", [("count", "count")], dimensions=by("id"))
    every = (await ask(client, query)).data
    assert len(every) == len(world.views["observations"])
    assert (await ask(client, query | {"config": {"row_limit": 3}})).data == every[:3]
    hours = asked("observations", [("count", "count")], timeDimension={"granularity": "hour"})
    assert len((await ask(client, hours, 1)).data) == len(metric_rows.buckets(FROM, TO, "hour"))
    first = (await ask(client, hours, 2)).data
    assert len(first) == 100
    assert first == (await ask(client, hours, 1)).data[:100]


async def test_bins(client: Client, world: World) -> None:
    query = asked("observations", [("totalTokens", "histogram")], config={"bins": 2})
    bars = (await ask(client, query)).data[0]["histogram_totalTokens"]
    assert len(bars) == 2
    assert sum(bar[2] for bar in bars) == pytest.approx(len(world.views["observations"]))


async def test_another_project_has_its_own(client: Client, world: World) -> None:
    query = asked("observations", [("count", "count")], dimensions=by("traceName"))
    rows = (await ask(client, query, keys=PROJECTS["other"])).data
    assert {row["traceName"] for row in rows} == {"theirs"}
    for view in VIEWS:
        names = (await ask(client, asked(view, [], dimensions=by("name")))).data
        assert "theirs" not in {row["name"] for row in names}
