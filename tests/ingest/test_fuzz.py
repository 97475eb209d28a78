"""Seeded noise against the route: whatever comes, an answer of the contract, and never 500 (style point 8).

What is acknowledged has to be readable by the worker's rules: the record inflates and its spans are found.
"""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from google.rpc import status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from litefuse.otlp.inflate import inflate
from litefuse.otlp.json import to_protobuf
from litefuse.otlp.scan import examine
from tests.ingest.support import JSON, PROTOBUF, request, running
from tests.ingest.test_traces import otlp_json

ALLOWED = {200, 400, 413, 415}
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}


def damage(body: bytes, r: random.Random) -> bytes:
    """A few bytes changed, cut out, doubled, or put in."""
    data = bytearray(body)
    for _ in range(r.choice((0, 1, 1, 2, 5, 20))):
        if not data:
            break
        at = r.randrange(len(data))
        match r.randrange(5):
            case 0:
                data[at] = r.randrange(256)
            case 1:
                data[at] ^= 1 << r.randrange(8)
            case 2:
                del data[at : at + r.randrange(1, 20)]
            case 3:
                data[at:at] = data[at : at + r.randrange(1, 20)]
            case _:
                data[at:at] = r.choice((b"\xff" * 10, b"\x00" * 4, b"\x0b\x0b", b'"', b"[[[[", b"1e999", b"\x0a\x80"))
    return bytes(data)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("media", [PROTOBUF, JSON])
async def test_damaged_bodies(tmp_path: Path, media: str, seed: int) -> None:
    r = random.Random(seed)
    message = request({}, {"span_id": b"bad"}, {"start_time_unix_nano": 0}, {})
    message.resource_spans.extend(request({"name": "ünï ☃"}).resource_spans)
    clean = message.SerializeToString() if media == PROTOBUF else otlp_json(message)
    seen: set[int] = set()
    async with running(tmp_path) as to:
        before = 0
        for _ in range(150):
            encoding = r.choice(list(PACK))
            body = PACK[encoding](damage(clean, r))
            if r.random() < 0.2:
                body = damage(body, r)
            answer = await to.post(body, {"Content-Type": media, "Content-Encoding": encoding or None})
            seen.add(answer.status)
            assert answer.status in ALLOWED
            assert answer.headers["Content-Type"] == media
            records = await to.records()
            new, before = records[before:], len(records)
            if answer.status != 200:
                assert new == []
                status = (
                    status_pb2.Status.FromString(answer.body).message
                    if media == PROTOBUF
                    else json.loads(answer.body)["message"]
                )
                assert status
                continue
            if media == PROTOBUF:
                ExportTraceServiceResponse.FromString(answer.body)
            else:
                json.loads(answer.body)
            for record in new:
                value = inflate(record.value, record.header("content_encoding") or "", 1 << 26)
                if record.header("content_type") == JSON:
                    converted = to_protobuf(value)
                    assert not converted.rejected
                    value = converted.body
                examined = examine(value, int(record.header("received_at") or 0), 0)
                assert examined.count
                assert not examined.refusals
    assert {200, 400} <= seen


@pytest.mark.parametrize("seed", range(2))
async def test_noise_in_headers(tmp_path: Path, seed: int) -> None:
    r = random.Random(seed)
    body = request(count=1).SerializeToString()
    values = ["", "gzip", "application/x-protobuf", "APPLICATION/JSON;x", "Basic", "Basic ====", "\u00ff", "a" * 4000]
    async with running(tmp_path) as to:
        for _ in range(100):
            headers: dict[str, str | None] = {
                name: r.choice(values)
                for name in ("Content-Type", "Content-Encoding", "Authorization", "X-Langfuse-Sdk-Name", "Origin")
                if r.random() < 0.5
            }
            answer = await to.post(body, headers)
            assert answer.status in {*ALLOWED, 401}
