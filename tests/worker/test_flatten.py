"""Arrow columns against a plain protobuf walk, field by field: the corpus, hand-made corners, generated spans."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from litefuse.otlp.schema import FULL
from litefuse.reasons import Reason
from tests import reference
from tests.corpus_files import Captured, captured
from worker.attributes import OneofTwice
from worker.flatten import Spans, flatten

MAPS = ("_string", "_int", "_float", "_bool", "attributes", "attribute_types")


def columns_as_rows(spans: Spans) -> list[reference.Row]:
    """The flat columns as the reference gives its rows."""
    names = [name for name in spans.columns if name != "_resource"]  # for the map stage, which takes it away
    rows = pa.RecordBatch.from_arrays([spans.columns[name] for name in names], names=names).to_pylist()
    return [{name: _plain(name, value) for name, value in row.items()} for row in rows]


def _plain(name: str, value: Any) -> Any:
    if name.endswith("_json"):
        return {k: json.loads(v) for k, v in value}
    if name.startswith(("events.attr", "links.attr")):
        return [dict(pairs) for pairs in value]
    return dict(value) if name.endswith(MAPS) else value


def same(left: Any, right: Any) -> bool:
    """Equal in value and type; NaN equals NaN, 1 does not equal 1.0."""
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    return bool(left == right)


def assert_same(found: list[reference.Row], expected: list[reference.Row]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for name in other:
            assert same(one[name], other[name]), (name, one[name], other[name])


def decoded(*bodies: bytes) -> Spans:
    return flatten(FULL.list_to_record_batch(list(bodies)))


@pytest.mark.parametrize("request_", [c for c in captured() if not c.is_json], ids=lambda c: c.name)
def test_corpus_equals_plain_decode(request_: Captured) -> None:
    assert_same(columns_as_rows(decoded(request_.plain)), reference.rows(request_.plain))


def test_many_records_at_once_equal_each_alone() -> None:
    bodies = [c.plain for c in captured() if not c.is_json]
    together = decoded(*bodies)
    assert_same(columns_as_rows(together), [row for body in bodies for row in reference.rows(body)])
    counts = [len(reference.rows(body)) for body in bodies]
    assert together.payload.tolist() == [i for i, n in enumerate(counts) for _ in range(n)]
    assert together.row.tolist() == [i for n in counts for i in range(n)]


def any_value(random_: random.Random, depth: int = 0) -> AnyValue:
    kinds = ["none", "string", "bool", "int", "double", "bytes"] + (["array", "kvlist"] if depth < 4 else [])
    kind = random_.choice(kinds)
    value = AnyValue()
    if kind == "string":
        value.string_value = random_.choice(["", "x", "é✓\u202e\x1b[31m", "a" * 300, '"quoted"\n'])
    elif kind == "bool":
        value.bool_value = random_.random() < 0.5
    elif kind == "int":
        value.int_value = random_.choice([0, 1, -1, 2**63 - 1, -(2**63), 2**53 + 1])
    elif kind == "double":
        value.double_value = random_.choice([0.0, 1.0, -0.5, math.nan, math.inf, -math.inf, 1e300, 5e-324, 1e16])
    elif kind == "bytes":
        value.bytes_value = random_.randbytes(random_.randrange(20))
    elif kind == "array":
        value.array_value.values.extend(any_value(random_, depth + 1) for _ in range(random_.randrange(4)))
    elif kind == "kvlist":
        value.kvlist_value.values.extend(
            KeyValue(key=random_.choice(["a", "b", "", "bytesValue", "doubleValue", "kvlistValue"]), value=v)
            for v in (any_value(random_, depth + 1) for _ in range(random_.randrange(3)))
        )
    return value


def attributes(random_: random.Random) -> list[KeyValue]:
    """With repeated and empty keys, and pairs that have no value."""
    pairs = [
        KeyValue(key=random_.choice(["a", "b", "c", "", "k.é", "long" * 40]), value=any_value(random_))
        for _ in range(random_.randrange(8))
    ]
    return pairs + ([KeyValue(key="no value")] if random_.random() < 0.2 else [])


def generated(seed: int) -> bytes:
    """A request that uses every field of OTLP in every combination of present and absent."""
    r = random.Random(seed)
    request = ExportTraceServiceRequest()
    for _ in range(r.randrange(3)):
        resource_spans = request.resource_spans.add(schema_url=r.choice(["", "https://example.org/1"]))
        if r.random() < 0.7:
            resource_spans.resource.attributes.extend(attributes(r))
            resource_spans.resource.dropped_attributes_count = r.randrange(3)
        for _ in range(r.randrange(3)):
            scope_spans = resource_spans.scope_spans.add(schema_url=r.choice(["", "https://example.org/2"]))
            if r.random() < 0.7:
                scope_spans.scope.name = r.choice(["", "scope"])
                scope_spans.scope.version = r.choice(["", "1"])
                scope_spans.scope.attributes.extend(attributes(r))
                scope_spans.scope.dropped_attributes_count = r.randrange(3)
            for _ in range(r.randrange(4)):
                span = scope_spans.spans.add(trace_id=r.randbytes(16), span_id=r.randbytes(8), name=r.choice(["", "ü"]))
                span.parent_span_id = r.choice([b"", bytes(8), r.randbytes(8)])
                span.kind = r.choice([0, 1, 3, 5, 6, 77])  # type: ignore[assignment]
                span.start_time_unix_nano = r.choice([0, 1, 2**63, 2**64 - 1, 1732000000000000000])
                span.end_time_unix_nano = r.choice([0, 1, 2**64 - 1, 1732000000000000001])
                span.trace_state = r.choice(["", "a=b"])
                span.flags = r.choice([0, 1, 2**32 - 1])
                span.attributes.extend(attributes(r))
                span.dropped_attributes_count = r.randrange(3)
                span.dropped_events_count = r.randrange(3)
                span.dropped_links_count = r.randrange(3)
                if r.random() < 0.5:
                    span.status.message = r.choice(["", "broke"])
                    span.status.code = r.choice([0, 1, 2, 9])  # type: ignore[assignment]
                for _ in range(r.randrange(3)):
                    event = span.events.add(time_unix_nano=r.randrange(2**64), name=r.choice(["", "exception"]))
                    event.attributes.extend(attributes(r))
                    event.dropped_attributes_count = r.randrange(3)
                for _ in range(r.randrange(3)):
                    link = span.links.add(trace_id=r.randbytes(16), span_id=r.randbytes(8), trace_state="x=y")
                    link.attributes.extend(attributes(r))
                    link.flags = r.randrange(3)
                    link.dropped_attributes_count = r.randrange(3)
    return request.SerializeToString()


def test_generated_requests_equal_plain_decode() -> None:
    bodies = [generated(seed) for seed in range(400)]
    assert_same(columns_as_rows(decoded(*bodies)), [row for body in bodies for row in reference.rows(body)])
    assert sum(len(reference.rows(body)) for body in bodies) > 500


def test_no_requests_and_no_spans() -> None:
    assert len(decoded()) == 0
    assert len(decoded(b"", ExportTraceServiceRequest().SerializeToString())) == 0


def one_span(*pairs: KeyValue) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    span.attributes.extend(pairs)
    return request


def test_of_a_repeated_key_the_last_value_counts_whatever_its_type() -> None:
    request = one_span(
        KeyValue(key="k", value=AnyValue(string_value="first")),
        KeyValue(key="other", value=AnyValue(int_value=1)),
        KeyValue(key="k", value=AnyValue(int_value=2)),
    )
    row = columns_as_rows(decoded(request.SerializeToString()))[0]
    assert row["attributes_string"] == {}
    assert row["attributes_int"] == {"other": 1, "k": 2}


def test_bad_utf8_and_nul_are_mended_and_cost_no_neighbour() -> None:
    body = one_span(
        KeyValue(key="good", value=AnyValue(string_value="é")), KeyValue(key="bad", value=AnyValue(string_value="A-B"))
    ).SerializeToString()
    row = columns_as_rows(decoded(body.replace(b"A-B", b"A\xffB")))[0]
    assert row["attributes_string"] == {"good": "é", "bad": "A\ufffdB"}
    row = columns_as_rows(decoded(body.replace(b"A-B", b"A\0B")))[0]
    assert row["attributes_string"] == {"good": "é", "bad": "A\ufffdB"}


def test_a_value_of_two_types_is_noticed() -> None:
    """ptars gives both members of a oneof; the decode stage then asks protobuf, for which the last on the wire counts."""
    both = AnyValue(string_value="a").SerializeToString() + AnyValue(int_value=5).SerializeToString()
    pair = b"\x0a\x01k\x12" + bytes([len(both)]) + both
    body = one_span().SerializeToString()
    span = (
        one_span().resource_spans[0].scope_spans[0].spans[0].SerializeToString() + b"\x4a" + bytes([len(pair)]) + pair
    )
    scope_spans = b"\x12" + bytes([len(span)]) + span
    resource_spans = b"\x12" + bytes([len(scope_spans)]) + scope_spans
    body = b"\x0a" + bytes([len(resource_spans)]) + resource_spans
    with pytest.raises(OneofTwice):
        decoded(body)
    assert reference.rows(body)[0]["attributes_int"] == {"k": 5}


@pytest.mark.parametrize(
    ("kind", "levels", "kept"),
    [
        ("list", 50, True),
        ("list", 51, False),
        ("list", 60, False),
        ("list", 10_000, False),
        ("map", 50, True),
        ("map", 51, False),
        ("map", 10_000, False),
    ],
)
def test_nesting_is_bounded_span_by_span(kind: str, levels: int, kept: bool) -> None:
    value = b"\x0a\x04core"
    for _ in range(levels):
        inner = _delimited(1, value) if kind == "list" else _delimited(1, b"\x0a\x01k" + _delimited(2, value))
        value = _delimited(5 if kind == "list" else 6, inner)
    span = one_span().resource_spans[0].scope_spans[0].spans[0].SerializeToString()
    span += _delimited(9, b"\x0a\x04deep" + _delimited(2, value))
    spans = decoded(one_span().SerializeToString(), _delimited(1, _delimited(2, _delimited(2, span))))
    assert spans.bad == ({} if kept else {1: Reason.TOO_DEEP})


def _delimited(number: int, payload: bytes) -> bytes:
    size, digits = len(payload), b""
    while size > 0x7F:
        digits += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + digits + bytes([size]) + payload
