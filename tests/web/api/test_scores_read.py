"""Scores are read as v1 and v2 have them (public-api.md sections 6.2 and 6.4), against plain Python over what was sent."""

from __future__ import annotations

import json

import pytest

from tests.embedded.server import Server
from tests.web.api.score_rows import (
    OF_TRACE,
    SCORES,
    T1,
    T2,
    TIMES,
    Asked,
    Body,
    give,
    newest_first,
    number,
    of_v1,
    put_traces,
    trace_of,
    v1,
    without_times,
)
from tests.web.api.support import Client


@pytest.fixture(scope="module")
def spans(server: Server) -> None:
    put_traces(server)


@pytest.fixture
async def client(spans: None, client: Client) -> Client:
    await give(client)
    return client


@pytest.mark.parametrize("path", ["/scores", "/v2/scores"])
async def test_whole_list(client: Client, path: str) -> None:
    expected = newest_first([s for s in SCORES if path == "/v2/scores" or of_v1(s)])
    reply = await client.get(path, {"limit": 100})
    assert [without_times(row) for row in reply.data] == [{**v1(s), "trace": trace_of(s)} for s in expected]
    assert reply.json["meta"] == {"page": 1, "limit": 100, "totalItems": len(expected), "totalPages": 1}
    for row in reply.data:
        one = await client.get(f"{path}/{row['id']}")
        assert {**one.json, "trace": row["trace"]} == row
        assert "trace" not in one.json


async def test_one_of_v1_is_no_correction_and_of_no_session(client: Client) -> None:
    for score in SCORES:
        assert (await client.get(f"/scores/{score['id']}")).status == (200 if of_v1(score) else 404)
        assert (await client.get(f"/v2/scores/{score['id']}")).status == 200
    for path in ("/scores/", "/v2/scores/"):
        assert (await client.get(f"{path}gone-s00")).status == 404


def user_is(score: Body, user: str) -> bool:
    return OF_TRACE.get(score.get("traceId", ""), ("",))[0] == user


def has_tags(score: Body, *tags: str) -> bool:
    return set(tags) <= set(OF_TRACE.get(score.get("traceId", ""), ("", "", []))[2])


V2: dict[str, Asked] = {
    "name": Asked({"name": "tone"}, lambda s: s["name"] == "tone"),
    "no name": Asked({"name": ""}, lambda s: False),
    "user": Asked({"userId": "ann"}, lambda s: user_is(s, "ann")),
    "their user": Asked({"userId": "theirs"}, lambda s: False),
    "tag": Asked({"traceTags": "b"}, lambda s: has_tags(s, "b")),
    "tags": Asked({"traceTags": ["a", "b"]}, lambda s: has_tags(s, "a", "b")),
    "tags with comma": Asked({"traceTags": "a,b"}, lambda s: has_tags(s, "a", "b")),
    "environment": Asked({"environment": ["prod", "dev"]}, lambda s: s["environment"] != "default"),
    "source": Asked({"source": "ANNOTATION"}, lambda s: s.get("source") == "ANNOTATION"),
    "from": Asked({"fromTimestamp": TIMES[1]}, lambda s: s["timestamp"] != TIMES[0]),
    "to": Asked({"toTimestamp": TIMES[1]}, lambda s: s["timestamp"] == TIMES[0]),
    "from to": Asked(
        {"fromTimestamp": TIMES[1], "toTimestamp": TIMES[3]}, lambda s: s["timestamp"] in (TIMES[1], TIMES[2])
    ),
    "value alone": Asked({"value": "1"}, lambda s: True),
    "operator alone": Asked({"operator": "<"}, lambda s: True),
    "ids": Asked({"scoreIds": "s01,s02,nothing"}, lambda s: s["id"] in ("s01", "s02")),
    "config": Asked({"configId": "c"}, lambda s: False),
    "session": Asked({"sessionId": "s1"}, lambda s: s.get("sessionId") == "s1"),
    "run": Asked({"datasetRunId": "r1"}, lambda s: "datasetRunId" in s),
    "trace": Asked({"traceId": T1}, lambda s: s.get("traceId") == T1),
    "observations": Asked({"observationId": "o1,o3"}, lambda s: s.get("observationId") == "o1"),
    "queue": Asked({"queueId": "q2"}, lambda s: s.get("queueId") == "q2"),
    "type": Asked({"dataType": "TEXT"}, lambda s: s["dataType"] == "TEXT"),
    "several": Asked(
        {"name": "speed", "environment": "prod", "dataType": "NUMERIC"},
        lambda s: (s["name"], s["environment"], s["dataType"]) == ("speed", "prod", "NUMERIC"),
    ),
    "filter": Asked(
        {"filter": json.dumps([{"type": "string", "column": "stringValue", "operator": "=", "value": "good"}])},
        lambda s: s["value"] == "good",
    ),
    "filter replaces the parameter on its column": Asked(
        {
            "name": "tone",
            "environment": "prod",
            "filter": json.dumps([{"type": "string", "column": "name", "operator": "=", "value": "speed"}]),
        },
        lambda s: (s["name"], s["environment"]) == ("speed", "prod"),
    ),
    "nasty": Asked({"traceId": "x' OR 1=1 -- {project:String}"}, lambda s: False),
}
for _sign, _compare in {
    "<": float.__lt__,
    ">": float.__gt__,
    "<=": float.__le__,
    ">=": float.__ge__,
    "=": float.__eq__,
    "!=": float.__ne__,
}.items():
    V2[f"value {_sign}"] = Asked(
        {"operator": _sign, "value": "0.5"},
        lambda s, compare=_compare: s["dataType"] != "TEXT" and compare(number(s), 0.5),  # type: ignore[misc]
    )


