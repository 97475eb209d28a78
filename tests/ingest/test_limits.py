"""Bodies that are too large, too slow, or hostile: bounded in memory and in time (reliability rows 32, 33, 36 to 38)."""

from __future__ import annotations

import asyncio
import gzip
import json
import resource
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.rpc import status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from litefuse.http import Limits, Server
from tests.ingest.support import JSON, PROTOBUF, FaultyLog, basic, names, request, running
from tests.test_http import Peer

MIB = 1 << 20


def head(length: str, *more: str, media: str = PROTOBUF, authorization: str = basic()) -> str:
    lines = ("POST /v1/traces HTTP/1.1", "Host: x", f"Authorization: {authorization}", f"Content-Type: {media}", length)
    return "\r\n".join((*lines, *more, "", ""))


def peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def test_a_gigabyte_that_is_announced_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with running(tmp_path) as to:
        peer = await Peer.to(to.otlp)
        peer.send(head("Content-Length: 1000000000"))
        status, headers, body = await peer.answer()
        assert (status, headers["connection"]) == (413, "close")
        assert status_pb2.Status.FromString(body).message == "body is larger than 67108864 bytes"
        peer.close()


async def test_a_gigabyte_in_chunks_is_cut_off(tmp_path: Path) -> None:
    sent = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal sent
        block = bytes(256 << 10)
        while sent < 1_000_000_000:
            sent += len(block)
            yield block

    async with running(tmp_path, max_body_bytes=4 * MIB) as to:
        before = peak_kib()
        peer = await Peer.to(to.otlp)
        peer.send(head("Transfer-Encoding: chunked", media=JSON))
        answer = asyncio.create_task(peer.answer())
        async for block in flood():
            if answer.done():
                break
            peer.send(b"%x\r\n%s\r\n" % (len(block), block))
            await peer.writer.drain()
            await asyncio.sleep(0)
        status, headers, body = await answer
        assert (status, headers["connection"]) == (413, "close")
        assert json.loads(body) == {"code": 3, "message": f"body is larger than {4 * MIB} bytes"}
        assert sent < 64 * MIB  # what lies in buffers between us counts too
        assert peak_kib() - before < 64 << 10
        assert to.ingest._budget.used == 0
        peer.close()


@pytest.mark.parametrize("members", [1, 2000])
async def test_bombs_do_not_grow_in_memory_and_do_not_hold_the_loop(tmp_path: Path, members: int) -> None:
    bomb = gzip.compress(bytes(1 << 30 if members == 1 else 1 << 20), 9) * members  # 1 or 2 GB inflated
    async with running(tmp_path, max_body_bytes=8 * MIB) as to:
        before = peak_kib()
        sending = asyncio.create_task(to.post(bomb, {"Content-Encoding": "gzip"}))
        turns = 0
        while not sending.done():
            await asyncio.sleep(0)
            turns += 1
        answer = await sending
        assert answer.status == 413
        assert answer.headers["Connection"] == "close"
        assert turns > 10
        assert peak_kib() - before < 100 << 10


async def test_a_slow_body_is_refused_and_costs_others_nothing(tmp_path: Path) -> None:
    limits = Limits(header_s=30, body_s=0.4, idle_s=30, connections=500)
    async with running(tmp_path, limits=limits) as to:
        slow = [await Peer.to(to.otlp) for _ in range(100)]
        for peer in slow:
            peer.send(head("Content-Length: 5000") + "x")
        answers = await asyncio.gather(*(to.post(request(count=1).SerializeToString()) for _ in range(50)))
        assert {answer.status for answer in answers} == {200}
        for peer in slow:
            status, headers, body = await peer.answer()
            assert (status, headers["connection"]) == (408, "close")
            assert status_pb2.Status.FromString(body).code == 4
        assert to.ingest._budget.used == 0


async def test_a_client_that_goes_away_leaves_nothing_behind(tmp_path: Path) -> None:
    async with running(tmp_path) as to:
        for _ in range(10):
            peer = await Peer.to(to.otlp)
            peer.send(head("Content-Length: 5000") + "x" * 100)
            await peer.writer.drain()
            peer.close()
        async with asyncio.timeout(20):
            while to.ingest._budget.used or _active(to.otlp):
                await asyncio.sleep(0.01)
        assert await to.records() == []


def _active(server: Server) -> int:
    return server._front.active


async def test_broken_chunks_are_400(tmp_path: Path) -> None:
    async with running(tmp_path) as to:
        peer = await Peer.to(to.otlp)
        peer.send(head("Transfer-Encoding: chunked") + "5\r\nhello\r\n")
        await asyncio.sleep(0.05)
        peer.send("nonsense\r\n")
        status, headers, body = await peer.answer()
        assert (status, headers["connection"]) == (400, "close")
        assert status_pb2.Status.FromString(body).message == "malformed HTTP body"
        assert await to.records() == []


