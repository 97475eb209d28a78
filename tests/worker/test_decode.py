"""The decode stage: what comes out of records, whatever is in them."""

from __future__ import annotations

import gzip
import json
import random
import sys
import zlib

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import worker.decode
from litefuse.log.base import TRACES, Record
from litefuse.otlp import wire
from tests import reference
from tests.corpus_files import Captured, captured
from tests.worker.test_flatten import _delimited, _plain, assert_same, generated
from worker.block import Slice
from worker.decode import Defaults, cut_down, decode
from worker.flatten import Spans
from worker.write import ipc

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NOW = 1_800_000_000 * 10**9


def of(value: bytes, offset: int = 0, **headers: str) -> Record:
    own = {"project_id": "p", "received_at": str(NOW), **headers}
    return Record(TRACES, 2, offset, NOW, None, value, tuple((k, v.encode()) for k, v in own.items() if v))


def found(piece: Slice) -> list[reference.Row]:
    names = set(reference.rows(good(1))[0])
    rows = [] if piece.spans is None else piece.spans.to_pylist()
    return [{name: _plain(name, value) for name, value in row.items() if name in names} for row in rows]


def good(count: int, seed: int = 0) -> bytes:
    """A request of `count` good spans."""
    r = random.Random(seed)
    request = ExportTraceServiceRequest()
    scope_spans = request.resource_spans.add().scope_spans.add()
    for i in range(count):
        scope_spans.spans.add(
            trace_id=r.randbytes(16),
            span_id=r.randbytes(8),
            name=f"span {i}",
            start_time_unix_nano=NOW - 2000,
            end_time_unix_nano=NOW - 1000,
        )
    return request.SerializeToString()


@pytest.mark.parametrize("request_", captured(), ids=lambda c: c.name)
def test_captured_requests_decode_as_they_were_sent(request_: Captured) -> None:
    piece = decode(
        [of(request_.body, content_type=request_.content_type, content_encoding=request_.encoding)], Defaults(), 0.0
    )
    assert piece.letters == ()
    if not request_.is_json:
        assert_same(found(piece), reference.rows(request_.plain))


def as_json(body: bytes) -> bytes:
    """A protobuf request as an OTLP/JSON exporter sends it: ids in hex, enums as numbers."""
    message = MessageToDict(ExportTraceServiceRequest.FromString(body), use_integers_for_enums=True)
    request = ExportTraceServiceRequest.FromString(body)
    for rs, said_rs in zip(request.resource_spans, message.get("resourceSpans", []), strict=True):
        for ss, said_ss in zip(rs.scope_spans, said_rs.get("scopeSpans", []), strict=True):
            for span, said in zip(ss.spans, said_ss.get("spans", []), strict=True):
                said["traceId"], said["spanId"] = span.trace_id.hex().upper(), span.span_id.hex()
                if span.parent_span_id:
                    said["parentSpanId"] = span.parent_span_id.hex()
                for link, said_link in zip(span.links, said.get("links", []), strict=True):
                    said_link["traceId"], said_link["spanId"] = link.trace_id.hex(), link.span_id.hex()
    return json.dumps(message).encode()


def test_protobuf_and_json_give_equal_rows() -> None:
    bodies = [c.plain for c in captured() if not c.is_json] + [generated(seed) for seed in range(150)]
    early = Defaults()
    for body in bodies:
        plain = decode([of(body)], early, 0.0)
        from_json = decode([of(as_json(body), content_type="application/json; charset=utf-8")], early, 0.0)
        assert_same(found(from_json), found(plain))
        assert len(from_json.letters) == len(plain.letters)


def test_each_encoding_gives_the_same() -> None:
    body = good(3)
    encoded = {
        "": body,
        "gzip": gzip.compress(body),
        "deflate": zlib.compress(body),
        "zstd": zstd.compress(body),
    }
    for encoding, value in encoded.items():
        assert found(decode([of(value, content_encoding=encoding)], Defaults(), 0.0)) == reference.rows(body), encoding


