"""Scores are read as v3 has them (public-api.md sections 6.2 and 6.3), against plain Python over what was sent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.embedded.server import Server
from tests.web.api.score_rows import (
    OTHER,
    SCORES,
    T1,
    T2,
    TIMES,
    Asked,
    Body,
    give,
    newest_first,
    put_traces,
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


def v3(score: Body) -> dict[str, Any]:
    """All groups, without the times of the server."""
    value = score["value"] == 1 if score["dataType"] == "BOOLEAN" else score["value"]
    keys = (
        "id",
        "projectId",
        "name",
        "environment",
        "dataType",
        "source",
        "timestamp",
        "comment",
        "configId",
        "metadata",
    )
    subject: dict[str, str] = {"kind": "experiment", "id": score.get("datasetRunId", "")}
    if "observationId" in score:
        subject = {"kind": "observation", "id": score["observationId"], "traceId": score["traceId"]}
    elif "traceId" in score:
        subject = {"kind": "trace", "id": score["traceId"]}
    elif "sessionId" in score:
        subject = {"kind": "session", "id": score["sessionId"]}
    rest = {"value": value, "subject": subject, "authorUserId": None, "queueId": score.get("queueId")}
    return {**{key: v1(score)[key] for key in keys}, **rest}


async def test_v3_whole_list(client: Client) -> None:
    reply = await client.get("/v3/scores", {"limit": 60, "fields": "details,subject,annotation"})
    rows = [without_times(row) for row in reply.data]
    assert rows == [v3(s) for s in newest_first(SCORES)]
    assert next(type(row["value"]) for row in rows if row["dataType"] == "BOOLEAN") is bool
    assert reply.json["meta"] == {"limit": 60}  # exactly as many as there are: no cursor


GROUPS = {
    "details": {"comment", "configId", "metadata"},
    "subject": {"subject"},
    "annotation": {"authorUserId", "queueId"},
    "core": set(),
}
CORE = {
    *("id", "projectId", "name", "environment", "dataType", "value", "source"),
    *("timestamp", "createdAt", "updatedAt"),
}


@pytest.mark.parametrize("fields", ["", "core", "details", "subject", "annotation", "core,details,annotation"])
async def test_groups_of_v3(client: Client, fields: str) -> None:
    expected = CORE.union(*(GROUPS[group] for group in fields.split(",") if group))
    rows = (await client.get("/v3/scores", {"fields": fields})).data
    assert all(set(row) == expected for row in rows)


@pytest.mark.parametrize("limit", [1, 7, 59, 60, 100])
async def test_v3_pages_see_each_once(client: Client, limit: int) -> None:
    ids: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        reply = await client.get("/v3/scores", {"limit": limit, **cursor})
        ids += [row["id"] for row in reply.data]
        assert reply.json["meta"]["limit"] == limit
        if "cursor" not in reply.json["meta"]:
            break
        assert len(reply.data) == limit
        cursor = {"cursor": reply.json["meta"]["cursor"]}
    assert ids == [s["id"] for s in newest_first(SCORES)]


async def test_a_cursor_of_another_project_shows_only_own_scores(client: Client) -> None:
    cursor = (await client.get("/v3/scores", {"limit": 1})).json["meta"]["cursor"]
    rows = (await client.get("/v3/scores", {"cursor": cursor, "limit": 100}, keys=OTHER)).data
    assert all((row["projectId"], row["name"]) == ("other", "theirs") for row in rows)


V3: dict[str, Asked] = {
    "ids": Asked({"id": "s01,s02,nothing"}, lambda s: s["id"] in ("s01", "s02")),
    "repeated": Asked({"id": ["s01", "s02"]}, lambda s: s["id"] in ("s01", "s02")),
    "names": Asked({"name": "tone,speed"}, lambda s: s["name"] in ("tone", "speed")),
    "source": Asked({"source": "annotation,eval"}, lambda s: s.get("source") == "ANNOTATION"),
    "types": Asked({"dataType": "text,Boolean"}, lambda s: s["dataType"] in ("TEXT", "BOOLEAN")),
    "environments": Asked({"environment": "prod,dev"}, lambda s: s["environment"] != "default"),
    "config": Asked({"configId": "c"}, lambda s: False),
    "queues": Asked({"queueId": "q1,q2"}, lambda s: "queueId" in s),
    "author": Asked({"authorUserId": "x"}, lambda s: False),
    "numbers": Asked(
        {"dataType": "NUMERIC", "value": "0.5,1e10"}, lambda s: s["dataType"] == "NUMERIC" and s["value"] in (0.5, 1e10)
    ),
    "true": Asked({"dataType": "BOOLEAN", "value": "true"}, lambda s: s["dataType"] == "BOOLEAN" and s["value"] == 1),
    "false": Asked({"dataType": "boolean", "value": "false"}, lambda s: s["dataType"] == "BOOLEAN" and s["value"] == 0),
    "both": Asked({"dataType": "BOOLEAN", "value": "false,true"}, lambda s: s["dataType"] == "BOOLEAN"),
    "categories": Asked({"dataType": "CATEGORICAL", "value": "good,0.5"}, lambda s: s["value"] in ("good", "0.5")),
    "at least": Asked(
        {"dataType": "NUMERIC", "valueMin": "0.5"}, lambda s: s["dataType"] == "NUMERIC" and s["value"] >= 0.5
    ),
    "at most": Asked(
        {"dataType": "NUMERIC", "valueMax": "0.5"}, lambda s: s["dataType"] == "NUMERIC" and s["value"] <= 0.5
    ),
    "between": Asked(
        {"dataType": "NUMERIC", "valueMin": "0.5", "valueMax": "0.5"},
        lambda s: s["dataType"] == "NUMERIC" and s["value"] == 0.5,
    ),
    "traces": Asked({"traceId": f"{T1},{T2}"}, lambda s: s.get("traceId") in (T1, T2)),
    "observation": Asked(
        {"traceId": T1, "observationId": "o1"}, lambda s: (s.get("traceId"), s.get("observationId")) == (T1, "o1")
    ),
    "sessions": Asked({"sessionId": "s1,s2"}, lambda s: "sessionId" in s),
    "run": Asked({"experimentId": "r1"}, lambda s: "datasetRunId" in s),
    "from to": Asked(
        {"fromTimestamp": TIMES[1], "toTimestamp": TIMES[3]}, lambda s: s["timestamp"] in (TIMES[1], TIMES[2])
    ),
    "empty is absent": Asked(
        dict.fromkeys(("name", "value", "traceId", "cursor", "valueMin", "fields"), ""), lambda s: True
    ),
    "ANDed": Asked(
        {"name": "speed,tone", "environment": "prod"},
        lambda s: s["name"] in ("speed", "tone") and s["environment"] == "prod",
    ),
}


@pytest.mark.parametrize("name", V3)
async def test_parameters_of_v3(client: Client, name: str) -> None:
    asked = V3[name]
    reply = await client.get("/v3/scores", {"limit": 100, **asked.query})
    assert [row["id"] for row in reply.data] == [s["id"] for s in newest_first([s for s in SCORES if asked.found(s)])]


@pytest.mark.parametrize(
    "query",
    [
        {"page": "1"},
        {"userId": "ann"},
        {"traceTags": "a"},
        {"filter": "[]"},
        {"anything": ""},
        {"limit": "0"},
        {"limit": "101"},
        {"fields": "score"},
        {"fields": "core,io"},
        {"source": "API,OTHER"},
        {"dataType": "NUMBER"},
        {"value": "1"},
        {"value": "1", "dataType": "NUMERIC,BOOLEAN"},
        {"value": "x", "dataType": "TEXT"},
        {"value": "x", "dataType": "NUMERIC"},
        {"value": "1", "dataType": "BOOLEAN"},
        {"value": "nan", "dataType": "NUMERIC"},
        {"valueMin": "1"},
        {"valueMax": "1", "dataType": "BOOLEAN"},
        {"valueMax": "1", "dataType": "NUMERIC,TEXT"},
        {"traceId": "a", "sessionId": "b"},
        {"sessionId": "a", "experimentId": "b"},
        {"observationId": "o1"},
        {"cursor": "x"},
        {"fromTimestamp": "never"},
    ],
)
async def test_refused_by_v3(client: Client, query: dict[str, str]) -> None:
    reply = await client.get("/v3/scores", query)
    assert reply.status == 400
    assert set(reply.json) == {"message", "error"}
    if "cursor" in query:
        assert reply.json["message"] == "Invalid cursor format"


async def test_a_thousand_scores_of_one_time(client: Client) -> None:
    """The other project's: each is there once, on pages of either kind; half of them were given twice."""
    made = [
        {"id": f"t{n:04}", "name": "n", "value": n, "traceId": "thousand", "timestamp": TIMES[1]} for n in range(1000)
    ]
    for some in (made[::2], made):
        assert (await client.call("POST", "/scores", body=some, keys=OTHER)).status == 202
    expected = [s["id"] for s in newest_first(made)]
    ids: list[str] = []
    query: dict[str, Any] = {"traceId": "thousand", "limit": 99}
    while True:
        reply = await client.get("/v3/scores", query, keys=OTHER)
        ids += [row["id"] for row in reply.data]
        if "cursor" not in reply.json["meta"]:
            break
        query["cursor"] = reply.json["meta"]["cursor"]
    assert ids == expected
    ids = []
    for page in range(1, 12):
        ids += [
            row["id"]
            for row in (
                await client.get("/scores", {"traceId": "thousand", "limit": 99, "page": page}, keys=OTHER)
            ).data
        ]
    assert ids == expected
