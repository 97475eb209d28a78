"""Numbers by day against plain Python (public-api.md section 7.2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.embedded.server import Server
from tests.web.api import metric_rows
from tests.web.api.filter_language import iso
from tests.web.api.filter_rows import trace_rows
from tests.web.api.metric_rows import World
from tests.web.api.support import PROJECTS, Client
from tests.web.queries.support import HOUR, MONDAY, SECOND, Span, insert, newest

DAY = 24 * HOUR


@pytest.fixture(scope="module")
def world(server: Server) -> World:
    return metric_rows.made(server)


def date(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns // SECOND, UTC):%Y-%m-%d}"


def days(
    world: World, matches: Callable[[Any], bool] = lambda trace: True, low: int = 0, high: int = 2**63
) -> list[dict[str, Any]]:
    """The newest first. Of traces that match; of what starts in [low, high)."""
    traces = {id_: trace for id_, trace in trace_rows(world.spans, []).items() if matches(trace)}
    starts: dict[str, int] = defaultdict(int)
    for trace in traces.values():
        if low <= trace["timestamp"] < high:
            starts[date(trace["timestamp"])] += 1
    used: dict[str, dict[str, list[Span]]] = defaultdict(lambda: defaultdict(list))
    for span in newest(world.spans):
        if span.trace_id in traces and span.type != "TRACE" and low <= span.start < high:
            used[date(span.start)][span.model].append(span)
    return [
        {
            "date": day,
            "countTraces": starts.get(day, 0),
            "countObservations": sum(map(len, used[day].values())),
            "totalCost": cost([span for spans in used[day].values() for span in spans]),
            "usage": [
                {
                    "model": model or None,
                    "inputUsage": sum(span.tokens[0] for span in spans),
                    "outputUsage": sum(span.tokens[1] for span in spans),
                    "totalUsage": sum(sum(span.tokens) for span in spans),
                    "countObservations": len(spans),
                    "countTraces": len({span.trace_id for span in spans}),
                    "totalCost": cost(spans),
                }
                for model, spans in sorted(used[day].items(), key=lambda entry: (-len(entry[1]), entry[0].encode()))
            ],
        }
        for day in sorted({*starts, *used}, reverse=True)
    ]


def cost(spans: Sequence[Span]) -> float:
    return float(sum((Decimal(span.cost) for span in spans if span.cost is not None), Decimal(0)))


async def test_days(client: Client, world: World) -> None:
    reply = await client.get("/metrics/daily", {"limit": 100})
    expected = days(world)
    assert reply.data == expected
    assert reply.json["meta"] == {"page": 1, "limit": 100, "totalItems": len(expected), "totalPages": 1}
    assert len(expected) > 10


async def test_pages(client: Client, world: World) -> None:
    expected = days(world)
    found = []
    for page in range(1, 100):
        reply = await client.get("/metrics/daily", {"limit": 4, "page": page})
        assert reply.json["meta"]["totalItems"] == len(expected)
        assert reply.json["meta"]["totalPages"] == -(-len(expected) // 4)
        if not reply.data:
            break
        found += reply.data
    assert found == expected


async def test_filters(client: Client, world: World) -> None:
    traces = trace_rows(world.spans, []).values()
    user = next(trace["userId"] for trace in traces if trace["userId"])
    name = next(trace["name"] for trace in traces if trace["name"])
    two = next(trace["tags"] for trace in traces if len(trace["tags"]) > 1)
    cases: list[tuple[dict[str, Any], Callable[[Any], bool]]] = [
        ({"userId": user}, lambda trace: trace["userId"] == user),
        ({"traceName": name}, lambda trace: trace["name"] == name),
        ({"tags": two}, lambda trace: set(two) <= set(trace["tags"])),
        ({"environment": ["prod", "dev"]}, lambda trace: trace["environment"] in ("prod", "dev")),
        ({"environment": "prod,dev"}, lambda trace: trace["environment"] in ("prod", "dev")),
        ({"userId": "nobody"}, lambda trace: False),
    ]
    for query, matches in cases:
        expected = days(world, matches)
        reply = await client.get("/metrics/daily", query | {"limit": 100})
        assert reply.data == expected, query
        assert reply.json["meta"]["totalItems"] == len(expected)


async def test_range_is_from_inclusive_to_exclusive(client: Client, world: World) -> None:
    ats = sorted(span.start for span in newest(world.spans) if span.type != "TRACE")
    low, high = ats[5], ats[-5]
    reply = await client.get("/metrics/daily", {"fromTimestamp": iso(low), "toTimestamp": iso(high), "limit": 100})
    assert reply.data == days(world, low=low, high=high)
    for far in ({"fromTimestamp": "2200-01-01"}, {"toTimestamp": "1970-01-01"}, {"page": 7, "limit": 100}):
        reply = await client.get("/metrics/daily", far)
        assert reply.data == []


async def test_midnight(client: Client, server: Server) -> None:
    """A trace over midnight is of its first day, its observations of both."""
    at, id_ = MONDAY + 300 * DAY, "f" * 32
    spans = [Span(id_, f"{n:016x}", at + n - 2, parent="" if n == 1 else f"{1:016x}", project="other") for n in (1, 2)]
    insert(server, spans)
    since = {"fromTimestamp": iso(at - HOUR)}
    found = (await client.get("/metrics/daily", since, keys=PROJECTS["other"])).data
    assert [(row["date"], row["countTraces"], row["countObservations"]) for row in found] == [
        (date(at), 0, 1),
        (date(at - 1), 1, 1),
    ]


async def test_nothing(client: Client, server: Server) -> None:
    reply = await client.get("/metrics/daily", {"fromTimestamp": "2100-01-01T00:00:00Z"})
    assert reply.json == {"data": [], "meta": {"page": 1, "limit": 50, "totalItems": 0, "totalPages": 0}}
    assert (await client.get("/metrics/daily", {"limit": 101})).status == 400
