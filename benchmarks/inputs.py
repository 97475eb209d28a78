"""What is sent: the 552-byte spans of `gen`, and the LLM spans of the corpus, in both encodings of OTLP."""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

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
