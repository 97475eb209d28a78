"""Scores are read as v1, v2 and v3 have them (public-api.md sections 6.2 to 6.4), against plain Python over what was sent."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.embedded.server import Server
from tests.web.api.support import PROJECTS, Client
from tests.web.queries.support import MONDAY, Span, insert
from web.api.parameters import time_ns

START = MONDAY
T1, T2, T3 = "1" * 32, "2" * 32, "3" * 32
OTHER = PROJECTS["other"]
Body = Mapping[str, Any]

#: Every time is there more than once, also with differences of a nanosecond.
_TIMES = [
    "2026-06-01T00:00:00.000000000Z",
    "2026-06-01T00:00:00.000000001Z",
    "2026-06-01T00:00:00.5Z",
    "2026-06-02T00:00:00Z",
]


def _made(chance: random.Random) -> list[dict[str, Any]]:
    """Scores of every kind: 60 of traces and observations, sessions and runs."""
    found = []
    for n in range(60):
        type_ = chance.choice(["NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION"])
        value: Any = {
            "NUMERIC": chance.choice([0, 0.5, 1, -2.25, 1e10]),
            "BOOLEAN": chance.choice([0, 1]),
            "CATEGORICAL": chance.choice(["good", "bad", "0.5", "true"]),
        }.get(type_, f"text {n}")
        score = {
            "id": f"s{n:02}",
            "name": "output" if type_ == "CORRECTION" else chance.choice(["quality", "speed", "tone"]),
            "value": value,
            "dataType": type_,
            "timestamp": chance.choice(_TIMES),
            "environment": chance.choice(["default", "prod", "dev"]),
        }
        subject = chance.random()
        if subject < 0.7 or type_ == "CORRECTION":
            score["traceId"] = chance.choice([T1, T2, T3, "no such trace"])
            if chance.random() < 0.5:
                score["observationId"] = chance.choice(["o1", "o2"])
        else:
            score |= {"sessionId": chance.choice(["s1", "s2"])} if subject < 0.85 else {"datasetRunId": "r1"}
        if type_ == "CORRECTION" and chance.random() < 0.5:
            score["source"] = "ANNOTATION"
        for key, values in (("comment", ["why", "ü"]), ("queueId", ["q1", "q2"]), ("metadata", [{"a": 1, "b": "x"}])):
            if chance.random() < 0.4:
                score[key] = chance.choice(values)
        found.append(score)
    return found


SCORES = _made(random.Random(5))
#: user, session, tags and environment.
OF_TRACE = {T1: ("ann", "s1", ["a", "b"], "prod"), T2: ("bob", "", ["b"], "default")}
_TRACES = [
    Span(id_, "a" * 16, START, user_id=user, session_id=session, tags=tuple(tags), environment=environment)
    for id_, (user, session, tags, environment) in OF_TRACE.items()
]


@pytest.fixture(scope="module")
def spans(server: Server) -> None:
    """T3 is no trace of this project, and all of them are the other's."""
    insert(server, _TRACES)
    insert(
        server, [Span(id_, "a" * 16, START, user_id="theirs", tags=("a", "b"), project="other") for id_ in (T1, T2, T3)]
    )


@pytest.fixture
async def client(spans: None, client: Client) -> Client:
    """With the scores, each given three times: first with another time, trace and value, then as it is; those of the other
    project have the same ids."""
    first = await client.get("/v2/scores", {"limit": 1})
    if first.json["meta"]["totalItems"] == 0:
        before = [
            {**s, "timestamp": "2026-07-01T00:00:00Z", "traceId": T1, "sessionId": None, "datasetRunId": None}
            for s in SCORES
        ]
        theirs = [{**s, "name": "theirs", "value": 7, "dataType": "NUMERIC", "source": "API"} for s in before]
        deleted = [{**s, "id": f"gone-{s['id']}"} for s in SCORES[:10]]
        for some, keys in ((before, None), (theirs, OTHER), (SCORES + deleted, None), (SCORES, None)):
            reply = await client.call("POST", "/scores", body=list(some), keys=keys or client.keys)
            assert (reply.status, reply.json) == (202, {"message": "Accepted"})
        for one in deleted:
            assert (await client.call("DELETE", f"/scores/{one['id']}")).status == 202
    return client


