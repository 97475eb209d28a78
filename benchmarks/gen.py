"""The export request that all benchmarks measure with: spans of an HTTP service, 15 attributes and 552 bytes each.

Deterministic: the same `spans` and `seed` give the same bytes, on every machine, so numbers can be compared with those
of other programs that were fed the same. `python -m benchmarks.gen FILE` writes the usual 512 spans.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import cast

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

Scalar = str | int | float | bool

#: Start of the first span, Unix ns; the others follow a microsecond apart.
FIRST_START = 1_732_000_000_000_000_000

_RESOURCE: dict[str, Scalar] = {
    "service.name": "checkout",
    "service.version": "1.2.3",
    "deployment.environment": "prod",
    "host.name": "ip-10-0-0-1",
    "process.pid": 1234,
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.language": "python",
    "telemetry.sdk.version": "1.30",
}
_NAMES = ["GET /api/users/{id}", "POST /api/cart", "SELECT shop.users", "redis GET"]
_USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"


def key_value(key: str, value: Scalar) -> KeyValue:
    """An attribute, typed as the Python value is."""
    any_value = AnyValue()
    if isinstance(value, bool):
        any_value.bool_value = value
    elif isinstance(value, int):
        any_value.int_value = value
    elif isinstance(value, float):
        any_value.double_value = value
    else:
        any_value.string_value = value
    return KeyValue(key=key, value=any_value)


def request(spans: int = 512, seed: int = 0, first_start: int = FIRST_START) -> bytes:
    """An ExportTraceServiceRequest of one resource and one scope. Every tenth span has an event."""
    rng = random.Random(seed)
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    resource_spans.resource.attributes.extend(key_value(k, v) for k, v in _RESOURCE.items())
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "opentelemetry.instrumentation.flask"
    scope_spans.scope.version = "0.51b0"
    for i in range(spans):
        _fill(scope_spans.spans.add(), rng, first_start, i)
    return message.SerializeToString()


def _fill(span: Span, rng: random.Random, first_start: int, i: int) -> None:
    # The order of the random numbers is part of the bytes.
    span.trace_id = rng.randbytes(16)
    span.span_id = rng.randbytes(8)
    span.parent_span_id = rng.randbytes(8)
    span.name = rng.choice(_NAMES)
    span.kind = cast(Span.SpanKind.ValueType, rng.randint(1, 5))
    span.start_time_unix_nano = first_start + i * 1000
    span.end_time_unix_nano = first_start + i * 1000 + rng.randint(1000, 10**9)
    span.status.code = cast(Status.StatusCode.ValueType, rng.choice([0, 0, 0, 1, 2]))
    attributes: dict[str, Scalar] = {
        "http.request.method": "GET",
        "url.path": f"/api/users/{rng.randint(1, 10**6)}",
        "url.scheme": "https",
        "http.route": "/api/users/{id}",
        "http.response.status_code": rng.choice([200, 200, 404, 500]),
        "server.address": "shop.example.com",
        "server.port": 443,
        "client.address": f"10.1.2.{rng.randint(1, 254)}",
        "user_agent.original": _USER_AGENT,
        "network.protocol.version": "1.1",
        "thread.id": rng.randint(1, 10**5),
        "thread.name": f"worker-{rng.randint(1, 32)}",
        "user.id": f"user-{rng.randint(1, 10**5)}",
        "feature.flag": bool(rng.randint(0, 1)),
        "score": rng.random(),
    }
    span.attributes.extend(key_value(k, v) for k, v in attributes.items())
    if i % 10 == 0:
        event = span.events.add()
        event.time_unix_nano = first_start
        event.name = "exception"
        event.attributes.append(key_value("exception.type", "ValueError"))


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(request())
