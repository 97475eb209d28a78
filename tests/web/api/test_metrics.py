"""Metrics through HTTP against the same in plain Python: every view with every measure, aggregation, dimension and filter
(public-api.md section 7.1)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.embedded.server import Server
from tests.web.api import metric_rows
from tests.web.api.filter_language import conditions, holds, iso
from tests.web.api.metric_rows import AGGREGATIONS, Row, World, exploded
from tests.web.api.metric_support import DAY, EACH, FROM, TO, ask, asked, by, compare, rows_of, spans_by_id
from tests.web.api.support import PROJECTS, Client
from tests.web.queries.support import HOUR, MONDAY, Span, insert
from web.api.metrics import filter_columns
from web.queries.metric_views import VIEWS, View


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
