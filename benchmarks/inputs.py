"""What is sent: the 552-byte spans of `gen`, and the LLM spans of the corpus, in both encodings of OTLP."""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks import gen
from litefuse.otlp import wire
from litefuse.otlp.json import to_protobuf
from tests.corpus_files import captured

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
#: Captured from plain OpenTelemetry SDKs: no LLM spans.
_NOT_LLM = "plain_otel"
_IDS = frozenset(("traceId", "spanId", "parentSpanId"))


@dataclass(frozen=True, slots=True)
class Body:
    """One export request as sent. `plain` is the size before its content encoding."""

    data: bytes
    spans: int
    content_type: str = PROTOBUF
    encoding: str = ""
    plain: int = 0


def http_spans(per_request: int, requests: int) -> list[Body]:
    """Requests of `per_request` spans of gen.py, all different; their times are now."""
    start = time.time_ns() - 60_000_000_000
    return [_body(gen.request(per_request, seed, start), per_request) for seed in range(requests)]


@cache
def llm_spans() -> list[Body]:
    """All requests of LLM client libraries in tests/corpus, as plain protobuf."""
    bodies = []
    for request in captured():
        if request.name.startswith(_NOT_LLM):
            continue
        data = to_protobuf(request.plain).body if request.is_json else request.plain
        count = sum(1 for _ in wire.spans(data))
        if count:
            bodies.append(_body(data, count))
    return bodies


def as_json(body: Body) -> Body:
    """The same request as OTLP/JSON exporters write it: ids in hex, enums as numbers, 64-bit integers as text."""
    message = ExportTraceServiceRequest.FromString(body.data)
    tree = MessageToDict(message, use_integers_for_enums=True)
    _hex_ids(tree)
    data = json.dumps(tree, separators=(",", ":")).encode()
    return Body(data, body.spans, JSON, "", len(data))


def as_gzip(body: Body) -> Body:
    """Compressed as exporters do it, at zlib's default level."""
    return Body(gzip.compress(body.data, 6, mtime=0), body.spans, body.content_type, "gzip", body.plain)


def each(bodies: list[Body], change: Callable[[Body], Body]) -> list[Body]:
    return [change(body) for body in bodies]


def repeated(bodies: list[Body], spans: int) -> list[Body]:
    """The bodies over and over, until there are about `spans` spans."""
    once = sum(body.spans for body in bodies)
    return bodies * max(1, round(spans / once))


def renewed(bodies: Sequence[Body]) -> list[Body]:
    """The same requests, uncompressed protobuf, with new random trace and span ids: ClickHouse drops copies of a span."""
    return [replace(body, data=_with_ids(body.data, random.Random(os.urandom(8)))) for body in bodies]


def _with_ids(data: bytes, rng: random.Random) -> bytes:
    places = _id_places(data)
    array = np.frombuffer(data, np.uint8).copy()
    array[places] = np.frombuffer(rng.randbytes(places.size), np.uint8).reshape(places.shape)
    return array.tobytes()


@lru_cache(maxsize=4096)
def _id_places(data: bytes) -> npt.NDArray[np.int64]:
    """Where the ids lie, a row of 24 places a span. Every SDK writes them first."""
    starts = [span.start for span in wire.spans(data)]
    for start in starts:
        if data[start : start + 2] != b"\x0a\x10" or data[start + 18 : start + 20] != b"\x12\x08":
            raise ValueError("a span does not begin with its ids")
    within = np.concatenate([np.arange(2, 18), np.arange(20, 28)])
    places: npt.NDArray[np.int64] = np.array(starts, np.int64)[:, None] + within
    return places


def _body(data: bytes, spans: int) -> Body:
    return Body(data, spans, plain=len(data))


def _hex_ids(tree: Any) -> None:
    """protobuf's own JSON has ids in base64, OTLP's in hex."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key in _IDS and isinstance(value, str):
                tree[key] = base64.b64decode(value).hex()
            else:
                _hex_ids(value)
    elif isinstance(tree, list):
        for value in tree:
            _hex_ids(value)
