"""GET /traces: parameters, orders, pages and totals (public-api.md section 3)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.embedded.server import Server
from tests.web.api.support import PROJECTS, Client, hex_id
from tests.web.queries.support import HOUR, MONDAY, SECOND, Merged, Span, insert, merge, random_trace
from web.api.values import time_text
from web.queries import totals

OTHER = PROJECTS["other"]
MANY = 230


@pytest.fixture(scope="module")
def made(server: Server) -> list[Merged]:
    """Traces of the other project, the newest first."""
    chance = random.Random(11)
    every = []
    for n in range(MANY):
        start = MONDAY + chance.randint(0, 20 * 24) * HOUR + chance.randint(0, SECOND)
        every.append(random_trace(chance, hex_id(n), start, 8))
    spans = [replace(span, project="other") for trace in every for span in trace]
    insert(server, spans)
    return sorted(map(merge, every), key=lambda t: (t.start_ns, t.id), reverse=True)


async def paged(client: Client, query: dict[str, Any], limit: int = 100) -> list[dict[str, Any]]:
    """All pages, as the SDKs read them; each says the same total."""
    found: list[dict[str, Any]] = []
    page = 1
    while True:
        reply = await client.get("/traces", {**query, "limit": limit, "page": page}, keys=OTHER)
        found += reply.data
        meta = reply.json["meta"]
        assert (meta["page"], meta["limit"]) == (page, limit)
        assert meta["totalPages"] == -(-meta["totalItems"] // limit)
        if page >= meta["totalPages"]:
            assert meta["totalItems"] == len(found)
            return found
        page += 1


async def test_every_trace_once_over_all_pages(client: Client, made: list[Merged]) -> None:
    found = await paged(client, {}, 37)
    assert [t["id"] for t in found] == [t.id for t in made]
    for trace, wanted in zip(found, made, strict=True):
        assert trace["name"] == (wanted.name or None)
        assert trace["timestamp"] == time_text(wanted.start_ns)
        assert trace["tags"] == wanted.tags
        assert trace["latency"] == pytest.approx(wanted.latency_ns / 1e9)
        assert trace["totalCost"] == pytest.approx(float(wanted.total_cost or 0))
        assert len(trace["observations"]) == wanted.observations


SIMPLE: dict[str, tuple[dict[str, Any], Callable[[Merged], bool]]] = {
    "user": ({"userId": "ann"}, lambda t: t.user_id == "ann"),
    "no user": ({"userId": ""}, lambda t: t.user_id == ""),
    "session": ({"sessionId": "s1"}, lambda t: t.session_id == "s1"),
    "release": ({"release": "r1"}, lambda t: t.release == "r1"),
    "version": ({"version": "v1"}, lambda t: t.version == "v1"),
    "one tag": ({"tags": "a"}, lambda t: "a" in t.tags),
    "tags": ({"tags": ["a", "b"]}, lambda t: {"a", "b"} <= set(t.tags)),
    "tags with a comma": ({"tags": "a,b"}, lambda t: {"a", "b"} <= set(t.tags)),
    "environments": ({"environment": ["prod", "dev"]}, lambda t: t.environment in ("prod", "dev")),
    "two at once": ({"userId": "ann", "environment": "prod"}, lambda t: (t.user_id, t.environment) == ("ann", "prod")),
    "from": (
        {"fromTimestamp": "2026-06-10T00:00:00Z"},
        lambda t: t.start_ns >= MONDAY + 9 * 24 * HOUR,
    ),
    "to": ({"toTimestamp": "2026-06-10T02:00:00+02:00"}, lambda t: t.start_ns < MONDAY + 9 * 24 * HOUR),
}


@pytest.mark.parametrize("name", SIMPLE)
async def test_simple_parameters(client: Client, made: list[Merged], name: str) -> None:
    query, matches = SIMPLE[name]
    wanted = [t.id for t in made if matches(t)]
    assert 0 < len(wanted) < MANY
    assert [t["id"] for t in await paged(client, {**query, "fields": "core"})] == wanted


async def test_by_name(client: Client, made: list[Merged]) -> None:
    name = made[3].name
    wanted = [t.id for t in made if t.name == name]
    assert [t["id"] for t in await paged(client, {"name": name, "fields": "core"})] == wanted


@pytest.mark.parametrize(
    ("order", "key"),
    [
        ("id", lambda t: t.id),
        ("timestamp", lambda t: t.start_ns),
        ("name", lambda t: t.name),
        ("userId", lambda t: t.user_id),
        ("sessionId", lambda t: t.session_id),
        ("release", lambda t: t.release),
        ("version", lambda t: t.version),
        ("public", lambda t: t.public),
        ("bookmarked", lambda t: False),
    ],
)
@pytest.mark.parametrize("direction", ["asc", "DESC"])
async def test_orders(
    client: Client, made: list[Merged], order: str, key: Callable[[Merged], Any], direction: str
) -> None:
    wanted = [t.id for t in sorted(made, key=lambda t: (key(t), t.id), reverse=direction == "DESC")]
    found = await paged(client, {"orderBy": f"{order}.{direction}", "fields": "core"})
    assert [t["id"] for t in found] == wanted


@pytest.mark.parametrize(
    "query",
    [
        {"orderBy": "timestamp"},
        {"orderBy": "timestamp.up"},
        {"orderBy": "latency.asc"},
        {"orderBy": "timestamp.desc; DROP TABLE spans"},
        {"orderBy": ".desc"},
        {"limit": 0},
        {"limit": 101},
        {"limit": "x"},
        {"page": 0},
        {"page": "1.5"},
        {"fromTimestamp": "yesterday"},
        {"filter": "["},
        {"filter": '[{"type":"string","column":"nothing","operator":"=","value":"x"}]'},
        {"userId": ["a", "b"]},
    ],
)
async def test_bad_parameters(client: Client, query: dict[str, Any]) -> None:
    reply = await client.get("/traces", query)
    assert reply.status == 400
    assert set(reply.json) == {"message", "error"}


async def test_pages_past_the_end_and_empty_lists(client: Client, made: list[Merged]) -> None:
    reply = await client.get("/traces", {"page": 1000}, keys=OTHER)
    assert (reply.status, reply.data) == (200, [])
    assert reply.json["meta"] == {"page": 1000, "limit": 50, "totalItems": MANY, "totalPages": 5}
    reply = await client.get("/traces", {"userId": "nobody"}, keys=OTHER)
    assert reply.data == []
    assert reply.json["meta"] == {"page": 1, "limit": 50, "totalItems": 0, "totalPages": 0}
    reply = await client.get("/traces", {"toTimestamp": "1970-01-01T00:00:00Z"}, keys=OTHER)
    assert (reply.data, reply.json["meta"]["totalItems"]) == ([], 0)
    # deeper than pages are walked to
    reply = await client.get("/traces", {"page": 1_000_000, "limit": 100, "fields": "core"}, keys=OTHER)
    assert (reply.status, reply.data) == (200, [])


async def test_a_thousand_traces_that_start_at_once(client: Client, server: Server) -> None:
    insert(
        server, [Span(hex_id(0xA0000 + n), "a" * 16, MONDAY - 700 * 24 * HOUR, user_id="at once") for n in range(1000)]
    )
    found: list[str] = []
    for page in range(1, 12):
        reply = await client.get("/traces", {"userId": "at once", "limit": 100, "page": page, "fields": "core"})
        found += [t["id"] for t in reply.data]
        assert reply.json["meta"]["totalItems"] == 1000
    assert len(found) == len(set(found)) == 1000


async def test_a_total_that_takes_too_long_is_a_lower_bound(
    client: Client, made: list[Merged], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totals, "COUNT_S", 0.001)
    reply = await client.get("/traces", {"limit": 10, "page": 3, "fields": "core"}, keys=OTHER)
    assert len(reply.data) == 10
    assert reply.json["meta"] == {
        "page": 3,
        "limit": 10,
        "totalItems": 31,
        "totalPages": 4,
        "totalIsLowerBound": True,
    }
