"""What POST /ingestion keeps of events, and what goes into the log for all that they say together (public-api.md section 8)."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import Any

import pytest

from litefuse.clickhouse.codes import BUSY
from litefuse.errors import StoreError, StoreMisconfigured, StoreTooBig, StoreUnavailable
from litefuse.ingested import KIND, TRACE, VERSION
from litefuse.log.base import TRACES
from litefuse.log.sender import Sender
from litefuse.otlp.check import Window
from litefuse.text_ids import SPAN_ID, TRACE_ID, span_id, trace_id
from tests.embedded.server import Server
from tests.web.api.ingestion_support import accepted, event, iso, kept, spans
from tests.web.api.support import PROJECTS, Client
from web.api.errors import ApiError
from web.api.ingestion_events import Event, Rules, read
from web.api.ingestion_writer import IngestionWriter, Sent, numbered


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
