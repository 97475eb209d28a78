"""GET /sessions and /sessions/{id} (public-api.md section 5)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.embedded.server import Server
from tests.web.api.support import PROJECTS, Client, hex_id
from tests.web.queries.support import HOUR, MONDAY, SECOND, Span, insert
from web.api.values import time_text

OTHER = PROJECTS["other"]
DAY = 24 * HOUR
KEYS = {"id", "createdAt", "projectId", "environment"}
TRACE_KEYS = {
    *("id", "projectId", "timestamp", "name", "userId", "sessionId", "release", "version", "environment", "public"),
    *("bookmarked", "tags", "input", "output", "metadata", "externalId", "createdAt", "updatedAt"),
}
MANY = 60


@pytest.fixture(scope="module")
def made(server: Server) -> list[str]:
    """Sessions of three traces each, the one that began last first; session n began on day n."""
    spans = [
        Span(
            hex_id(n * 3 + k),
            f"{k:016x}",
            MONDAY + n * DAY + k * HOUR,
            session_id=f"session {n:02d}",
            # the first trace is what counts
            environment=("prod" if n % 3 else "dev") if k == 0 else "late",
            project="other",
        )
        for n in range(MANY)
        for k in range(3)
    ]
    insert(server, [*spans, Span("f" * 32, "f" * 16, MONDAY, project="other")])
    return [f"session {n:02d}" for n in reversed(range(MANY))]


async def paged(client: Client, query: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page = 1
    while True:
        reply = await client.get("/sessions", {**query, "limit": 17, "page": page}, keys=OTHER)
        found += reply.data
        if page >= reply.json["meta"]["totalPages"]:
            assert reply.json["meta"]["totalItems"] == len(found)
            return found
        page += 1


async def test_every_session_once(client: Client, made: list[str]) -> None:
    found = await paged(client, {})
    assert [session["id"] for session in found] == made
    for n, session in enumerate(reversed(found)):
        assert session == {
            "id": f"session {n:02d}",
            "createdAt": time_text(MONDAY + n * DAY),
            "projectId": "other",
            "environment": "prod" if n % 3 else "dev",
        }


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ({"fromTimestamp": "2026-06-11T00:00:00Z"}, range(10, MANY)),
        ({"toTimestamp": "2026-06-11T00:00:00Z"}, range(10)),
        ({"fromTimestamp": "2026-06-11T00:00:00.001Z", "toTimestamp": "2026-06-13"}, range(11, 12)),
        ({"environment": "dev"}, range(0, MANY, 3)),
        ({"environment": ["dev", "prod"]}, range(MANY)),
        ({"environment": "late"}, range(0)),
        ({"environment": "prod", "toTimestamp": "2026-06-03T00:00:00Z"}, range(1, 2)),
    ],
)
async def test_parameters(client: Client, made: list[str], query: dict[str, Any], days: range) -> None:
    assert [s["id"] for s in await paged(client, query)] == [f"session {n:02d}" for n in reversed(days)]


async def test_pages_past_the_end_and_empty_projects(client: Client, made: list[str]) -> None:
    reply = await client.get("/sessions", {"page": 9}, keys=OTHER)
    assert (reply.data, reply.json["meta"]) == ([], {"page": 9, "limit": 50, "totalItems": MANY, "totalPages": 2})
    assert (await client.get("/sessions", {"environment": "nowhere"})).json == {
        "data": [],
        "meta": {"page": 1, "limit": 50, "totalItems": 0, "totalPages": 0},
    }


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 101}, {"page": "a"}, {"fromTimestamp": "x"}, {"page": [1, 2]}]
)
async def test_bad_parameters(client: Client, query: dict[str, Any]) -> None:
    assert (await client.get("/sessions", query)).status == 400


@pytest.mark.parametrize("id_", ["talk", "a/b c", "ö'\\\"{x:String}", "%2F"])
async def test_one_session(client: Client, server: Server, id_: str) -> None:
    at = MONDAY - 300 * DAY
    own = f"{abs(hash(id_)):x}"
    insert(
        server,
        [
            Span(f"{own}2", "2" * 16, at + SECOND, session_id=id_, user_id="ann", input="two", tags=("t",)),
            Span(f"{own}1", "1" * 16, at, session_id=id_, environment="prod", input='{"q":1}', metadata={"k": "[1]"}),
            # says it late; its own session is another
            Span(f"{own}3", "3" * 16, at, session_id=id_),
            Span(f"{own}3", "4" * 16, at + SECOND, parent="3" * 16, session_id="another"),
        ],
    )
    reply = await client.get(f"/sessions/{quote(id_, safe='')}")
    assert reply.status == 200, reply.body
    session = reply.json
    assert set(session) == {*KEYS, "traces"}
    assert (session["id"], session["createdAt"], session["environment"]) == (id_, time_text(at), "prod")
    assert [trace["id"] for trace in session["traces"]] == [f"{own}1", f"{own}2"]
    one, two = session["traces"]
    assert set(one) == TRACE_KEYS
    assert (one["input"], one["metadata"], one["sessionId"]) == ({"q": 1}, {"k": [1]}, id_)
    assert (two["input"], two["userId"], two["tags"]) == ("two", "ann", ["t"])
    assert (await client.get(f"/sessions/{quote(id_, safe='')}", keys=OTHER)).status == 404


async def test_a_session_of_many_traces_has_all(client: Client, server: Server) -> None:
    insert(server, [Span(f"many{n:028x}", "a" * 16, MONDAY + n, session_id="long", input=str(n)) for n in range(1200)])
    traces = (await client.get("/sessions/long")).json["traces"]
    assert [trace["input"] for trace in traces] == list(range(1200))


@pytest.mark.parametrize("id_", ["nothing", "a/b", "%00", "session"])
async def test_unknown_sessions(client: Client, made: list[str], id_: str) -> None:
    reply = await client.get(f"/sessions/{id_}")
    assert reply.status == 404
    assert reply.json == {"message": "Session not found within authorized project", "error": "LangfuseNotFoundError"}
