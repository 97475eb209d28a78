"""Scores that are read as v1, v2 and v3 have them: what was sent, and what is expected of it in plain Python."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.embedded.server import Server
from tests.web.api.support import PROJECTS, Client
from tests.web.queries.support import MONDAY, Span, insert
from web.api.parameters import time_ns

START = MONDAY
T1, T2, T3 = "1" * 32, "2" * 32, "3" * 32
OTHER = PROJECTS["other"]
Body = Mapping[str, Any]

#: Every time is there more than once, also with differences of a nanosecond.
TIMES = [
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
            "timestamp": chance.choice(TIMES),
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


def put_traces(server: Server) -> None:
    """T3 is no trace of this project, and all of them are the other's."""
    insert(server, _TRACES)
    insert(
        server, [Span(id_, "a" * 16, START, user_id="theirs", tags=("a", "b"), project="other") for id_ in (T1, T2, T3)]
    )


async def give(client: Client) -> None:
    """The scores, unless they are there: each three times, first with another time, trace and value, then as it is; those of
    the other project have the same ids."""
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


# -- what is seen of them ------------------------------------------------------------------------------------------------


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


# -- what is asked -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, and which scores it finds."""

    query: Mapping[str, Any]
    found: Callable[[Body], bool]
