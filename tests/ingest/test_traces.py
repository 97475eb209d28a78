"""What becomes of good requests and of half good ones: records, headers, answers (architecture sections 4 and 5)."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.ingest.support import JSON, NOW, PROJECT, PROTOBUF, PUBLIC, FaultyLog, Store, basic, names, request, running
from tests.waiting import until

DAY_NS = 86_400_000_000_000
ENCODINGS: dict[str, Any] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
    "identity": lambda body: body,
}


def otlp_json(message: ExportTraceServiceRequest) -> bytes:
    """OTLP/JSON: ids in hex, which protobuf's own printer does not do."""
    tree = json_format.MessageToDict(message)
    for resource in tree["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for number, span in enumerate(scope["spans"]):
                span["traceId"] = (bytes([1]) * 16).hex()
                span["spanId"] = (number + 1).to_bytes(8, "big").hex()
    return json.dumps(tree).encode()


async def test_the_record_is_the_body_as_received_with_its_headers(tmp_path: Path) -> None:
    body = request(count=3).SerializeToString()
    async with running(tmp_path, retention_days=30_000) as to:
        before = time.time_ns()
        answer = await to.post(body, {"X-Langfuse-Sdk-Name": "python", "x_langfuse_sdk_version": "3.1.0"})
        assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, PROTOBUF, b"")
        (record,) = await to.records()
    assert record.value == body
    received_at = record.header("received_at")
    assert received_at is not None
    assert before <= int(received_at) <= time.time_ns()
    assert {name: value.decode() for name, value in record.headers} == {
        "project_id": PROJECT,
        "content_type": PROTOBUF,
        "received_at": received_at,
        "retention_days": "30000",
        "public_key": PUBLIC,
        "sdk_name": "python",
        "sdk_version": "3.1.0",
    }
    assert record.key == bytes([1]) * 16


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("media", [PROTOBUF, JSON])
@pytest.mark.parametrize("count", [1, 3000])
async def test_encodings(tmp_path: Path, encoding: str, media: str, count: int) -> None:
    message = request(count=count)
    body = ENCODINGS[encoding](message.SerializeToString() if media == PROTOBUF else otlp_json(message))
    async with running(tmp_path) as to:
        answer = await to.post(body, {"Content-Type": f"{media}; charset=utf-8", "Content-Encoding": encoding.upper()})
        assert (answer.status, answer.headers["Content-Type"]) == (200, media)
        assert answer.body == (b"" if media == PROTOBUF else b"{}")
        (record,) = await to.records()
    assert record.value == body
    assert record.header("content_type") == media
    assert record.header("content_encoding") == (None if encoding == "identity" else encoding)


async def test_both_ports_have_their_own_path(tmp_path: Path) -> None:
    body = request(count=1).SerializeToString()
    async with running(tmp_path) as to:
        assert (await to.post(body, path="/v1/traces")).status == 200
        assert (await to.post(body, path="/api/public/otel/v1/traces", main=True)).status == 200
        assert (await to.post(body, path="//api/public/otel/v1/traces", main=True)).status == 200
        assert (await to.post(body, path="/v1/traces", main=True)).status == 404
        assert (await to.post(body, path="/api/public/otel/v1/traces")).status == 404
        assert len(await to.records()) == 3


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (b"", PROTOBUF),
        (b"{}", JSON),
        (b'{"resourceSpans": []}', JSON),
        (b'{"resourceSpans": [{"resource": {}, "scopeSpans": []}]}', JSON),
        (request().SerializeToString(), PROTOBUF),
    ],
)
async def test_an_empty_request_is_fine_and_leaves_no_record(tmp_path: Path, body: bytes, media: str) -> None:
    async with running(tmp_path) as to:
        answer = await to.post(body, {"Content-Type": media})
        assert (answer.status, answer.body) == (200, b"" if media == PROTOBUF else b"{}")
        assert await to.records() == []


BAD_SPANS: dict[str, tuple[dict[str, Any], str]] = {
    "short trace id": ({"trace_id": b"short"}, "trace id is not 16 bytes"),
    "long trace id": ({"trace_id": bytes([1]) * 17}, "trace id is not 16 bytes"),
    "missing trace id": ({"trace_id": b""}, "trace id is not 16 bytes"),
    "zero trace id": ({"trace_id": bytes(16)}, "or all zeros"),
    "short span id": ({"span_id": b"short"}, "span id is not 8 bytes"),
    "missing span id": ({"span_id": b""}, "span id is not 8 bytes"),
    "zero span id": ({"span_id": bytes(8)}, "or all zeros"),
    "year 1970": ({"start_time_unix_nano": 1}, "times from "),
    "year 2554": ({"end_time_unix_nano": 2**64 - 1}, "times from "),
    "tomorrow and a bit": ({"end_time_unix_nano": time.time_ns() + DAY_NS + 10**12}, "times from "),
}