def newest_first(scores: Sequence[Body]) -> list[Body]:
    return sorted(scores, key=lambda s: (time_ns(s["timestamp"]), s["id"]), reverse=True)


def of_v1(score: Body) -> bool:
    return "traceId" in score and score["dataType"] != "CORRECTION"


def number(score: Body) -> float:
    return float(score["value"]) if score["dataType"] in ("NUMERIC", "BOOLEAN") else 0.0


def text(score: Body) -> str | None:
    if score["dataType"] == "NUMERIC":
        return None
    return ("True" if score["value"] else "False") if score["dataType"] == "BOOLEAN" else str(score["value"])


def v1(score: Body) -> dict[str, Any]:
    """Without the times of the server."""
    shown = {
        "id": score["id"],
        "projectId": "p",
        "name": score["name"],
        "dataType": score["dataType"],
        "value": number(score),
        "stringValue": text(score),
        "source": score.get("source", "API"),
        "timestamp": _millis(score["timestamp"]),
        "environment": score["environment"],
        "metadata": score.get("metadata", {}),
        "authorUserId": None,
        "configId": None,
    }
    for key in ("traceId", "observationId", "sessionId", "datasetRunId", "comment", "queueId"):
        shown[key] = score.get(key)
    if score["dataType"] == "TEXT":
        del shown["value"]
    return shown


def _millis(text: str) -> str:
    whole, _, fraction = text.rstrip("Z").partition(".")
    return f"{whole}.{fraction.ljust(3, '0')[:3]}Z"


def trace_of(score: Body) -> dict[str, Any] | None:
    if "traceId" not in score:
        return None
    if score["traceId"] not in OF_TRACE:
        return {"userId": None, "tags": [], "environment": score["environment"], "sessionId": None}
    user, session, tags, environment = OF_TRACE[score["traceId"]]
    return {"userId": user, "tags": tags, "environment": environment, "sessionId": session or None}


def without_times(row: Mapping[str, Any]) -> dict[str, Any]:
    assert row["createdAt"].endswith("Z")
    assert row["updatedAt"] >= row["createdAt"]
    return {key: value for key, value in row.items() if key not in ("createdAt", "updatedAt")}


# -- v1 and v2 -----------------------------------------------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, and which scores it finds."""

    query: Mapping[str, Any]
    found: Callable[[Body], bool]


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
    "from": Asked({"fromTimestamp": _TIMES[1]}, lambda s: s["timestamp"] != _TIMES[0]),
    "to": Asked({"toTimestamp": _TIMES[1]}, lambda s: s["timestamp"] == _TIMES[0]),
    "from to": Asked(
        {"fromTimestamp": _TIMES[1], "toTimestamp": _TIMES[3]}, lambda s: s["timestamp"] in (_TIMES[1], _TIMES[2])
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


# -- v3 ------------------------------------------------------------------------------------------------------------------


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
        {"fromTimestamp": _TIMES[1], "toTimestamp": _TIMES[3]}, lambda s: s["timestamp"] in (_TIMES[1], _TIMES[2])
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
        {"id": f"t{n:04}", "name": "n", "value": n, "traceId": "thousand", "timestamp": _TIMES[1]} for n in range(1000)
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


# -- beside traces -------------------------------------------------------------------------------------------------------


async def test_scores_of_traces(client: Client) -> None:
    expected = newest_first([s for s in SCORES if s.get("traceId") == T1 and of_v1(s)])
    one = await client.get(f"/traces/{T1}")
    assert [without_times(row) for row in one.json["scores"]] == [v1(s) for s in expected]
    listed = {row["id"]: row["scores"] for row in (await client.get("/traces")).data}
    assert listed[T1] == [s["id"] for s in expected]
    assert set(listed) == {T1, T2}
