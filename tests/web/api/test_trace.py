"""GET /traces/{id}, and the same trace in a list: what is said of it, ids, groups of fields (public-api.md section 3)."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.embedded.server import Server
from tests.web.api.support import PROJECTS, Client, api, hex_id
from tests.web.queries.support import HOUR, MONDAY, SECOND, Span, insert

OTHER = PROJECTS["other"]
#: All keys of a trace in a list.
KEYS = {
    *("id", "projectId", "timestamp", "name", "userId", "sessionId", "release", "version", "environment", "public"),
    *(
        "bookmarked",
        "tags",
        "input",
        "output",
        "metadata",
        "externalId",
        "createdAt",
        "updatedAt",
        "htmlPath",
        "latency",
    ),
    *("totalCost", "observations", "scores"),
}


# -- one trace -----------------------------------------------------------------------------------------------------------

FULL = hex_id(0xF011)


@pytest.fixture(scope="module")
def full(server: Server) -> str:
    """A trace that says everything, of three observations."""
    at = MONDAY + 40 * 24 * HOUR
    insert(
        server,
        [
            Span(
                FULL,
                "00000000000000b1",
                at,
                at + 5 * SECOND,
                name="root",
                user_id="ann",
                session_id="talk",
                tags=("b", "a"),
                release="r1",
                version="v1",
                public=True,
                environment="prod",
                metadata={"tier": "gold", "count": "5", "list": "[1,2]", "text": '"5"', "empty": ""},
                input='{"z": 1, "a": [1.0, 12345678901234567890123]}',
                output="no JSON",
                resource={"service.name": "shop", "v": "1.0"},
                attributes={"custom": "1.0", "input.value": "hidden"},
                scope=("my-scope", "2"),
            ),
            Span(
                FULL,
                "00000000000000a2",
                at + SECOND,
                at + 9 * SECOND,
                parent="00000000000000b1",
                type="GENERATION",
                cost="0.5",
            ),
            Span(FULL, "00000000000000a1", at + 2 * SECOND, parent="00000000000000b1", cost="0.25", unended=True),
            # nothing of its resource is the trace's: it says nothing of the trace
            Span(FULL, "00000000000000a0", at + 3 * SECOND, parent="00000000000000b1", resource={"service.name": "db"}),
        ],
    )
    return FULL


async def test_a_trace_with_everything(client: Client, full: str) -> None:
    reply = await client.get(f"/traces/{full}")
    assert reply.status == 200, reply.body
    trace = reply.json
    assert set(trace) == KEYS
    assert {name: trace[name] for name in KEYS - {"observations", "input", "metadata", "scores"}} == {
        "id": full,
        "projectId": "p",
        "timestamp": "2026-07-11T00:00:00.000Z",
        "name": "root",
        "userId": "ann",
        "sessionId": "talk",
        "release": "r1",
        "version": "v1",
        "environment": "prod",
        "public": True,
        "bookmarked": False,
        "tags": ["a", "b"],
        "output": "no JSON",
        "externalId": None,
        "createdAt": "2026-07-11T00:00:00.000Z",
        "updatedAt": "2026-07-11T00:00:09.000Z",
        "htmlPath": f"/project/p/traces/{full}",
        "latency": 9.0,
        "totalCost": 0.75,
    }
    assert trace["input"] == {"z": 1, "a": [1.0, 12345678901234567890123]}
    assert trace["metadata"] == {
        "tier": "gold",
        "count": 5,
        "list": [1, 2],
        "text": "5",
        "empty": "",
        "attributes": {"custom": "1.0"},
        "resourceAttributes": {"service.name": "shop", "v": "1.0"},
        "scope": {"name": "my-scope", "version": "2", "attributes": {}},
    }
    assert [o["id"][-2:] for o in trace["observations"]] == ["b1", "a2", "a1", "a0"]
    assert all(o["traceId"] == full for o in trace["observations"])
    assert trace["scores"] == []


async def test_the_same_trace_in_a_list(client: Client, full: str) -> None:
    [trace] = (await client.get("/traces", {"filter": _filter("id", full)})).data
    assert set(trace) == KEYS
    assert trace["observations"] == ["00000000000000b1", "00000000000000a2", "00000000000000a1", "00000000000000a0"]
    assert trace["metadata"] == {"tier": "gold", "count": 5, "list": [1, 2], "text": "5", "empty": ""}
    whole = (await client.get(f"/traces/{full}")).json
    different = {"observations", "metadata"}
    assert {k: v for k, v in trace.items() if k not in different} == {
        k: v for k, v in whole.items() if k not in different
    }


async def test_a_bare_span(client: Client, server: Server) -> None:
    bare = hex_id(0xBA4E)
    insert(server, [Span(bare, "0" * 15 + "1", MONDAY, name="", environment="", unended=True)])
    trace = (await client.get(f"/traces/{bare}")).json
    assert set(trace) == KEYS
    nothing = dict.fromkeys(("name", "userId", "sessionId", "release", "version", "input", "output"))
    assert {name: trace[name] for name in nothing} == nothing
    assert (trace["environment"], trace["public"], trace["tags"]) == ("default", False, [])
    assert (trace["latency"], trace["totalCost"]) == (0.0, 0.0)
    assert len(trace["observations"]) == 1


@pytest.mark.parametrize(
    ("spans", "one", "listed"),
    [
        ([(0, 5), (7, None)], 5.0, 7.0),  # the latest end that was sent; the latest start or end
        ([(0, None), (7, None)], 7.0, 7.0),
        ([(3, None)], 0.0, 0.0),
        ([(0, 2), (1, 9), (8, 9)], 9.0, 9.0),
    ],
)
async def test_latency(
    client: Client, server: Server, spans: list[tuple[int, int | None]], one: float, listed: float
) -> None:
    id_ = hex_id(abs(hash(str(spans))))
    at = MONDAY + 41 * 24 * HOUR
    insert(
        server,
        [
            Span(id_, f"{n:016x}", at + start * SECOND, 0 if end is None else at + end * SECOND, unended=end is None)
            for n, (start, end) in enumerate(spans)
        ],
    )
    assert (await client.get(f"/traces/{id_}")).json["latency"] == one
    [trace] = (await client.get("/traces", {"filter": _filter("id", id_)})).data
    assert trace["latency"] == listed


async def test_a_row_that_says_something_of_its_trace_alone_is_no_observation(client: Client, server: Server) -> None:
    id_ = hex_id(0x7ACE)
    at = MONDAY + 42 * 24 * HOUR
    insert(
        server,
        [
            Span(
                id_,
                "000000000000000a",
                at,
                type="TRACE",
                name="told",
                trace_name="told",
                input='{"q": 1}',
                metadata={"k": "1"},
            ),
            Span(id_, "000000000000000b", at + SECOND, at + 3 * SECOND, parent="000000000000000c", name="work"),
        ],
    )
    trace = (await client.get(f"/traces/{id_}")).json
    assert (trace["name"], trace["input"]) == ("told", {"q": 1})
    assert [o["id"] for o in trace["observations"]] == ["000000000000000b"]
    assert trace["latency"] == 2.0
    [listed] = (await client.get("/traces", {"filter": _filter("id", id_)})).data
    assert listed["observations"] == ["000000000000000b"]
    assert (listed["input"], listed["latency"]) == ({"q": 1}, 2.0)


@pytest.mark.parametrize(
    "id_", ["f" * 32, "a/b", "a%2Fb", "%27%20OR%201=1%20--", "%7Bproject:String%7D", "%00", "x" * 800]
)
async def test_unknown_ids(client: Client, full: str, id_: str) -> None:
    reply = await client.get(f"/traces/{id_}")
    assert reply.status == 404
    assert reply.json["error"] == "LangfuseNotFoundError"
    assert reply.json["message"].endswith("not found within authorized project")


async def test_another_projects_trace_is_unknown(client: Client, full: str) -> None:
    assert (await client.get(f"/traces/{full}", keys=OTHER)).status == 404
    assert (await client.get("/traces", {"filter": _filter("id", full)}, keys=OTHER)).data == []


@pytest.mark.parametrize("id_", ["a/b", "a b", "tür/ö", "%41", "x'y\\z", "a//b"])
async def test_ids_of_any_text(client: Client, server: Server, id_: str) -> None:
    insert(server, [Span(id_, "0" * 16, MONDAY)])
    for path in {quote(id_, safe=""), quote(id_, safe="/")}:
        reply = await client.get(f"/traces/{path}")
        assert reply.status == 200, reply.body
        assert reply.json["id"] == id_


async def test_answers_that_are_too_large(server: Server, tmp_path: Path) -> None:
    id_ = hex_id(0xB16)
    insert(server, [Span(id_, f"{n:016x}", MONDAY, user_id="big", input="x" * 700_000) for n in range(3)])
    async with api(server, tmp_path, api_result_bytes=1_100_000) as client:
        reply = await client.get(f"/traces/{id_}")
        assert (reply.status, reply.json["error"]) == (422, "PayloadTooLargeError")
        assert (await client.get(f"/traces/{id_}", {"fields": "core"})).status == 200


# -- groups of fields ----------------------------------------------------------------------------------------------------

ALL = {"io", "scores", "observations", "metrics"}


@pytest.mark.parametrize(
    ("given", "groups"),
    [
        ("", ALL),
        ("core", set()),
        ("io", {"io"}),
        ("core,metrics", {"metrics"}),
        ("observations, scores", {"observations", "scores"}),
        ("nonsense", ALL),
        ("nonsense,io", {"io"}),
        ("io,metrics", {"io", "metrics"}),
    ],
)
async def test_fields(client: Client, full: str, given: str, groups: set[str]) -> None:
    whole = (await client.get(f"/traces/{full}")).json
    for trace in (
        (await client.get(f"/traces/{full}", {"fields": given})).json,
        (await client.get("/traces", {"fields": given, "filter": _filter("id", full)})).data[0],
    ):
        assert set(trace) == KEYS
        assert trace["userId"] == "ann"
        if "io" in groups:
            assert trace["input"] == whole["input"]
            assert trace["metadata"]["tier"] == "gold"
        else:
            assert (trace["input"], trace["output"], trace["metadata"]) == (None, None, {})
        assert (trace["observations"] != []) == ("observations" in groups)
        assert (trace["latency"], trace["totalCost"]) == ((9.0, 0.75) if "metrics" in groups else (-1, -1))


def _filter(column: str, value: str) -> str:
    return json.dumps([{"type": "string", "column": column, "operator": "=", "value": value}])
