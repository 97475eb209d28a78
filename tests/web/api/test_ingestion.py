"""POST /ingestion over HTTP: what is accepted, and what is answered for each event (public-api.md section 8)."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.embedded.server import Server
from tests.web.api.ingestion_support import accepted, event, iso, kept, send, spans
from tests.web.api.support import INGEST, PROJECTS, READ, Client
from web.api.ingestion import MAX_BODY_BYTES


async def refused(client: Client, *events: Any, **more: Any) -> list[dict[str, Any]]:
    """The errors, where nothing was accepted."""
    reply = await send(client, *events, **more)
    assert (reply.status, reply.json["successes"]) == (207, [])
    errors: list[dict[str, Any]] = reply.json["errors"]
    return errors


# -- the envelope --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"batch": None}, {"batch": {}}, {"batch": "x"}, [], 1, None, "text"])
async def test_a_batch_that_is_no_list_is_refused(client: Client, body: Any) -> None:
    reply = await client.call("POST", "/ingestion", body=json.dumps(body).encode())
    assert reply.status == 400
    assert reply.json["message"] == "Invalid request data"
    assert reply.json["error"][0]["path"] == ["batch"]


async def test_a_body_that_is_no_json_is_refused(client: Client) -> None:
    reply = await client.call("POST", "/ingestion", body=b'{"batch": [')
    assert (reply.status, set(reply.json)) == (400, {"message", "error"})


async def test_an_empty_batch_is_fine(client: Client) -> None:
    assert (await send(client)).json == {"successes": [], "errors": []}


async def test_a_body_that_is_too_large_is_refused_in_the_shape_of_the_api(client: Client) -> None:
    most = event("trace-create", {"id": "large", "input": ""})
    room = MAX_BODY_BYTES - len(json.dumps({"batch": [most], "metadata": {"sdk": 1}}))
    most["body"]["input"] = "x" * room
    await accepted(client, most)
    most["body"]["input"] += "x"
    reply = await send(client, most)
    assert (reply.status, set(reply.json)) == (413, {"message", "error"})


async def test_keys(client: Client) -> None:
    assert (await send(client, keys=None)).status == 401
    assert (await send(client, keys=READ)).status == 403
    await accepted(client, event("trace-create", {"id": "by-ingest-key"}), keys=INGEST)


async def test_the_public_key_alone_sends_scores_only(client: Client) -> None:
    score = event("score-create", {"traceId": "t", "name": "n", "value": 1})
    others = [event("trace-create", {"id": "bearer"}), event("span-create", {"id": "s"}), event("nonsense", {})]
    reply = await send(client, score, *others, event("sdk-log", {}), keys=PROJECTS["p"][0])
    assert reply.status == 207
    assert reply.json["successes"] == [{"id": score["id"], "status": 201}]
    assert [(e["id"], e["status"]) for e in reply.json["errors"]] == [(e["id"], 401) for e in others]
    assert await spans(client) == []


# -- each event by itself ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        event("nonsense", {}),
        event("agent-update", {"id": "x"}),
        event("trace-create", None),
        event("trace-create", {"id": "x" * 801}),
        event("trace-create", {"id": "a\rb"}),
        event("trace-create", {"id": "x", "timestamp": "yesterday"}),
        event("trace-create", {"id": "x", "tags": {"a": 1}}),
        event("trace-create", {"id": "x"}, timestamp=None),
        event("trace-create", {"id": "x"}, timestamp="2026-13-01T00:00:00Z"),
        event("trace-create", {"id": "x"}, timestamp=iso(days=2)),
        event("span-create", {"id": "x", "startTime": iso(days=2)}),
        event("span-create", {"id": "x", "endTime": iso(days=2)}),
        event("span-create", {"id": "x", "level": "LOUD"}),
        event("span-create", {"id": "x", "traceId": ""}),
        event("generation-create", {"id": "x", "usage": 7}),
        event("observation-create", {"id": "x", "type": "WHATEVER"}),
        event("score-create", {"traceId": "t", "name": "n"}),
        event("score-create", {"name": "n", "value": 1}),
        {**event("trace-create", {"id": "x"}), "id": ""},
    ],
    ids=lambda e: f"{e['type']}-{str(e['body'])[:40]}",
)
async def test_an_event_that_cannot_be_is_told_and_costs_no_other(client: Client, wrong: dict[str, Any]) -> None:
    good = event("trace-create", {"id": f"beside-{uuid.uuid4()}"})
    reply = await send(client, wrong, good)
    assert (reply.status, reply.json["successes"]) == (207, [{"id": good["id"], "status": 201}])
    (error,) = reply.json["errors"]
    assert (error["id"], error["status"], error["message"]) == (wrong["id"], 400, "Invalid request data")
    assert error["error"][0]["path"]


@pytest.mark.parametrize("wrong", [None, 1, "text", [], {}])
async def test_what_is_no_event_is_told_without_an_id(client: Client, wrong: Any) -> None:
    (error,) = await refused(client, wrong)
    assert (error["id"], error["status"]) == ("", 400)


async def test_logs_of_the_sdk_are_dropped(client: Client) -> None:
    assert (await send(client, event("sdk-log", {"log": "x"}), {"type": "sdk-log"})).json == {
        "successes": [],
        "errors": [],
    }


async def test_values_are_taken_as_they_can_be_meant(client: Client, server: Server) -> None:
    object_id = str(uuid.uuid4())
    body = {
        "id": object_id,
        "name": 7,
        "userId": 12,
        "tags": "one",
        "public": "true",
        "timestamp": "2026-06-01 12:00:00",
        "unheardOf": {"x": 1},
        "sessionId": None,
    }
    await accepted(client, event("trace-create", body))
    (span,) = await spans(client)
    assert span["langfuse.trace.name"] == "7"
    assert span["langfuse.user.id"] == "12"
    assert span["langfuse.trace.tags"] == '["one"]'
    assert span["langfuse.trace.public"] == "true"
    assert span["start"] == 1_780_315_200 * 10**9
    assert json.loads(kept(server, object_id)[0]["body"]) == body


async def test_text_that_is_no_unicode_is_taken(client: Client) -> None:
    made = event("trace-create", {"id": "halves", "name": "cut HALF"})
    sent = json.dumps({"batch": [made]}).replace("HALF", "\\ud83d").encode()
    reply = await client.call("POST", "/ingestion", body=sent)
    assert reply.json["errors"] == []
    assert (await spans(client))[0]["name"] == "cut \ufffd"


async def test_infinities_as_sdk_2_writes_them_are_null(client: Client, server: Server) -> None:
    made = event("trace-create", {"id": str(uuid.uuid4()), "name": "n", "input": {"a": float("inf"), "b": 2**70}})
    await accepted(client, made)
    (row,) = kept(server, made["body"]["id"])
    assert json.loads(row["body"])["input"] == {"a": None, "b": 2**70}