async def test_deep_nesting_in_protobuf_is_kept_as_it_is(tmp_path: Path) -> None:
    """At ingest attributes are not looked into; the worker makes a dead letter of that span alone."""
    value = AnyValue(string_value="x").SerializeToString()
    for _ in range(10_000):
        inner = b"\x0a" + _size(value) + value
        value = b"\x2a" + _size(inner) + inner
    pair = b"\x0a\x01k\x12" + _size(value) + value
    message = request({}, {})
    good = message.SerializeToString()
    span = message.resource_spans[0].scope_spans[0].spans[0].SerializeToString()
    deep = span + b"\x4a" + _size(pair) + pair
    body = _message(0x0A, _message(0x12, _message(0x12, deep))) + good
    async with running(tmp_path) as to:
        answer = await to.post(body)
        assert (answer.status, answer.body) == (200, b"")
        assert [r.value for r in await to.records()] == [body]


async def test_deep_nesting_in_json_costs_that_span(tmp_path: Path) -> None:
    deep = '{"arrayValue":{"values":[' * 10_000 + "{}" + "]}}" * 10_000
    span = '{"traceId":"%s","spanId":"%s","startTimeUnixNano":"1700000000000000000","name":"%s"%s}'
    spans = ",".join(
        (
            span % ("01" * 16, "02" * 8, "good", ""),
            span % ("01" * 16, "03" * 8, "deep", ',"attributes":[{"key":"k","value":' + deep + "}]"),
            span % ("01" * 16, "04" * 8, "also good", ""),
        )
    )
    body = ('{"resourceSpans":[{"scopeSpans":[{"spans":[' + spans + "]}]}]}").encode()
    async with running(tmp_path) as to:
        answer = await to.post(body, {"Content-Type": JSON})
        (record,) = await to.records()
    partial = json.loads(answer.body)["partialSuccess"]
    assert (answer.status, partial["rejectedSpans"]) == (200, "1")
    assert "span 1" in partial["errorMessage"]
    assert names([record.value]) == ["good", "also good"]


async def test_bad_utf8_is_kept(tmp_path: Path) -> None:
    message = request({"name": "PLACEHOLDER"}, {})
    body = message.SerializeToString().replace(b"PLACEHOLDER", b"\xff\xfe\x00 garbled")
    async with running(tmp_path) as to:
        answer = await to.post(body)
        assert (answer.status, answer.body) == (200, b"")
        assert [r.value for r in await to.records()] == [body]


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_garbled_span_costs_its_neighbours_nothing(tmp_path: Path, compressed: bool) -> None:
    message = request({}, {"name": "PLACEHOLDER"}, {})
    inner = message.resource_spans[0].scope_spans[0].spans[1].SerializeToString()
    body = message.SerializeToString().replace(inner, b"\xff" * len(inner))
    async with running(tmp_path) as to:
        if compressed:
            answer = await to.post(gzip.compress(body), {"Content-Encoding": "gzip"})
        else:
            answer = await to.post(body)
        (record,) = await to.records()
    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert (answer.status, partial.rejected_spans) == (200, 1)
    assert "span cannot be decoded" in partial.error_message
    assert names([record.value]) == ["span 0", "span 2"]


async def test_a_body_of_very_many_spans_is_bounded(tmp_path: Path) -> None:
    body = _message(0x0A, _message(0x12, b"\x12\x00" * 3_000_000))
    async with running(tmp_path) as to:
        sending = asyncio.create_task(to.post(body))
        started = time.monotonic()
        turns = 0
        while not sending.done():
            await asyncio.sleep(0)
            turns += 1
        answer = await sending
        assert answer.status == 413
        assert "more than" in status_pb2.Status.FromString(answer.body).message
        assert turns > 10
        assert time.monotonic() - started < 60


async def test_bytes_in_flight_are_bounded_and_given_back() -> None:
    log = FaultyLog(hold=asyncio.Event())
    body = request(*[{"name": "x" * 1000}] * 300).SerializeToString()  # 330 kB
    async with running(log, inflight_bytes=MIB) as to:
        assert log.hold is not None
        tasks = [asyncio.create_task(to.post(body)) for _ in range(3)]
        async with asyncio.timeout(20):
            while log.waiting < 3:
                await asyncio.sleep(0.01)
        refused = await to.post(body)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        assert status_pb2.Status.FromString(refused.body).code == 14
        assert (await to.post(request(count=1).SerializeToString(), {"Content-Type": "a/b"})).status == 415
        assert to.ingest._budget.used <= MIB
        log.hold.set()
        assert [(await task).status for task in tasks] == [200] * 3
        assert to.ingest._budget.used == 0
        assert (await to.post(body)).status == 200


async def test_one_request_larger_than_the_budget_gets_through_alone(tmp_path: Path) -> None:
    body = request(*[{"name": "x" * 1000}] * 3000).SerializeToString()
    async with running(tmp_path, inflight_bytes=MIB) as to:
        assert (await to.post(body)).status == 200
        assert to.ingest._budget.used == 0


def _size(value: bytes) -> bytes:
    size = len(value)
    out = bytearray()
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((*out, size))


def _message(tag: int, value: bytes) -> bytes:
    return bytes((tag,)) + _size(value) + value
