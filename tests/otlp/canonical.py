"""What a span says, as plain values in which the order of attributes and repeated keys make no difference: to compare OTLP that
was sent with OTLP that came back. Written against OTLP's own protobuf classes, and nothing of ours."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

#: (trace id, span id) → all that is said of the span, its resource and its scope.
Spans = dict[tuple[bytes, bytes], Any]
_IDS = ("traceId", "spanId", "parentSpanId")


def value(any_value: AnyValue) -> Any:
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return ("list", [value(each) for each in any_value.array_value.values])
    if kind == "kvlist_value":
        return ("map", attributes(any_value.kvlist_value.values))
    if kind == "double_value":
        number = any_value.double_value
        return ("double", "NaN" if math.isnan(number) else (number, math.copysign(1, number)))
    return (kind, getattr(any_value, kind)) if kind else ("empty",)


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Of equal keys the last."""
    return {pair.key: value(pair.value) for pair in pairs}


def spans(request: ExportTraceServiceRequest) -> Iterator[tuple[tuple[bytes, bytes], Any]]:
    """Every span of a request, in order."""
    for of_resource in request.resource_spans:
        resource = of_resource.resource
        r = (attributes(resource.attributes), resource.dropped_attributes_count, of_resource.schema_url)
        for of_scope in of_resource.scope_spans:
            scope = of_scope.scope
            s = (
                scope.name,
                scope.version,
                attributes(scope.attributes),
                scope.dropped_attributes_count,
                of_scope.schema_url,
            )
            for span in of_scope.spans:
                yield (span.trace_id, span.span_id), (r, s, _span(span))


def kept(requests: Iterable[ExportTraceServiceRequest]) -> Spans:
    """What is kept of requests that are sent one after the other: spans with ids, of several copies the last."""
    return {
        key: said
        for request in requests
        for key, said in spans(request)
        if len(key[0]) == 16 and len(key[1]) == 8 and any(key[0]) and any(key[1])
    }


def _span(span: Any) -> dict[str, Any]:
    return {
        "parent": span.parent_span_id if any(span.parent_span_id) else b"",
        "name": span.name,
        "kind": int(span.kind),
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "status": (int(span.status.code), span.status.message),
        "trace_state": span.trace_state,
        "flags": span.flags,
        "dropped": (span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count),
        "attributes": attributes(span.attributes),
        "events": [
            (event.time_unix_nano, event.name, attributes(event.attributes), event.dropped_attributes_count)
            for event in span.events
        ],
        "links": [
            (
                link.trace_id,
                link.span_id,
                link.trace_state,
                link.flags,
                attributes(link.attributes),
                link.dropped_attributes_count,
            )
            for link in span.links
        ],
    }


def of_json(value: Any, *, lenient: bool = False) -> ExportTraceServiceRequest:
    """OTLP/JSON as a message, by protobuf's own reader, which has ids in base64. Names it does not know are refused, or ignored
    as a receiver has to."""
    return ParseDict(_base64_ids(value), ExportTraceServiceRequest(), ignore_unknown_fields=lenient)


def _base64_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: base64.b64encode(bytes.fromhex(inner)).decode() if key in _IDS else _base64_ids(inner)
            for key, inner in value.items()
        }
    return [_base64_ids(inner) for inner in value] if isinstance(value, list) else value
