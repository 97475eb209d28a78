"""Queries of metrics that cannot be: 400 with a reason, whatever is wrong with them (public-api.md sections 1.4 and 7.1)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.embedded.server import Server
from tests.web.api.support import INGEST, Client, Reply
from tests.web.queries.support import MONDAY, Span, insert
from web.queries.metric_query import AGGREGATIONS
from web.queries.metric_views import VIEWS

BASE: dict[str, Any] = {
    "view": "observations",
    "metrics": [{"measure": "count", "aggregation": "count"}],
    "fromTimestamp": "2026-05-01T00:00:00Z",
    "toTimestamp": "2026-07-01T00:00:00Z",
}
DOC = Path(__file__).parents[3] / "docs" / "metrics-api.md"
TOP = {"config": {"row_limit": 5}, "orderBy": [{"field": "count_count", "direction": "desc"}]}
NASTY = (
    "x) UNION ALL SELECT secret_hash FROM api_keys --",
    "span_id",
    "toString(project_id)",
    "`name`",
    "name' OR '1'='1",
    "{project:String}",
    "{own}",
    "each_name",
    "__class__",
    "",
    "nul\0nul",
    "žluť 🐴",
)


@pytest.fixture(scope="module", autouse=True)
def _spans(server: Server) -> None:
    insert(server, [Span(f"{n:032x}", f"{n:016x}", MONDAY + n, user_id="ann", model="m") for n in range(3)])


async def ask(client: Client, query: Any, version: int = 1) -> Reply:
    text = query if isinstance(query, str) else json.dumps(query)
    return await client.get("/metrics" if version == 1 else "/v2/metrics", {"query": text})


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"view": None}, ["view"]),
        ({"view": "sessions"}, ["view"]),
        ({"metrics": None}, ["metrics"]),
        ({"metrics": {"measure": "count"}}, ["metrics"]),
        ({"metrics": [{"measure": "count"}]}, ["metrics", 0, "aggregation"]),
        ({"metrics": [{"measure": 1, "aggregation": "count"}]}, ["metrics", 0, "measure"]),
        ({"dimensions": ["name"]}, ["dimensions", 0]),
        ({"dimensions": [{}]}, ["dimensions", 0, "field"]),
        ({"timeDimension": {"granularity": "second"}}, ["timeDimension", "granularity"]),
        ({"timeDimension": "day"}, ["timeDimension"]),
        ({"fromTimestamp": None}, ["fromTimestamp"]),
        ({"fromTimestamp": "yesterday"}, ["fromTimestamp"]),
        ({"fromTimestamp": 1780272000}, ["fromTimestamp"]),
        ({"fromTimestamp": "2026-07-01T00:00:00Z"}, ["fromTimestamp"]),
        ({"orderBy": [{"field": "count_count"}]}, ["orderBy", 0, "direction"]),
        ({"orderBy": [{"field": "count_count", "direction": "down"}]}, ["orderBy", 0, "direction"]),
        ({"config": {"bins": 0}}, ["config", "bins"]),
        ({"config": {"bins": 101}}, ["config", "bins"]),
        ({"config": {"bins": "1) OR sleep("}}, ["config", "bins"]),
        ({"config": {"row_limit": 0}}, ["config", "row_limit"]),
        ({"config": {"row_limit": 1001}}, ["config", "row_limit"]),
        ({"filters": "x"}, ["filters"]),
        ({"filters": ["x"]}, ["filters", 0]),
        ({"filters": [{"type": "string", "column": "tags", "operator": "=", "value": "a"}]}, ["filters", 0, "type"]),
        ({"filters": [{"type": "string", "column": "metadata", "operator": "=", "value": ""}]}, ["filters", 0, "type"]),
    ],
)
async def test_what_is_no_query(client: Client, version: int, change: dict[str, Any], path: list[str | int]) -> None:
    reply = await ask(client, {**BASE, **change}, version)
    assert reply.status == 400
    assert reply.json["message"] == "Invalid request data"
    assert path in [issue["path"] for issue in reply.json["error"]], reply.json


@pytest.mark.parametrize("text", ["", "{", "nope", "[" * 100_000])
async def test_what_is_no_json(client: Client, text: str) -> None:
    reply = await ask(client, text[:3000])
    assert reply.status == 400
    assert set(reply.json) == {"message", "error"}
    assert (await client.get("/metrics")).status == 400
    assert (await ask(client, "[]")).status == 400
    assert (await ask(client, "null")).status == 400


async def invalid(client: Client, change: dict[str, Any], version: int = 1) -> str:
    reply = await ask(client, {**BASE, **change}, version)
    assert (reply.status, reply.json["error"]) == (400, "InvalidRequestError"), reply.body
    message: str = reply.json["message"]
    return message


@pytest.mark.parametrize("name", NASTY)
async def test_names_are_never_sql(client: Client, name: str) -> None:
    message = await invalid(client, {"dimensions": [{"field": name}]})
    assert message.startswith(f"Invalid dimension {name}. Must be one of id,traceId,traceName,environment,")
    message = await invalid(client, {"metrics": [{"measure": name, "aggregation": "sum"}]})
    assert message.startswith(f"Invalid metric {name}. Must be one of count,latency,")
    message = await invalid(client, {"metrics": [{"measure": "latency", "aggregation": name}]})
    assert message.startswith(f"Invalid aggregation {name} for latency. Must be one of sum,avg,count,")
    message = await invalid(client, {"orderBy": [{"field": name, "direction": "asc"}]})
    assert message.startswith(f"Invalid orderBy field {name}. Must be one of ")
    given = {"type": "string", "column": "name", "operator": "=", "value": name}
    reply = await ask(client, {**BASE, "filters": [given]})
    assert reply.data == [{"count_count": 0}]
    keyed = {"type": "stringObject", "column": "metadata", "key": name, "operator": "=", "value": name}
    assert (await ask(client, {**BASE, "filters": [keyed]})).data == [{"count_count": 0}]


@pytest.mark.parametrize("column", [*NASTY, "latency", "totalCost", "count", "timestamp"])
async def test_filters_name_dimensions_the_time_or_metadata(client: Client, column: str) -> None:
    given = {"type": "string", "column": column, "operator": "=", "value": "x"}
    message = await invalid(client, {"filters": [given]})
    assert "startTime" in message
    assert "metadata" in message


async def test_orders_are_of_the_query(client: Client) -> None:
    for field in ("sum_latency", "name", "time_dimension", "count", "histogram_latency"):
        await invalid(client, {"orderBy": [{"field": field, "direction": "asc"}]})
    bars = {"metrics": [{"measure": "latency", "aggregation": "histogram"}]}
    await invalid(client, {**bars, "orderBy": [{"field": "histogram_latency", "direction": "desc"}]})


async def test_text_is_only_counted(client: Client) -> None:
    message = await invalid(client, {"metrics": [{"measure": "uniqueUserIds", "aggregation": "sum"}]}, 2)
    assert message == "Invalid aggregation sum for uniqueUserIds. Must be one of count,uniq"


async def test_one_dimension_at_most_makes_rows(client: Client) -> None:
    await invalid(client, {"dimensions": [{"field": "toolNames"}, {"field": "calledToolNames"}]})
    metrics = [{"measure": name, "aggregation": "sum"} for name in ("costByType", "usageByType")]
    await invalid(client, {"metrics": metrics}, 2)


@pytest.mark.parametrize("name", ["release", "isRootObservation", "costType", "usageType"])
async def test_dimensions_of_version_2(client: Client, name: str) -> None:
    assert name not in (await invalid(client, {"dimensions": [{"field": name}]})).partition("Must be one of ")[2].split(
        ","
    )
    assert (await ask(client, {**BASE, "dimensions": [{"field": name}]}, 2)).status == 200


async def test_version_2_has_no_traces(client: Client) -> None:
    assert "traces" in await invalid(client, {"view": "traces"}, 2)
    assert (await ask(client, {**BASE, "view": "traces"})).data == [{"count_count": 3}]


@pytest.mark.parametrize("view", ["observations", "scores-numeric", "scores-boolean", "scores-categorical"])
@pytest.mark.parametrize("name", ["id", "traceId", "userId", "sessionId", "parentObservationId", "observationId"])
async def test_version_2_gives_the_top_of_what_has_many_values(client: Client, view: str, name: str) -> None:
    if name == ("observationId" if view == "observations" else "parentObservationId"):
        assert "Invalid dimension" in await invalid(client, {"view": view, "dimensions": [{"field": name}]}, 2)
        return
    query = {"view": view, "dimensions": [{"field": name}]}
    refused: list[dict[str, Any]] = [
        {},
        {"config": {"row_limit": 5}},
        {"orderBy": TOP["orderBy"]},
        {**TOP, "config": {"bins": 3}},
        {**TOP, "orderBy": [{"field": "count_count", "direction": "asc"}]},
        {**TOP, "orderBy": [{"field": name, "direction": "desc"}]},
        {**TOP, "timeDimension": {"granularity": "day"}},
    ]
    for change in refused:
        assert f"High cardinality dimension(s) '{name}'" in await invalid(client, {**query, **change}, 2)
        assert (await ask(client, {**BASE, **query, **change}, 1)).status == 200
    assert (await ask(client, {**BASE, **query, **TOP}, 2)).status == 200
    given = {"type": "string", "column": name, "operator": "=", "value": "x"}
    assert (await ask(client, {**BASE, "view": view, "filters": [given]}, 2)).data == [{"count_count": 0}]


async def test_too_many_buckets(client: Client) -> None:
    change = {"timeDimension": {"granularity": "minute"}, "fromTimestamp": "2020-01-01T00:00:00Z"}
    assert "buckets" in await invalid(client, change)
    assert len((await ask(client, {**BASE, **change}, 2)).data) == 100


async def test_an_answer_that_is_cut_says_so(client: Client) -> None:
    """Version 2 has a hundred rows when no number is asked for: a week by the hour lost its last three days in silence."""
    week = {
        "timeDimension": {"granularity": "hour"},
        "fromTimestamp": "2026-06-01",
        "toTimestamp": "2026-06-07T23:00:00Z",
    }
    cut = (await ask(client, {**BASE, **week}, 2)).json
    assert (len(cut["data"]), cut["truncated"]) == (100, True)
    whole = (await ask(client, {**BASE, **week, "config": {"row_limit": 7 * 24}}, 2)).json
    assert (len(whole["data"]), "truncated" in whole) == (7 * 24, False)
    by_type = {"dimensions": [{"field": "type"}], "config": {"row_limit": 1}}
    found = (await ask(client, {**BASE, **by_type}, 1)).json
    assert found.get("truncated", False) == (
        len((await ask(client, {**BASE, "dimensions": by_type["dimensions"]})).data) > 1
    )
    assert len(found["data"]) <= 1


@pytest.mark.parametrize("change", [{"dimensions": ["name"]}, {"metrics": ["count"]}, {"config": 3}])
async def test_issues_name_no_class_of_ours(client: Client, change: dict[str, Any]) -> None:
    reply = await ask(client, {**BASE, **change})
    assert [issue["message"] for issue in reply.json["error"]] == ["Input should be an object"]


@pytest.mark.parametrize(("low", "high"), [("1600-01-01", "2300-01-01"), ("1969-12-01", "1970-02-01")])
@pytest.mark.parametrize("view", ["traces", "observations", "scores-numeric"])
async def test_ranges_beyond_all_time(client: Client, view: str, low: str, high: str) -> None:
    change = {"view": view, "fromTimestamp": low, "toTimestamp": high}
    assert (await ask(client, {**BASE, **change})).status == 200
    for granularity in ("week", "month"):
        reply = await ask(client, {**BASE, **change, "timeDimension": {"granularity": granularity}})
        assert reply.status == 200, reply.body
        total = 3 if view != "scores-numeric" and high > "2026" else 0
        assert sum(row["count_count"] for row in reply.data) == total


async def test_keys(client: Client) -> None:
    for path in ("/metrics", "/v2/metrics", "/metrics/daily"):
        query = {"query": json.dumps(BASE)}
        assert (await client.get(path, query, keys=INGEST)).status == 403
        assert (await client.get(path, query, keys=None)).status == 401
        assert (await client.get(path, query, keys="pk-lf-p")).status == 403


async def test_examples_of_the_documentation(client: Client) -> None:
    examples = re.findall(r"/api/public(/\S*metrics)\" .*?'query=(\{.*?)'\n```", DOC.read_text(), re.DOTALL)
    assert len(examples) == 2
    for path, query in examples:
        reply = await client.get(path, {"query": query})
        assert reply.status == 200, reply.body


def test_documentation_names_all_there_is() -> None:
    text = DOC.read_text()
    for view in VIEWS.values():
        for name in (view.name, view.time, *view.dimensions, *view.measures):
            assert f"`{name}`" in text or f"**{name}**" in text, name
    for aggregation in AGGREGATIONS:
        assert f"`{aggregation}`" in text