def test_meta_columns_say_where_a_span_came_from() -> None:
    records = [
        of(good(2, 1), 7, public_key="pk", sdk_name="s", sdk_version="1", retention_days="30"),
        of(good(1, 2), 9),
    ]
    piece = decode(records, Defaults(retention_days=5), 0.0)
    assert piece.spans is not None
    rows = piece.spans.to_pylist()
    assert [(r["log_topic"], r["log_partition"], r["log_offset"], r["log_row"]) for r in rows] == [
        (TRACES, 2, 7, 0),
        (TRACES, 2, 7, 1),
        (TRACES, 2, 9, 0),
    ]
    assert [(r["project_id"], r["public_key"], r["sdk_name"], r["retention_days"]) for r in rows] == [
        ("p", "pk", "s", 30),
        ("p", "pk", "s", 30),
        ("p", "", "", 5),
    ]
    assert piece.end == 10


def test_garbage_among_good_records_is_buried_alone() -> None:
    records = [
        of(good(2, 1), 0),
        of(b"\xff\xfe garbage", 1),
        of(b"not gzip", 2, content_encoding="gzip"),
        of(good(1, 2), 3),
    ]
    piece = decode(records, Defaults(), 0.0)
    assert [row["name"] for row in found(piece)] == ["span 0", "span 1", "span 0"]
    assert sorted((x.record.offset, x.reason.value, x.row, x.value) for x in piece.letters) == [
        (1, "undecodable", None, None),
        (2, "bad_encoding", None, None),
    ]


def test_a_record_of_nobody_is_buried_or_goes_to_the_default_project() -> None:
    nobody = Record(TRACES, 0, 0, NOW, None, good(1), ())
    assert [x.reason.value for x in decode([nobody], Defaults(), 0.0).letters] == ["no_project"]
    piece = decode([nobody], Defaults(project_id="house"), 0.0)
    assert piece.spans is not None
    assert piece.spans.column("project_id").to_pylist() == ["house"]
    assert piece.spans.column("received_at").cast("int64").to_pylist() == [NOW]


def test_a_garbled_span_costs_its_neighbours_nothing() -> None:
    request = ExportTraceServiceRequest.FromString(good(5))
    spans = [s.SerializeToString() for s in request.resource_spans[0].scope_spans[0].spans]
    spans[2] += b"\x4a\x03\x0a\x7f\x00"  # an attribute whose key claims more bytes than there are
    body = _delimited(1, _delimited(2, b"".join(_delimited(2, s) for s in spans)))
    piece = decode([of(good(1, 9), 4), of(body, 5)], Defaults(), 0.0)
    assert [row["name"] for row in found(piece)] == ["span 0", "span 0", "span 1", "span 3", "span 4"]
    assert piece.spans is not None
    assert piece.spans.column("log_row").to_pylist() == [0, 0, 1, 3, 4]
    (letter,) = piece.letters
    assert (letter.record.offset, letter.row, letter.reason.value) == (5, 2, "malformed_span")
    assert letter.value is not None
    assert spans[2] in letter.value


def test_a_length_that_makes_ptars_panic_costs_that_span() -> None:
    request = ExportTraceServiceRequest.FromString(good(3))
    spans = [s.SerializeToString() for s in request.resource_spans[0].scope_spans[0].spans]
    spans[1] += b"\x4a\x0b\x0a" + b"\xff" * 9 + b"\x01"  # an attribute whose key claims 2⁶⁴ - 1 bytes
    body = _delimited(1, _delimited(2, b"".join(_delimited(2, s) for s in spans)))
    piece = decode([of(good(1, 9), 4), of(body, 5)], Defaults(), 0.0)
    assert [row["name"] for row in found(piece)] == ["span 0", "span 0", "span 2"]
    assert [(letter.row, letter.reason.value) for letter in piece.letters] == [(1, "malformed_span")]


def test_refused_spans_are_cut_out_with_resource_and_scope() -> None:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add(schema_url="r")
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope_spans = resource_spans.scope_spans.add(schema_url="s")
    scope_spans.scope.name = "lib"
    for trace_id, start in ((b"t" * 16, NOW), (b"short", NOW), (b"u" * 16, NOW + 3 * 86_400 * 10**9)):
        scope_spans.spans.add(trace_id=trace_id, span_id=b"s" * 8, start_time_unix_nano=start, name=str(start))
    record = of(request.SerializeToString())
    piece = decode([record], Defaults(), 0.0)
    assert [(x.row, x.reason.value) for x in piece.letters] == [(1, "bad_trace_id"), (2, "too_new")]
    letter = piece.letters[0]
    assert letter.value == cut_down(record, 1)
    alone = ExportTraceServiceRequest.FromString(letter.value or b"")
    del request.resource_spans[0].scope_spans[0].spans[2]
    del request.resource_spans[0].scope_spans[0].spans[0]
    assert alone == request


