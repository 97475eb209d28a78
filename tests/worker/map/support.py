"""Spans by hand, through the worker's own decode and map stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status

from litefuse.log.base import TRACES, Record
from litefuse.prices import Priced
from worker.decode import Defaults, decode
from worker.map import map_spans

START_NS = 1_764_000_000_000_000_000


class NoPrices:
    """Knows no price."""

    def cost(self, project_id: str, provider: str, model: str, usage: dict[str, int], at_ns: int) -> Priced | None:
        return None


def any_value(value: Any) -> AnyValue:
    """An AnyValue of a Python value; None is the empty one."""
    found = AnyValue()
    if isinstance(value, bool):
        found.bool_value = value
    elif isinstance(value, str):
        found.string_value = value
    elif isinstance(value, int):
        found.int_value = value
    elif isinstance(value, float):
        found.double_value = value
    elif isinstance(value, bytes):
        found.bytes_value = value
    elif isinstance(value, dict):
        found.kvlist_value.values.extend(key_values(value))
        found.kvlist_value.SetInParent()
    elif isinstance(value, list):
        found.array_value.values.extend(any_value(v) for v in value)
        found.array_value.SetInParent()
    return found


def key_values(attributes: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=k, value=any_value(v)) for k, v in attributes.items()]


def span(number: int, attributes: Mapping[str, Any] | None = None, **fields: Any) -> Span:
    """A span of trace 1; `error` sets its status message, `events` is name → attributes."""
    made = Span(
        trace_id=(1).to_bytes(16, "big"),
        span_id=(number + 1).to_bytes(8, "big"),
        name=fields.get("name", f"span {number}"),
        start_time_unix_nano=START_NS + number,
        end_time_unix_nano=START_NS + number + 1_000_000_000,
        attributes=key_values(attributes or {}),
    )
    if "parent" in fields:
        made.parent_span_id = (fields["parent"] + 1).to_bytes(8, "big")
    if "error" in fields:
        made.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=fields["error"]))
    for name, of_event in (fields.get("events") or {}).items():
        made.events.add(name=name, attributes=key_values(of_event), time_unix_nano=START_NS)
    return made


def resource_spans(spans: list[Span], resource: Mapping[str, Any] | None = None, scope: str = "") -> ResourceSpans:
    made = ResourceSpans()
    made.resource.attributes.extend(key_values(resource or {}))
    of_scope = made.scope_spans.add()
    of_scope.scope.name = scope
    of_scope.spans.extend(spans)
    return made


def record(*groups: ResourceSpans, offset: int = 0) -> Record:
    body = ExportTraceServiceRequest(resource_spans=groups).SerializeToString()
    return Record(
        topic=TRACES,
        partition=0,
        offset=offset,
        value=body,
        key=None,
        headers=(
            ("project_id", b"p"),
            ("content_type", b"application/x-protobuf"),
            ("received_at", str(START_NS).encode()),
        ),
        timestamp_ns=START_NS,
    )


def decoded(*records: Record) -> pa.RecordBatch:
    piece = decode(list(records), Defaults(), 0.0)
    assert not piece.letters
    assert piece.spans is not None
    return piece.spans


def mapped(*groups: ResourceSpans, prices: Any = None) -> pa.RecordBatch:
    found = map_spans(decoded(record(*groups)), prices or NoPrices())
    assert found is not None
    return found
