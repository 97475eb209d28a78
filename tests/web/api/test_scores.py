"""Scores are given and deleted (public-api.md sections 6.1 and 6.2)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.embedded.server import Server
from tests.waiting import becomes
from tests.web.api.score_support import body, fresh, get, post, stored
from tests.web.api.support import INGEST, PROJECTS, READ, Client

OTHER = PROJECTS["other"]
NOW = "2026-11-01T10:00:00.123Z"


# -- what is taken -------------------------------------------------------------------------------------------------------

SAID: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "number": ({"value": 0.25}, {"dataType": "NUMERIC", "value": 0.25, "stringValue": None}),
    "integer": ({"value": 3, "dataType": "NUMERIC"}, {"dataType": "NUMERIC", "value": 3, "stringValue": None}),
    "negative": ({"value": -1e300}, {"value": -1e300}),
    "true without a type": ({"value": True}, {"dataType": "NUMERIC", "value": 1, "stringValue": None}),
    "boolean 1.0": (
        {"value": 1.0, "dataType": "BOOLEAN"},
        {"dataType": "BOOLEAN", "value": 1, "stringValue": "True"},
    ),
    "boolean 0": ({"value": 0, "dataType": "BOOLEAN"}, {"dataType": "BOOLEAN", "value": 0, "stringValue": "False"}),
    "boolean false": ({"value": False, "dataType": "BOOLEAN"}, {"value": 0, "stringValue": "False"}),
    "text": ({"value": "good"}, {"dataType": "CATEGORICAL", "value": 0, "stringValue": "good"}),
    "categorical": (
        {"value": "", "dataType": "CATEGORICAL"},
        {"dataType": "CATEGORICAL", "value": 0, "stringValue": ""},
    ),
    "long text": (
        {"value": "ä" * 500, "dataType": "TEXT"},
        {"dataType": "TEXT", "value": "absent", "stringValue": "ä" * 500},
    ),
    "correction": (
        {"value": "better", "dataType": "CORRECTION", "name": "other", "source": "ANNOTATION"},
        {"dataType": "CORRECTION", "value": 0, "stringValue": "better", "name": "output", "source": "ANNOTATION"},
    ),
    "observation": ({"traceId": "t", "observationId": "o"}, {"traceId": "t", "observationId": "o", "sessionId": None}),
    "session": (
        {"traceId": None, "sessionId": "s"},
        {"traceId": None, "observationId": None, "sessionId": "s", "datasetRunId": None},
    ),
    "run": ({"traceId": None, "datasetRunId": "r"}, {"traceId": None, "sessionId": None, "datasetRunId": "r"}),
    "empty texts are absent": (
        {"sessionId": "", "datasetRunId": "", "observationId": "", "configId": "", "queueId": "", "comment": ""},
        {"sessionId": None, "datasetRunId": None, "observationId": None, "configId": None, "comment": None},
    ),
    "comment and queue": ({"comment": "why", "queueId": "q1"}, {"comment": "why", "queueId": "q1"}),
    "object": ({"metadata": {"a": "1", "b": 1, "c": {"d": [1]}}}, {"metadata": {"a": "1", "b": 1, "c": {"d": [1]}}}),
    "large integers": ({"metadata": {"n": 2**63}}, {"metadata": {"n": 2**63}}),
    "larger integers": ({"metadata": {"n": [10**30 + 1, -(2**64)]}}, {"metadata": {"n": [10**30 + 1, -(2**64)]}}),
    "the latest time": ({"timestamp": "2106-02-07T06:28:15Z"}, {"timestamp": "2106-02-07T06:28:15.000Z"}),
    "a list": ({"metadata": [1, "x"]}, {"metadata": {"metadata": [1, "x"]}}),
    "false": ({"metadata": False}, {"metadata": {"metadata": False}}),
    "none": ({}, {"metadata": {}, "environment": "default", "source": "API", "configId": None, "authorUserId": None}),
    "environment": ({"environment": "Prod-1_x"}, {"environment": "prod-1_x"}),
    "reserved": ({"environment": "langfuse-langfuse_eval"}, {"environment": "eval"}),
    "nothing but reserved": ({"environment": "langfuse"}, {"environment": "default"}),
    "long environment": ({"environment": "e" * 50}, {"environment": "e" * 40}),
    "no environment": ({"environment": "with space"}, {"environment": "default"}),
    "time": ({"timestamp": "2026-11-01T12:00:00.123456789+02:00"}, {"timestamp": "2026-11-01T10:00:00.123Z"}),
    "time without seconds": ({"timestamp": "2026-11-01T10:00Z"}, {"timestamp": "2026-11-01T10:00:00.000Z"}),
    "unknown keys": ({"nothing": {"of": "ours"}}, {"name": "quality"}),
    "any text": (
        {"name": "q' \\ \0 \n ü 😀", "comment": "{x:String} -- "},
        {"name": "q' \\ \0 \n ü 😀", "comment": "{x:String} -- "},
    ),
}


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("many", [False, True])
async def test_taken(client: Client, name: str, many: bool) -> None:
    said, expected = SAID[name]
    sent = body(**said)
    reply = await client.call("POST", "/scores", body=[sent] if many else sent)
    assert (reply.status, reply.json) == ((202, {"message": "Accepted"}) if many else (200, {"id": sent["id"]}))
    found = await get(client, sent["id"])
    assert found is not None
    assert {key: found.get(key, "absent") for key in expected} == expected
    assert found["projectId"] == "p"


REFUSED: dict[str, tuple[Any, str]] = {
    "no name": ({"name": None}, "name"),
    "empty name": ({"name": ""}, "name"),
    "no value": ({"value": None}, "value"),
    "a list as value": ({"value": [1]}, "value"),
    "text for a number": ({"value": "1", "dataType": "NUMERIC"}, "value"),
    "a number for text": ({"value": 1, "dataType": "CATEGORICAL"}, "value"),
    "two for a boolean": ({"value": 2, "dataType": "BOOLEAN"}, "value"),
    "text for a boolean": ({"value": "True", "dataType": "BOOLEAN"}, "value"),
    "empty text": ({"value": "", "dataType": "TEXT"}, "value"),
    "text of 501": ({"value": "x" * 501, "dataType": "TEXT"}, "value"),
    "a number for a correction": ({"value": 1, "dataType": "CORRECTION"}, "value"),
    "no such type": ({"dataType": "numeric"}, "dataType"),
    "nothing scored": ({"traceId": None}, ""),
    "nothing scored but empty": ({"traceId": ""}, ""),
    "trace and session": ({"sessionId": "s"}, ""),
    "session and run": ({"traceId": None, "sessionId": "s", "datasetRunId": "r"}, ""),
    "observation alone": ({"traceId": None, "observationId": "o"}, ""),
    "observation of a session": ({"traceId": None, "sessionId": "s", "observationId": "o"}, "observationId"),
    "correction of a session": (
        {"traceId": None, "sessionId": "s", "dataType": "CORRECTION", "value": "x"},
        "dataType",
    ),
    "config": ({"configId": "c"}, "configId"),
    "annotation": ({"source": "ANNOTATION"}, "configId"),
    "eval": ({"source": "EVAL"}, "source"),
    "no such source": ({"source": "api"}, "source"),
    "no time": ({"timestamp": "yesterday"}, "timestamp"),
    "before time": ({"timestamp": "1960-01-01T00:00:00Z"}, "timestamp"),
    "after the time that rows expire by": ({"timestamp": "2106-02-07T06:28:16Z"}, "timestamp"),
    "a number as id": ({"id": 5}, "id"),
    "a long id": ({"id": "x" * 801}, "id"),
    "a number as comment": ({"comment": 5}, "comment"),
    "a number as environment": ({"environment": 5}, "environment"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused(client: Client, name: str) -> None:
    said, path = REFUSED[name]
    sent = body(**said)
    reply = await client.call("POST", "/scores", body=sent)
    assert reply.status == 400
    assert reply.json["message"] == "Invalid request data"
    assert [".".join(map(str, issue["path"])) for issue in reply.json["error"]] == [path]
    assert all(issue["code"] and issue["message"] for issue in reply.json["error"])
    good = body()
    reply = await client.call("POST", "/scores", body=[good, sent])
    assert reply.status == 207
    assert (reply.json["accepted"], reply.json["rejected"]) == (1, 1)
    assert set(reply.json) == {"accepted", "rejected", "errors"}
    [error] = reply.json["errors"]
    assert set(error) == {"message"}
    assert error["message"].startswith(f"score 1: {path}")
    assert await get(client, good["id"]) is not None
    if isinstance(sent.get("id"), str) and len(sent["id"]) < 100:
        assert await stored(client, sent["id"]) == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"[]", 202), (b"[1, null, []]", 207), (b"1", 400), (b"null", 400), (b"", 400), (b"{", 400), (b'"x"', 400)],
)
async def test_odd_bodies(client: Client, sent: bytes, status: int) -> None:
    reply = await client.call("POST", "/scores", body=sent)
    assert reply.status == status
    if status == 202:
        assert reply.json == {"message": "Accepted"}
    elif status == 207:
        assert (reply.json["accepted"], reply.json["rejected"], len(reply.json["errors"])) == (0, 3, 3)
    else:
        assert set(reply.json) == {"message", "error"}


@pytest.mark.parametrize("count", [200, 201, 1000])
async def test_long_lists_say_which_scores_are_refused(client: Client, count: int) -> None:
    """They are read in a thread, and their block is built in one."""
    trace = fresh("trace")
    sent = [body(traceId=trace, name="" if n == count - 2 else None if n == 5 else "n") for n in range(count)]
    reply = await client.call("POST", "/scores", body=sent)
    assert (reply.status, reply.json["accepted"], reply.json["rejected"]) == (207, count - 2, 2)
    assert [error["message"].split(":")[0] for error in reply.json["errors"]] == ["score 5", f"score {count - 2}"]
    reply = await client.get("/v2/scores", {"traceId": trace, "limit": 1})
    assert reply.json["meta"]["totalItems"] == count - 2


async def test_what_is_no_number_costs_no_other_score(client: Client) -> None:
    sent = body()
    numbers = [json.dumps(body()).replace("0.5", text) for text in ("NaN", "-Infinity", "1e400")]
    reply = await client.call("POST", "/scores", body=f"[{','.join([*numbers, json.dumps(sent)])}]".encode())
    assert (reply.status, reply.json["accepted"], reply.json["rejected"]) == (207, 1, 3)
    assert await get(client, sent["id"]) is not None
    reply = await client.call("POST", "/scores", body=numbers[0].encode())
    assert (reply.status, reply.json["error"][0]["path"]) == (400, ["value"])


@pytest.mark.parametrize("given", [None, ""])
async def test_an_id_is_made(client: Client, given: str | None) -> None:
    first, second = [await post(client, id=given, comment="made") for _ in range(2)]
    assert first != second
    assert len(first) == 36
    found = await get(client, first)
    assert found is not None
    assert found["comment"] == "made"


async def test_a_megabyte_is_taken_and_what_is_far_larger_is_not(client: Client) -> None:
    ids = [fresh() for _ in range(4000)]
    sent = [body(id=id_, traceId="many", comment="") for id_ in ids]
    text = json.dumps(sent).encode()
    sent[0]["comment"] = "x" * (1_000_000 - len(text))
    text = json.dumps(sent).encode()
    assert len(text) == 1_000_000
    reply = await client.call("POST", "/scores", body=text)
    assert (reply.status, reply.json) == (202, {"message": "Accepted"})
    found = await client.get("/v2/scores", {"traceId": "many", "limit": 1})
    assert found.json["meta"]["totalItems"] == 4000
    reply = await client.call("POST", "/scores", body=b" " * 5_000_000)
    assert reply.status == 413
    assert set(reply.json) == {"message", "error"}


# -- who may -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "post_status", "delete_status"),
    [
        (PROJECTS["p"], 200, 202),
        (INGEST, 200, 403),
        (READ, 403, 403),
        ("pk-lf-p", 200, 403),
        ("pk-lf-p-read", 403, 403),
        ("pk-lf-nobody", 401, 401),
        (("pk-lf-p", "wrong"), 401, 401),
        (None, 401, 401),
    ],
)
async def test_who_may(
    client: Client, keys: tuple[str, str] | str | None, post_status: int, delete_status: int
) -> None:
    sent = body()
    reply = await client.call("POST", "/scores", body=sent, keys=keys)
    assert reply.status == post_status
    assert (await get(client, sent["id"]) is not None) == (post_status == 200)
    reply = await client.call("DELETE", f"/scores/{sent['id']}", keys=keys)
    assert reply.status == delete_status
    for path in ("/v2/scores", "/scores", "/v3/scores", "/v2/scores/x", "/scores/x"):
        if isinstance(keys, str):
            assert (await client.get(path, keys=keys)).status == delete_status


async def test_another_project_s_score_of_the_same_id_is_another_score(client: Client) -> None:
    id_ = await post(client, comment="mine", traceId="shared")
    reply = await client.call("POST", "/scores", body=body(id=id_, comment="theirs", traceId="shared"), keys=OTHER)
    assert reply.status == 200
    mine, theirs = await get(client, id_), await get(client, id_, keys=OTHER)
    assert mine is not None
    assert theirs is not None
    assert (mine["comment"], mine["projectId"]) == ("mine", "p")
    assert (theirs["comment"], theirs["projectId"]) == ("theirs", "other")
    for path in ("/v2/scores", "/scores", "/v3/scores"):
        rows = (await client.get(path, {"traceId": "shared"}, keys=OTHER)).data
        assert [(row["id"], row["projectId"]) for row in rows] == [(id_, "other")]
    assert (await client.call("DELETE", f"/scores/{id_}", keys=OTHER)).status == 202
    assert await get(client, id_, keys=OTHER) is None
    assert await get(client, id_) == mine


# -- sent again ----------------------------------------------------------------------------------------------------------


async def test_the_same_id_again_replaces_whatever_it_says(client: Client) -> None:
    """Also its time and what is scored; when it was first received stays."""
    trace = fresh("trace")
    id_ = await post(client, timestamp=NOW, traceId=trace, comment="first", metadata={"a": 1})
    first = await get(client, id_)
    await post(client, id=id_, timestamp="2026-10-01T00:00:00Z", traceId=None, sessionId="s9", value="text", name="n2")
    second = await get(client, id_)
    assert first is not None
    assert second is not None
    assert second["createdAt"] == first["createdAt"]
    assert second["updatedAt"] > first["updatedAt"]
    shown = {
        key: second[key] for key in ("name", "stringValue", "sessionId", "traceId", "comment", "metadata", "timestamp")
    }
    assert shown == {
        "name": "n2",
        "stringValue": "text",
        "sessionId": "s9",
        "traceId": None,
        "comment": None,
        "metadata": {},
        "timestamp": "2026-10-01T00:00:00.000Z",
    }
    for path in ("/v2/scores", "/v3/scores"):
        assert (await client.get(path, {"traceId": trace})).data == []
        assert [row["id"] for row in (await client.get(path, {"sessionId": "s9"})).data] == [id_]
    in_month = {"fromTimestamp": "2026-11-01T00:00:00Z", "toTimestamp": "2026-11-02T00:00:00Z", "scoreIds": id_}
    assert (await client.get("/v2/scores", in_month)).data == []


async def test_sent_again_at_once_and_within_a_list_it_is_one(client: Client) -> None:
    trace, id_ = fresh("trace"), fresh()
    sent = [body(id=id_, traceId=trace, value=n, timestamp=NOW) for n in range(5)]
    same = [client.call("POST", "/scores", body=sent) for _ in range(10)]
    same += [client.call("POST", "/scores", body=one) for one in sent]
    assert {reply.status for reply in await asyncio.gather(*same)} == {200, 202}
    assert (await client.call("POST", "/scores", body=sent)).status == 202
    for path in ("/v2/scores", "/scores", "/v3/scores"):
        rows = (await client.get(path, {"traceId": trace})).data
        assert [(row["id"], row["value"]) for row in rows] == [(id_, 4)]
    assert (await client.get("/v2/scores", {"traceId": trace})).json["meta"]["totalItems"] == 1
    counted = await client.store.rows("SELECT count() FROM scores FINAL WHERE trace_id = {t:String}", {"t": trace})
    assert counted == [(1,)]


# -- deletion ------------------------------------------------------------------------------------------------------------


async def test_deleted_it_is_hidden_at_once_and_then_gone(client: Client) -> None:
    trace = fresh("trace")
    kept = await post(client, traceId=trace)
    id_ = await post(client, traceId=trace, comment="secret")
    await post(client, id=id_, traceId=trace, comment="secret too")
    reply = await client.call("DELETE", f"/scores/{id_}")
    assert (reply.status, reply.json) == (202, {"message": "Score deletion queued successfully"})
    assert await get(client, id_) is None
    for path in ("/v2/scores", "/scores", "/v3/scores"):
        assert [row["id"] for row in (await client.get(path, {"traceId": trace})).data] == [kept]
    assert (await client.get("/v2/scores", {"traceId": trace})).json["meta"]["totalItems"] == 1

    async def gone() -> bool:
        return [row["deleted"] for row in await stored(client, id_)] == [1]

    await becomes(gone, 20)
    [left] = await stored(client, id_)
    assert (left["comment"], left["name"], left["retention_days"]) == ("", "", 7)
    assert await get(client, kept) is not None


async def test_deleted_it_can_be_given_again(client: Client) -> None:
    id_ = await post(client, comment="old")
    for n in range(3):
        assert (await client.call("DELETE", f"/scores/{id_}")).status == 202
        assert await get(client, id_) is None
        await post(client, id=id_, comment=f"new {n}")
        found = await get(client, id_)
        assert found is not None
        assert found["comment"] == f"new {n}"
    await client.store.command("ALTER TABLE scores DELETE WHERE false", settings={"mutations_sync": "2"})
    found = await get(client, id_)  # the removal of the old ones has spared it
    assert found is not None
    assert found["comment"] == "new 2"


@pytest.mark.parametrize("id_", ["no-such-score", "x' OR 1=1", "a/b", "ü {x:String}"])
async def test_unknown_ids_are_deleted_too(client: Client, id_: str) -> None:
    kept = await post(client)
    reply = await client.call("DELETE", f"/scores/{id_}".replace(" ", "%20").replace("ü", "%C3%BC"))
    assert (reply.status, reply.json) == (202, {"message": "Score deletion queued successfully"})
    assert await stored(client, id_) == []
    assert await get(client, kept) is not None


async def test_ids_with_slashes(client: Client) -> None:
    id_ = await post(client, id=f"{fresh()}/of/x")
    assert (await client.get(f"/scores/{id_}")).json["id"] == (await client.get(f"/v2/scores/{id_}")).json["id"] == id_
    assert (await client.call("DELETE", f"/scores/{id_}")).status == 202
    assert (await client.get(f"/scores/{id_}")).status == 404


async def test_retention_is_that_of_the_project(client: Client, server: Server) -> None:
    await client.store.command(
        "INSERT INTO projects (project_id, name, retention_days, created_at, updated_at) "
        "SELECT project_id, name, 30, created_at, now64(3) + 1 FROM projects FINAL WHERE project_id = 'other'"
    )

    async def kept_for_thirty_days() -> bool:
        id_ = fresh()
        reply = await client.call("POST", "/scores", body=body(id=id_), keys=OTHER)
        assert reply.status == 200
        return [row["retention_days"] for row in await stored(client, id_, "other")] == [30]

    await becomes(kept_for_thirty_days, 20)
    # What expired long ago is refused, and no reason to refuse what came with it; so is what a block is refused for.
    old, far, last = body(timestamp="2020-01-01T00:00:00Z"), body(timestamp="2200-01-01T00:00:00Z"), body()
    latest = body(timestamp="2106-02-07T06:28:15Z")
    reply = await client.call("POST", "/scores", body=[old, far, last, latest], keys=OTHER)
    assert (reply.status, reply.json["accepted"], reply.json["rejected"]) == (207, 2, 2)
    assert [error["message"] for error in reply.json["errors"]] == [
        "score 0: timestamp: is older than what the project keeps",
        "score 1: timestamp: is after 2106-02-07",
    ]
    for sent in (last, latest):
        assert await get(client, sent["id"], keys=OTHER) is not None
    id_ = await post(client)
    assert [row["retention_days"] for row in await stored(client, id_)] == [0]