def test_times_are_mended_and_kept_as_sent() -> None:
    request = ExportTraceServiceRequest()
    scope_spans = request.resource_spans.add().scope_spans.add()
    for i, (start, end) in enumerate([(0, NOW - 5), (NOW - 7, 0), (NOW - 3, NOW - 9), (0, 0)]):
        scope_spans.spans.add(
            trace_id=b"t" * 16, span_id=bytes([1 + i]) * 8, start_time_unix_nano=start, end_time_unix_nano=end
        )
    piece = decode([of(request.SerializeToString())], Defaults(), 0.0)
    assert piece.spans is not None
    mended = zip(*(piece.spans.column(n).cast("int64").to_pylist() for n in ("start_time", "end_time")), strict=True)
    assert list(mended) == [(NOW - 5, NOW - 5), (NOW - 7, NOW - 7), (NOW - 3, NOW - 3), (NOW - 7, NOW - 7)]
    assert piece.spans.column("start_time_unix_nano").to_pylist() == [0, NOW - 7, NOW - 3, 0]


def test_the_last_type_on_the_wire_counts() -> None:
    two_types = b"\x0a\x01a" + b"\x18\x05"  # string "a", then int 5, in one AnyValue
    span = ExportTraceServiceRequest.FromString(good(1)).resource_spans[0].scope_spans[0].spans[0].SerializeToString()
    span += _delimited(9, b"\x0a\x01k" + _delimited(2, two_types))
    body = _delimited(1, _delimited(2, _delimited(2, span)))
    assert_same(found(decode([of(body)], Defaults(), 0.0)), reference.rows(body))


def test_decoding_the_same_records_again_gives_the_same_bytes() -> None:
    """A repeated insert has to hold what the first one held: its token says that they are the same."""
    records = [of(generated(seed), seed) for seed in range(60)] + [of(b"garbage", 60)]
    once, again = (decode(records, Defaults(), 0.0) for _ in range(2))
    import pyarrow as pa

    assert once.spans is not None
    assert ipc(pa.Table.from_batches([once.spans])) == ipc(pa.Table.from_batches([again.spans]))
    assert once.letters == again.letters


def test_mutated_records_never_raise_and_never_cost_a_neighbour() -> None:
    r = random.Random(5)
    bodies = [c.plain for c in captured() if not c.is_json and 10 < len(c.plain) < 30_000]
    for _ in range(150):
        body = bytearray(r.choice(bodies))
        for _ in range(r.randrange(1, 6)):
            at = r.randrange(max(1, len(body)))
            body[at : at + r.randrange(3)] = r.randbytes(r.randrange(3))
        piece = decode([of(good(1), 0), of(bytes(body), 1), of(good(1, 1), 2)], Defaults(), 0.0)
        assert piece.spans is not None
        offsets = piece.spans.column("log_offset").to_pylist()
        assert offsets[0] == 0
        assert offsets[-1] == 2


def test_thousands_of_garbled_spans_cost_linear_time_and_space() -> None:
    """Taking a record apart span by span was quadratic: 2 000 garbled spans took 12 s; and each letter repeats the resource."""
    request = ExportTraceServiceRequest.FromString(good(4000))
    request.resource_spans[0].resource.attributes.add(key="large").value.string_value = "x" * 100_000
    body = b"".join(
        _delimited(2, s.SerializeToString() + (b"\x4a\x03\x0a\x7f\x00" if i % 2 else b""))
        for i, s in enumerate(request.resource_spans[0].scope_spans[0].spans)
    )
    body = _delimited(1, _delimited(1, request.resource_spans[0].resource.SerializeToString()) + _delimited(2, body))
    piece = decode([of(body)], Defaults(), 0.0)
    assert piece.spans is not None
    assert piece.spans.num_rows == 2000
    assert sum(len(x.value or b"") for x in piece.letters) < 10 * len(body)
    buried = sum(len(reference_spans(x.value or b"")) for x in piece.letters)
    assert buried == 2000


def reference_spans(body: bytes) -> list[bytes]:
    return [body[s.start : s.end] for s in wire.spans(body)]


