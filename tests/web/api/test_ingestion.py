"""POST /ingestion over HTTP: what is accepted and answered, is kept, and goes into the log (public-api.md section 8)."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from litefuse.clickhouse.codes import BUSY
from litefuse.errors import StoreError, StoreMisconfigured, StoreTooBig, StoreUnavailable
from litefuse.ingested import KIND, SCOPE, TRACE, VERSION
from litefuse.log.base import TRACES
from litefuse.otlp.check import Window
from litefuse.otlp.schema import FULL_REQUEST
from litefuse.text_ids import SPAN_ID, TRACE_ID, span_id, trace_id
from tests.embedded.server import Server
from tests.web.api.support import INGEST, PROJECTS, READ, Client, Reply
from web.api.errors import ApiError
from web.api.ingestion import MAX_BODY_BYTES
from web.api.ingestion_events import Event, Rules, read
from web.api.ingestion_rows import Row
from web.api.ingestion_spans import records
from web.api.ingestion_writer import IngestionWriter, Sender, Sent, numbered


def iso(days: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def event(type_: str, body: Any, **more: Any) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "type": type_, "timestamp": iso(), "body": body, **more}


async def send(client: Client, *events: Any, **more: Any) -> Reply:
    return await client.call("POST", "/ingestion", body={"batch": list(events), "metadata": {"sdk": 1}}, **more)


async def accepted(client: Client, *events: dict[str, Any], **more: Any) -> None:
    reply = await send(client, *events, **more)
    assert (reply.status, reply.json) == (
        207,
        {"successes": [{"id": e["id"], "status": 201} for e in events], "errors": []},
    )


async def refused(client: Client, *events: Any, **more: Any) -> list[dict[str, Any]]:
    """The errors, where nothing was accepted."""
    reply = await send(client, *events, **more)
    assert (reply.status, reply.json["successes"]) == (207, [])
    errors: list[dict[str, Any]] = reply.json["errors"]
    return errors


async def spans(client: Client) -> list[dict[str, Any]]:
    """What the log has: attributes and times of each span."""
    found = []
    async for record in client.log.read(TRACES):
        for resource in FULL_REQUEST.FromString(record.value).resource_spans:
            for scope in resource.scope_spans:
                assert scope.scope.name.decode() == SCOPE
                for span in scope.spans:
                    texts = {a.key.decode(): a.value.string_value.decode() for a in span.attributes}
                    version = next(a.value.int_value for a in span.attributes if a.key.decode() == VERSION)
                    assert record.header("project_id") == "p"
                    found.append(
                        {
                            **texts,
                            "ids": (span.trace_id, span.span_id, span.parent_span_id),
                            "name": span.name.decode(),
                            "start": span.start_time_unix_nano,
                            VERSION: version,
                        }
                    )
    return found


def kept(server: Server, object_id: str) -> list[dict[str, Any]]:
    answer = server.ask(
        f"SELECT * FROM ingestion_events FINAL WHERE object_id = '{object_id}' ORDER BY received_at FORMAT JSONEachRow",
        database="litefuse",
    )
    assert answer.status == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


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


# -- what is kept, and what is told together -----------------------------------------------------------------------------


async def test_events_are_kept_as_sent_and_go_into_the_log_as_spans(client: Client, server: Server) -> None:
    trace, id_ = str(uuid.uuid4()), str(uuid.uuid4())
    sent = [
        event("trace-create", {"id": trace, "name": "talk", "timestamp": iso()}),
        event("generation-create", {"id": id_, "traceId": trace, "name": "g", "startTime": iso(), "x": [1]}),
    ]
    await accepted(client, *sent, headers={"x_langfuse_sdk_name": "python", "x_langfuse_sdk_version": "2.60.10"})
    for object_id, kind, one in ((trace, "trace", sent[0]), (id_, "observation", sent[1])):
        (row,) = kept(server, object_id)
        assert (row["project_id"], row["kind"], row["event_id"], row["type"]) == ("p", kind, one["id"], one["type"])
        assert (row["trace_id"], json.loads(row["body"])) == (trace, one["body"])
    of_trace, of_generation = sorted(await spans(client), key=lambda span: KIND not in span)
    assert (of_trace[KIND], of_trace[TRACE_ID], of_trace["name"]) == (TRACE, trace, "talk")
    assert of_generation["ids"] == (trace_id(trace), span_id(id_), b"")
    assert (of_generation[TRACE_ID], of_generation[SPAN_ID]) == (trace, id_)
    (record,) = [record async for record in client.log.read(TRACES)]
    assert {name: record.header(name) for name in ("sdk_name", "sdk_version", "content_type", "public_key")} == {
        "sdk_name": "python",
        "sdk_version": "2.60.10",
        "content_type": "application/x-protobuf",
        "public_key": PROJECTS["p"][0],
    }
    assert abs(int(record.header("received_at") or 0) - time.time_ns()) < 60 * 10**9


async def test_what_is_sent_again_changes_nothing(client: Client, server: Server) -> None:
    id_ = str(uuid.uuid4())
    create = event("span-create", {"id": id_, "traceId": "t", "startTime": iso(), "name": "s"})
    update = event("span-update", {"id": id_, "traceId": "t", "output": "done"})
    await accepted(client, create)
    await accepted(client, update)
    await accepted(client, create, update)
    await accepted(client, create)
    assert len(kept(server, id_)) == 2
    first, *later = await spans(client)
    assert "langfuse.observation.output" not in first
    assert [span["langfuse.observation.output"] for span in later] == ["done"] * 3
    versions = [span[VERSION] for span in (first, *later)]
    assert versions == sorted(set(versions))


async def test_an_update_waits_for_its_create(client: Client, server: Server) -> None:
    id_ = str(uuid.uuid4())
    await accepted(client, event("generation-update", {"id": id_, "output": "early"}))
    assert await spans(client) == []
    assert kept(server, id_)[0]["trace_id"] == ""
    await accepted(client, event("generation-create", {"id": id_, "traceId": "t-late", "startTime": iso()}))
    (span,) = await spans(client)
    assert span["langfuse.observation.output"] == "early"


async def test_each_event_names_the_trace_that_a_deletion_finds_it_by(client: Client, server: Server) -> None:
    """Also those that did not name it themselves, whether it was known when they came or turned out later. No copy of a row is
    left that does not."""
    id_ = str(uuid.uuid4())
    await accepted(client, event("span-update", {"id": id_, "output": "1"}))
    await accepted(client, event("span-create", {"id": id_, "traceId": "named", "startTime": iso()}))
    await accepted(client, event("span-update", {"id": id_, "output": "2"}))
    for _ in range(200):
        answer = server.ask(
            f"SELECT trace_id FROM ingestion_events WHERE object_id = '{id_}' SETTINGS final = 0", database="litefuse"
        )
        if answer.text.split() == ["named"] * 3:
            break
        await asyncio.sleep(0.05)
    assert answer.text.split() == ["named"] * 3


async def test_requests_at_once_end_in_one_object(client: Client, server: Server) -> None:
    id_ = str(uuid.uuid4())
    create = event("span-create", {"id": id_, "traceId": "t", "startTime": iso()})
    updates = [event("span-update", {"id": id_, "metadata": {f"k{n}": n}}) for n in range(20)]
    await asyncio.gather(*(accepted(client, one) for one in (*updates, create)))
    assert len(kept(server, id_)) == 21
    last = max(await spans(client), key=lambda span: span[VERSION])
    assert {name: last[f"langfuse.observation.metadata.{name}"] for name in ("k0", "k7", "k19")} == {
        "k0": "0",
        "k7": "7",
        "k19": "19",
    }


async def test_of_an_object_that_is_told_without_end_the_creates_and_the_latest_updates_count(client: Client) -> None:
    id_ = str(uuid.uuid4())
    create = event("span-create", {"id": id_, "traceId": "t", "startTime": iso(), "name": "s"}, timestamp=iso(-0.5))
    many = [event("span-update", {"id": id_, "output": n}, timestamp=iso(-0.4 + n / 10_000)) for n in range(1200)]
    await accepted(client, *reversed(many))
    await accepted(client, create)
    (span,) = await spans(client)
    assert (span["name"], span["langfuse.observation.output"]) == ("s", "1199")


class Failing:
    """A store that answers everything with one error."""

    def __init__(self, error: StoreError) -> None:
        self.error = error

    async def rows(self, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        raise self.error

    async def command(self, *_: Any, **__: Any) -> Any:
        raise self.error

    async def insert_arrow(self, *_: Any, **__: Any) -> None:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailable("connection refused"),
        StoreUnavailable("timeout exceeded", 159),
        StoreUnavailable("too many queries", BUSY),
        StoreTooBig("memory limit exceeded", 241),
        StoreMisconfigured("no such table", 60),
    ],
)
async def test_what_may_not_be_stored_is_to_be_sent_again(client: Client, error: StoreError) -> None:
    """SDKs drop the batch for good at 422, which a read that takes too long or too much is answered with."""
    writer = IngestionWriter(Failing(error), client.log)
    rules = Rules("p", 0, Window.of(time.time_ns(), 0))
    one = read(event("trace-create", {"id": str(uuid.uuid4())}), rules)
    assert isinstance(one, Event)
    with pytest.raises(ApiError) as failed:
        await writer.write(Sent(Sender("p", "pk", 0, "", ""), numbered([one], writer.now(1))), 100)
    assert (failed.value.status, failed.value.retry_after) == (503, 1)
    await writer.close()


async def test_objects_of_another_project_are_other_objects(client: Client) -> None:
    id_ = str(uuid.uuid4())
    await accepted(client, event("span-create", {"id": id_, "traceId": "t", "name": "other's"}), keys=PROJECTS["other"])
    await accepted(client, event("span-update", {"id": id_, "traceId": "t", "startTime": iso(), "output": "own"}))
    async for record in client.log.read(TRACES):
        owner = record.header("project_id")
        assert (b"other's" in record.value) == (owner == "other")
        assert (b"own" in record.value) == (owner == "p")


async def test_a_score_has_the_time_of_its_event_and_is_one_however_often_it_is_sent(client: Client) -> None:
    trace = str(uuid.uuid4())
    made = event(
        "score-create",
        {"traceId": trace, "name": "n", "value": 0.5, "source": "EVAL"},
        timestamp="2026-06-01T00:00:00Z",
    )
    await accepted(client, made)
    await accepted(client, made)
    (score,) = (await client.get("/v2/scores", {"traceId": trace})).data
    assert (score["id"], score["value"], score["source"]) == (made["id"], 0.5, "EVAL")
    assert score["timestamp"] == "2026-06-01T00:00:00.000Z"


# -- records of the log --------------------------------------------------------------------------------------------------


def test_rows_are_cut_into_records_that_fit() -> None:
    rows = [Row(f"t{n}", f"s{n}", 1, attributes={"langfuse.observation.input": "ä" * 50_000}) for n in range(30)]
    found = list(records([(row, 1) for row in rows], 1 << 20))
    assert len(found) > 2
    assert all(len(record.value) <= 1 << 20 for record in found)
    sent = [s for record in found for s in FULL_REQUEST.FromString(record.value).resource_spans[0].scope_spans[0].spans]
    assert [span.span_id for span in sent] == [span_id(row.span_id) for row in rows]


def test_records_of_one_trace_have_it_for_their_key() -> None:
    (one,) = records([(Row("t", "a", 1), 1), (Row("t", "b", 1), 1)], 1 << 20)
    (two,) = records([(Row("t", "a", 1), 1), (Row("u", "b", 1), 1)], 1 << 20)
    assert (one.key, two.key) == (trace_id("t"), None)


def test_what_does_not_fit_alone_says_that_it_was_cut() -> None:
    row = Row("t", "s", 1, attributes={"langfuse.observation.input": "ä" * 500_000, "langfuse.version": "v"})
    (record,) = records([(row, 1)], 200_000)
    assert len(record.value) <= 200_000
    (span,) = FULL_REQUEST.FromString(record.value).resource_spans[0].scope_spans[0].spans
    texts = {a.key.decode(): a.value.string_value.decode() for a in span.attributes}
    assert texts["langfuse.observation.input"].startswith("ää")
    assert "[cut, it was" in texts["langfuse.observation.input"]
    assert texts["langfuse.version"] == "v"
