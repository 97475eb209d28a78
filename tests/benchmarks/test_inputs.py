"""What the benchmarks send is what they say: bytes that never change, the same spans in both encodings, new ids."""

from __future__ import annotations

import gzip
import hashlib

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks import gen, inputs
from litefuse.otlp import wire
from litefuse.otlp.json import to_protobuf

#: Of the 512-span request that the peers' figures were measured with.
DIGEST = "a7b6b49e892f18e06ae25005c7824928d1755f273fee092bfa71cf16faa3f1f7"


def _message(data: bytes) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(data)


def test_the_generators_bytes_never_change() -> None:
    data = gen.request()
    assert len(data) == 282_900
    assert hashlib.sha256(data).hexdigest() == DIGEST


def test_json_says_the_same_as_protobuf() -> None:
    for body in [*inputs.http_spans(3, 2), *inputs.llm_spans()]:
        converted = to_protobuf(inputs.as_json(body).data)
        assert not converted.rejected
        assert _message(converted.body) == _message(body.data)


def test_gzip_holds_the_same_bytes() -> None:
    body = inputs.http_spans(3, 1)[0]
    packed = inputs.as_gzip(body)
    assert packed.encoding == "gzip"
    assert gzip.decompress(packed.data) == body.data


def test_llm_spans_are_those_of_the_client_libraries() -> None:
    bodies = inputs.llm_spans()
    assert sum(body.spans for body in bodies) == sum(len(list(wire.spans(body.data))) for body in bodies) > 100
    assert all(body.content_type == inputs.PROTOBUF and not body.encoding for body in bodies)


def test_renewed_requests_differ_in_their_ids_alone() -> None:
    body = inputs.http_spans(4, 1)[0]
    first, second = (_message(inputs.renewed([body])[0].data) for _ in range(2))
    ids = set()
    for message in (_message(body.data), first, second):
        for span in message.resource_spans[0].scope_spans[0].spans:
            ids.add((span.trace_id, span.span_id))
            span.trace_id, span.span_id = b"", b""
    assert len(ids) == 12
    for span in _message(body.data).resource_spans[0].scope_spans[0].spans:
        assert any(span.name == other.name for other in first.resource_spans[0].scope_spans[0].spans)
    assert first == second


def test_repeating_comes_near_the_number_asked_for() -> None:
    bodies = inputs.http_spans(2, 3)
    assert sum(body.spans for body in inputs.repeated(bodies, 20)) == 18
    assert inputs.repeated(bodies, 1) == bodies