def test_a_fault_of_the_moment_makes_no_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """pandas half imported by another thread: the record was good, and went to the dead letters."""
    flat = worker.decode._flat
    failed: list[bool] = []

    def fails_once(bodies: list[bytes]) -> Spans:
        if not failed:
            failed.append(True)
            raise AttributeError("partially initialized module 'pandas' has no attribute '__version__'")
        return flat(bodies)

    monkeypatch.setattr(worker.decode, "_flat", fails_once)
    piece = decode([of(good(3))], Defaults(), 0.0)
    assert failed
    assert piece.letters == ()
    assert piece.spans is not None
    assert piece.spans.num_rows == 3


def test_a_resource_said_once_for_many_spans_is_bounded_in_memory() -> None:
    """A megabyte on the wire became gigabytes of rows: each row repeats its resource."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.add(key="large").value.string_value = "x" * 500_000
    spans = resource_spans.scope_spans.add().spans
    for i in range(5000):
        spans.add(trace_id=b"t" * 16, span_id=(i + 1).to_bytes(8, "big"))
    wide = of(request.SerializeToString(), 1)
    piece = decode([of(good(2, 1), 0), wide, of(good(1, 2), 2)], Defaults(), 0.0)
    assert [r.offset for r in piece.records] == [0]
    piece = decode([wide, of(good(1, 2), 2)], Defaults(), 0.0)
    assert [r.offset for r in piece.records] == [1]
    assert piece.spans is None
    assert [(x.reason.value, x.value) for x in piece.letters] == [("too_large", None)]


def test_compressed_records_are_taken_until_they_inflate_to_enough() -> None:
    """A slice of compressed records could inflate to a thousand times its size."""
    request = ExportTraceServiceRequest.FromString(good(1))
    request.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="k").value.string_value = "x" * (3 << 20)
    packed = gzip.compress(request.SerializeToString())
    records = [of(packed, i, content_encoding="gzip") for i in range(5)]
    assert [r.offset for r in decode(records, Defaults(), 0.0).records] == [0, 1]


def test_a_large_record_is_decoded_in_pieces_and_a_crowded_span_is_buried() -> None:
    """Thirty million empty attributes fit into 64 MB, and took gigabytes to decode."""
    request = ExportTraceServiceRequest.FromString(good(3))
    spans = request.resource_spans[0].scope_spans[0].spans
    for span in spans:
        span.attributes.add(key="k").value.string_value = "x" * (4 << 20)
    bodies = [s.SerializeToString() for s in spans]
    bodies[1] += b"\x4a\x00" * (5 << 20)
    piece = decode([of(_delimited(1, _delimited(2, b"".join(_delimited(2, b) for b in bodies))))], Defaults(), 0.0)
    assert piece.spans is not None
    assert sorted(zip(*(piece.spans.column(n).to_pylist() for n in ("log_row", "name")), strict=True)) == [
        (0, "span 0"),
        (2, "span 2"),
    ]
    assert [(x.reason.value, x.row) for x in piece.letters] == [("too_large", 1)]


def test_a_number_of_thousands_of_digits_in_a_header_is_no_number() -> None:
    """Python refuses to read it, and the partition stood still for it."""
    piece = decode([of(good(1), received_at="9" * 5000)], Defaults(), 0.0)
    assert piece.spans is not None
    assert piece.spans.column("received_at").cast("int64").to_pylist() == [NOW]


def test_a_record_of_many_bad_spans_makes_a_bounded_number_of_letters() -> None:
    """Each letter is published before the partition goes on: half a million took it hours."""
    body = good(1)
    span = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans[0].SerializeToString()
    bad = span + b"\x4a\x02\x0a\x05"  # an attribute whose key is longer than it is
    record = of(_delimited(1, _delimited(2, b"".join(_delimited(2, s) for s in [span, *[bad] * 3000, span]))))
    piece = decode([record], Defaults(), 0.0)
    assert piece.spans is not None
    assert piece.spans.column("log_row").to_pylist() == [0, 3001]
    assert len(piece.letters) == 101
    last = piece.letters[-1]
    assert (last.row, last.error) == (101, "span cannot be decoded (and 2899 more spans of the record)")
    assert last.value is not None
    assert sum(1 for _ in wire.spans(last.value)) == 2900


def test_a_json_record_of_many_bad_spans_makes_one_letter() -> None:
    """Each held all of the record."""
    text = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": 5}] * 50}]}]})
    piece = decode([of(text.encode(), content_type="application/json")], Defaults(), 0.0)
    assert [(x.row, x.value) for x in piece.letters] == [(0, None)]
    assert piece.letters[0].error.endswith("(and 49 more spans of the record)")
