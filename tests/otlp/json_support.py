"""Asking for conversions of OTLP/JSON, for the tests of it."""

from __future__ import annotations

import json
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from litefuse.otlp.json import Converted, to_protobuf
from litefuse.reasons import Reason
from tests.otlp import gen


def convert(request: Any) -> Converted:
    return to_protobuf(json.dumps(request).encode())


def message(converted: Converted) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(converted.body)


def spans(converted: Converted) -> list[Span]:
    return [s for r in message(converted).resource_spans for scope in r.scope_spans for s in scope.spans]


def one(**fields: Any) -> Span:
    """A span of these JSON fields, which is kept."""
    converted = convert(gen.json_request(gen.json_span(**fields)))
    assert converted.rejected == []
    (span,) = spans(converted)
    return span


def value(any_value: Any) -> Any:
    return one(attributes=[{"key": "k", "value": any_value}]).attributes[0].value


def refused(request: bytes | dict[str, Any]) -> list[Reason]:
    """Reasons for the middle one of three spans, while the other two come out whole."""
    converted = to_protobuf(request) if isinstance(request, bytes) else convert(request)
    assert [s.name for s in spans(converted)] == ["good", "good"]
    assert converted.count == 2
    assert [r.place for r in converted.rejected] == [1]
    return [r.reason for r in converted.rejected]


def between_good(middle: str) -> bytes:
    """JSON text with that text for a span between two good ones."""
    good = json.dumps(gen.json_span())
    return f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{good},{middle},{good}]}}]}}]}}'.encode()
