"""What the table has to hold for an export request, said a second time: by a plain walk over opentelemetry-proto's objects.

Slow and obvious on purpose. The pipeline is compared with it over the corpus and over generated requests; nothing here is
shared with the pipeline.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
CODES = ["UNSET", "OK", "ERROR"]
Row = dict[str, Any]


def rows(body: bytes) -> list[Row]:
    """A row a span, in the order sent; columns as clickhouse-connect gives them. Times as sent only."""
    request = ExportTraceServiceRequest.FromString(body)
    return [
        _row(resource_spans, scope_spans, span)
        for resource_spans in request.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]


def _row(resource_spans: Any, scope_spans: Any, span: Any) -> Row:
    parent = span.parent_span_id.hex()
    row: Row = {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": "" if parent == "0" * 16 else parent,
        "name": span.name,
        "kind": KINDS[span.kind] if 0 <= span.kind < 6 else str(span.kind),
        "start_time_unix_nano": span.start_time_unix_nano,
        "end_time_unix_nano": span.end_time_unix_nano,
        "status_code": CODES[span.status.code] if 0 <= span.status.code < 3 else str(span.status.code),
        "status_message": span.status.message,
        "trace_state": span.trace_state,
        "flags": span.flags,
        "dropped_attributes_count": span.dropped_attributes_count,
        "dropped_events_count": span.dropped_events_count,
        "dropped_links_count": span.dropped_links_count,
        "resource_schema_url": resource_spans.schema_url,
        "resource_dropped_attributes_count": resource_spans.resource.dropped_attributes_count,
        "scope_name": scope_spans.scope.name,
        "scope_version": scope_spans.scope.version,
        "scope_schema_url": scope_spans.schema_url,
        "scope_dropped_attributes_count": scope_spans.scope.dropped_attributes_count,
        "events.time_unix_nano": [e.time_unix_nano for e in span.events],
        "events.name": [e.name for e in span.events],
        "events.dropped_attributes_count": [e.dropped_attributes_count for e in span.events],
        "links.trace_id": [link.trace_id.hex() for link in span.links],
        "links.span_id": [link.span_id.hex() for link in span.links],
        "links.trace_state": [link.trace_state for link in span.links],
        "links.flags": [link.flags for link in span.links],
        "links.dropped_attributes_count": [link.dropped_attributes_count for link in span.links],
    }
    row |= {f"attributes_{k}": v for k, v in _typed(span.attributes).items()}
    row |= {f"resource_{k}": v for k, v in _typed(resource_spans.resource.attributes).items()}
    row["scope_attributes"], row["scope_attribute_types"] = _texts(scope_spans.scope.attributes)
    for name, owners in (("events", span.events), ("links", span.links)):
        both = [_texts(o.attributes) for o in owners]
        row[f"{name}.attributes"] = [texts for texts, _ in both]
        row[f"{name}.attribute_types"] = [types for _, types in both]
    return row


def _last(attributes: Any) -> dict[str, Any]:
    return {pair.key: pair.value for pair in attributes}


def _typed(attributes: Any) -> dict[str, dict[str, Any]]:
    maps: dict[str, dict[str, Any]] = {"string": {}, "int": {}, "float": {}, "bool": {}, "json": {}}
    for key, value in _last(attributes).items():
        kind = value.WhichOneof("value")
        name = {"string_value": "string", "int_value": "int", "double_value": "float", "bool_value": "bool"}.get(kind)
        if name is None:
            maps["json"][key] = json.loads(to_json(value))
        else:
            maps[name][key] = getattr(value, kind)
    return maps


def _texts(attributes: Any) -> tuple[dict[str, str], dict[str, str]]:
    texts, types = {}, {}
    for key, value in _last(attributes).items():
        kind = value.WhichOneof("value")
        if kind == "string_value":
            texts[key] = value.string_value
            continue
        types[key] = {"int_value": "int", "double_value": "float", "bool_value": "bool"}.get(kind, "json")
        if kind == "bool_value":
            texts[key] = "true" if value.bool_value else "false"
        elif kind == "double_value":
            texts[key] = _float(value.double_value)
        elif kind == "int_value":
            texts[key] = str(value.int_value)
        else:
            texts[key] = to_json(value)
    return texts, types


def to_json(value: Any) -> str:
    """Compact JSON of an AnyValue in the documented form."""
    return json.dumps(_plain(value, True), separators=(",", ":"), ensure_ascii=False)


def _plain(value: Any, top: bool = False) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_plain(v) for v in value.array_value.values]
    if kind == "kvlist_value":
        pairs = {p.key: _plain(p.value) for p in value.kvlist_value.values}
        marks = {"bytesValue", "doubleValue", "kvlistValue"}
        return {"kvlistValue": pairs} if len(pairs) == 1 and next(iter(pairs)) in marks else pairs
    if kind == "bytes_value":
        return {"bytesValue": base64.b64encode(value.bytes_value).decode()}
    if kind == "double_value" and not math.isfinite(value.double_value):
        return {"doubleValue": _float(value.double_value)}
    return getattr(value, kind)


def _float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)