@pytest.mark.parametrize("name", BAD_SPANS)
@pytest.mark.parametrize("count", [2, 2000])
async def test_a_bad_span_costs_its_neighbours_nothing(tmp_path: Path, name: str, count: int) -> None:
    fields, text = BAD_SPANS[name]
    message = request(*[{}] * (count - 1), fields, {})
    store = Store()
    store.keys[PUBLIC] = (PROJECT, 20_000, store.keys[PUBLIC][2])
    async with running(tmp_path, store=store) as to:
        answer = await to.post(message.SerializeToString())
        (record,) = await to.records()
    assert answer.status == 200
    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert partial.rejected_spans == 1
    assert partial.error_message.startswith(f"1 of {count + 1} spans rejected; 1: ")
    assert text in partial.error_message
    assert f"span {count - 1}" in partial.error_message
    del message.resource_spans[0].scope_spans[0].spans[count - 1]
    assert ExportTraceServiceRequest.FromString(record.value) == message
    assert record.header("content_type") == PROTOBUF


async def test_a_bad_span_in_compressed_json(tmp_path: Path) -> None:
    tree = json.loads(otlp_json(request(count=3)))
    tree["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["spanId"] = 7
    tree["resourceSpans"][0]["scopeSpans"][0]["spans"][2]["traceId"] = "00" * 16
    async with running(tmp_path) as to:
        answer = await to.post(
            gzip.compress(json.dumps(tree).encode()), {"Content-Type": JSON, "Content-Encoding": "gzip"}
        )
        (record,) = await to.records()
    partial = json.loads(answer.body)["partialSuccess"]
    assert (answer.status, partial["rejectedSpans"]) == (200, "2")
    assert "span 1" in partial["errorMessage"]
    assert "span 2" in partial["errorMessage"]
    assert record.header("content_type") == PROTOBUF
    assert record.header("content_encoding") is None
    assert names([record.value]) == ["span 0"]


async def test_retention_of_the_project_wins_over_the_setting(tmp_path: Path) -> None:
    old = request({"start_time_unix_nano": time.time_ns() - 10 * DAY_NS}, {"start_time_unix_nano": time.time_ns()})
    store = Store()
    async with running(tmp_path, store=store, retention_days=5, key_refresh_s=0.1) as to:
        partial = ExportTraceServiceResponse.FromString((await to.post(old.SerializeToString())).body).partial_success
        assert partial.rejected_spans == 1
        assert "before the project's retention" in partial.error_message
        store.keys["pk-lf-2"] = ("project-2", 15, "sk-lf-2")
        answer = await to.post(old.SerializeToString(), {"Authorization": basic("pk-lf-2", "sk-lf-2")})
        assert (answer.status, answer.body) == (200, b"")
        records = await to.records()
    assert [r.header("retention_days") for r in records] == ["5", "15"]
    assert [r.header("project_id") for r in records] == [PROJECT, "project-2"]


async def test_the_key_says_which_project_and_nothing_else_does(tmp_path: Path) -> None:
    message = request({}, resource={"project_id": "other", "langfuse.project.id": "other"})
    async with running(tmp_path) as to:
        answer = await to.post(message.SerializeToString(), {"project_id": "other", "X-Langfuse-Public-Key": "pk-lf-9"})
        assert answer.status == 200
        (record,) = await to.records()
    assert (record.header("project_id"), record.header("public_key")) == (PROJECT, PUBLIC)
    assert [name for name, _ in record.headers].count("project_id") == 1


async def test_what_the_log_does_not_take_in_one_piece_is_split() -> None:
    log = FaultyLog(said=5000)
    message = request(*[{"name": f"span {i} {'x' * 500}"} for i in range(40)], {"name": "y" * 6000}, {"name": "last"})
    async with running(log) as to:
        answer = await to.post(message.SerializeToString())
    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert (answer.status, partial.rejected_spans) == (200, 1)
    assert "span is larger than the log takes" in partial.error_message
    assert "span 40 (6" in partial.error_message
    assert "the log takes 4968" in partial.error_message
    assert len(log.records) > 4
    assert all(len(record.value) <= 5000 for record in log.records)
    found = names([record.value for record in log.records])
    assert [name.split()[1] for name in found[:-1]] == [str(i) for i in range(40)]
    assert found[-1] == "last"
    assert len({record.headers["received_at"] for record in log.records}) == 1


async def test_a_compressed_body_that_fits_is_not_split() -> None:
    log = FaultyLog(said=5000)
    body = gzip.compress(request(*[{"name": "x" * 1000}] * 40).SerializeToString())
    async with running(log) as to:
        assert (await to.post(body, {"Content-Encoding": "gzip"})).status == 200
    assert [record.value for record in log.records] == [body]


async def test_a_log_that_takes_less_than_it_said() -> None:
    """A topic whose limit was lowered: found out when it refuses, for small bodies and large ones."""
    log = FaultyLog(limit=2000)
    async with running(log) as to:
        answer = await to.post(request(*[{"name": "x" * 300}] * 20).SerializeToString())
        assert (answer.status, answer.body) == (200, b"")
        assert len(names([record.value for record in log.records])) == 20
        log.records.clear()
        answer = await to.post(request({}, {"name": "x" * 3000}).SerializeToString())
        partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
        assert (answer.status, partial.rejected_spans) == (200, 1)
        assert names([record.value for record in log.records]) == ["span 0"]


async def test_received_at_grows(tmp_path: Path) -> None:
    body = request(count=1).SerializeToString()
    async with running(tmp_path) as to:
        for _ in range(5):
            await asyncio.gather(*(to.post(body) for _ in range(10)))
        times = [int(record.header("received_at") or 0) for record in await to.records()]
    assert sorted(set(times)) == sorted(times)


async def test_small_requests_share_records_while_one_is_on_its_way() -> None:
    log = FaultyLog(hold=asyncio.Event())
    bodies = [request({"name": f"n{i}", "trace_id": bytes([i + 1]) * 16}).SerializeToString() for i in range(20)]
    timeless = request({"name": "timeless", "start_time_unix_nano": 0, "end_time_unix_nano": 0}).SerializeToString()
    half = request({"name": "bad", "span_id": b""}, {"name": "good"}).SerializeToString()
    store = Store()
    store.keys["pk-lf-2"] = ("project-2", 0, "sk-lf-2")
    async with running(log, store=store) as to:
        assert log.hold is not None
        first = asyncio.create_task(to.post(bodies[0]))
        await until(lambda: log.waiting)
        rest = [asyncio.create_task(to.post(body)) for body in [*bodies[1:], timeless, half]]
        rest.append(asyncio.create_task(to.post(bodies[5], {"Authorization": basic("pk-lf-2", "sk-lf-2")})))
        await until(lambda: log.waiting >= 5)
        await asyncio.sleep(0.05)
        assert not first.done()
        assert not any(task.done() for task in rest)
        log.hold.set()
        answers = await asyncio.gather(first, *rest)
    assert [answer.status for answer in answers] == [200] * 23
    assert sorted(names([r.value for r in log.records if r.headers["project_id"] == PROJECT])) == sorted(
        [*(f"n{i}" for i in range(20)), "timeless", "good"]
    )
    sizes = sorted(len(names([record.value])) for record in log.records)
    assert sizes[:4] == [1, 1, 1, 1]  # the first, the timeless one, the half good one, the other project's
    assert 5 <= len(log.records) < 15
    (timeless_record,) = [r for r in log.records if b"timeless" in r.value]
    assert timeless_record.value == timeless
    # A record of several traces goes to any partition, a record of one trace to that trace's.
    assert {r.key for r in log.records if len(names([r.value])) > 1 and r.headers["project_id"] == PROJECT} == {None}
    (other,) = [r for r in log.records if r.headers["project_id"] == "project-2"]
    assert other.key == bytes([6]) * 16


async def test_spans_of_several_traces_have_no_key(tmp_path: Path) -> None:
    async with running(tmp_path) as to:
        await to.post(request({}, {"trace_id": bytes([2]) * 16}).SerializeToString())
        await to.post(request({}, {}).SerializeToString())
        assert [record.key for record in await to.records()] == [None, bytes([1]) * 16]


async def test_expect_100_continue(tmp_path: Path) -> None:
    body = request(count=2000).SerializeToString()
    async with running(tmp_path) as to:
        assert (await to.post(body, {"Expect": "100-continue"})).status == 200
        answer = await to.post(body, {"Expect": "100-continue", "Authorization": None})
        assert (answer.status, answer.headers["Connection"]) == (401, "close")
        assert (await to.post(body, {"Expect": "200-maybe"})).status == 417
        assert len(await to.records()) == 1


async def test_unknown_json_fields_are_ignored_and_a_likely_mistake_is_named(tmp_path: Path) -> None:
    async with running(tmp_path) as to:
        answer = await to.post(b'{"resource_spans": [{}]}', {"Content-Type": JSON})
        partial = json.loads(answer.body)["partialSuccess"]
        assert (answer.status, partial["rejectedSpans"]) == (200, "0")
        assert "resourceSpans" in partial["errorMessage"]
        good = json.loads(otlp_json(request(count=1)))
        good["extra"] = {"x": 1}
        answer = await to.post(json.dumps(good).encode(), {"Content-Type": JSON})
        assert (answer.status, answer.body) == (200, b"{}")


def test_times_are_within_the_project_retention_of_these_tests() -> None:
    assert time.time_ns() - NOW < 20_000 * DAY_NS