@pytest.mark.parametrize("path", ["/scores", "/v2/scores"])
@pytest.mark.parametrize("name", V2)
async def test_parameters(client: Client, path: str, name: str) -> None:
    asked = V2[name]
    expected = newest_first([s for s in SCORES if asked.found(s) and (path == "/v2/scores" or of_v1(s))])
    reply = await client.get(path, {**asked.query, "limit": 100})
    assert [row["id"] for row in reply.data] == [s["id"] for s in expected]
    assert reply.json["meta"]["totalItems"] == len(expected)


@pytest.mark.parametrize("limit", [1, 7, 60, 61])
async def test_pages(client: Client, limit: int) -> None:
    ids: list[str] = []
    pages = -(-len(SCORES) // limit)
    for page in range(1, pages + 2):
        reply = await client.get("/v2/scores", {"limit": limit, "page": page})
        assert reply.json["meta"] == {"page": page, "limit": limit, "totalItems": len(SCORES), "totalPages": pages}
        ids += [row["id"] for row in reply.data]
    assert ids == [s["id"] for s in newest_first(SCORES)]


async def test_groups_of_v2(client: Client) -> None:
    assert all(row["trace"] is None for row in (await client.get("/v2/scores", {"fields": "score"})).data)
    for whole in ("score,trace", "", "nothing"):
        rows = (await client.get("/v2/scores", {"fields": whole, "traceId": T1})).data
        assert rows
        assert all(row["trace"]["userId"] == "ann" for row in rows)
    for query in ({"fields": "trace"}, {"fields": "score", "userId": "ann"}, {"fields": "score", "traceTags": "a"}):
        reply = await client.get("/v2/scores", query)
        assert (reply.status, reply.json["error"]) == (400, "InvalidRequestError")


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"page": "0"},
        {"source": "api"},
        {"dataType": "numeric"},
        {"operator": "<>"},
        {"value": "x"},
        {"fromTimestamp": "never"},
        {"filter": "{"},
        {"filter": '[{"type":"string","column":"input","operator":"=","value":"x"}]'},
    ],
)
async def test_refused_by_v2(client: Client, query: dict[str, str]) -> None:
    for path in ("/scores", "/v2/scores"):
        reply = await client.get(path, query)
        assert reply.status == 400
        assert set(reply.json) == {"message", "error"}


# -- beside traces -------------------------------------------------------------------------------------------------------


async def test_scores_of_traces(client: Client) -> None:
    expected = newest_first([s for s in SCORES if s.get("traceId") == T1 and of_v1(s)])
    one = await client.get(f"/traces/{T1}")
    assert [without_times(row) for row in one.json["scores"]] == [v1(s) for s in expected]
    listed = {row["id"]: row["scores"] for row in (await client.get("/traces")).data}
    assert listed[T1] == [s["id"] for s in expected]
    assert set(listed) == {T1, T2}
