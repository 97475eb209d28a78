"""The walk over wire bytes, held against protobuf's own decoder."""

from __future__ import annotations

import contextlib
import itertools
import random
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber

from benchmarks.gen import request as benchmark_request
from litefuse.otlp import BodyError, wire
from litefuse.otlp.schema import FULL_REQUEST, SCAN_REQUEST
from tests.otlp import gen

Row = tuple[bytes, bytes, int, int]


def rows(request: Any) -> list[Row]:
    return [
        (s.trace_id, s.span_id, s.start_time_unix_nano, s.end_time_unix_nano)
        for r in request.resource_spans
        for scope in r.scope_spans
        for s in scope.spans
    ]


def parsed(body: bytes) -> list[Row] | None:
    try:
        return rows(SCAN_REQUEST.FromString(body))
    except DecodeError:
        return None


def random_bodies(count: int) -> list[bytes]:
    """Grown ones, garbage or not, and mutated small captured ones."""
    grown = [gen.Grower(seed, 0.15, garbage=seed % 3 == 0).grow() for seed in range(count)]
    small = [wire.keep(body, range(4)) for _, body in gen.captured("application/x-protobuf")]
    return grown + list(gen.mutated(7, small, count))


def test_finds_the_spans_that_protobuf_finds() -> None:
    for name, body in gen.captured("application/x-protobuf"):
        found = [parsed(wire.wrap(body[s.start : s.end])) for s in wire.spans(body)]
        assert found == [[row] for row in parsed(body) or []], name


def test_accepts_exactly_the_framing_that_protobuf_accepts() -> None:
    """Refused are the bodies that upb refuses and whose spans, taken alone, are all read: then it is the framing."""
    accepted = refused = 0
    for body in random_bodies(4000):
        expected = parsed(body)
        try:
            alone = [parsed(wire.wrap(body[s.start : s.end])) for s in wire.spans(body)]
        except wire.Malformed:
            refused += 1
            assert expected is None
            continue
        accepted += 1
        if expected is None:
            assert None in alone
        else:
            assert alone == [[row] for row in expected]
    assert min(accepted, refused) > 500


@pytest.mark.parametrize("name", gen.garbage_spans())
def test_a_garbage_span_is_found_at_its_borders(name: str) -> None:
    bad = gen.garbage_spans()[name]
    good = gen.span()
    body = gen.request(good, bad, good) + gen.request(bad) + gen.request(good)
    places = list(wire.spans(body))
    assert [body[s.start : s.end] for s in places] == [good, bad, good, bad, good]
    assert [s.place for s in places] == [0, 1, 2, 3, 4]
    assert [wire.well_formed(body[s.start : s.end]) for s in places] == [True, False, True, False, True]
    assert wire.unreadable(body) == [1, 3]
    assert parsed(wire.keep(body, {0, 2, 4})) == [(gen.TRACE_ID, gen.SPAN_ID, gen.START, gen.END)] * 3


@pytest.mark.parametrize("name", gen.odd_spans())
def test_an_odd_span_is_well_formed(name: str) -> None:
    assert wire.well_formed(gen.odd_spans()[name])


def test_well_formed_looks_into_attributes() -> None:
    assert not wire.well_formed(gen.span(rest=gen.field(9, b"\xff\xff")))
    assert not wire.well_formed(gen.span(rest=gen.field(11, gen.field(3, b"\xff"))))


def test_keeps_what_belongs_to_the_kept_spans() -> None:
    """Against protobuf: the same message with the other spans deleted, and what they leave empty."""
    rng = random.Random(3)
    checked = 0
    for seed in range(1500):
        body = gen.Grower(seed, 0.1, garbage=False).grow()
        try:
            message = FULL_REQUEST.FromString(body)
        except DecodeError:
            continue
        count = sum(len(s.spans) for r in message.resource_spans for s in r.scope_spans)
        kept = {place for place in range(count) if rng.random() < 0.5}
        place = 0
        for resource in message.resource_spans:
            for scope in resource.scope_spans:
                spans = [s for i, s in enumerate(scope.spans, place) if i in kept]
                place += len(scope.spans)
                del scope.spans[:]
                scope.spans.extend(spans)
            scopes = [s for s in resource.scope_spans if s.spans]
            del resource.scope_spans[:]
            resource.scope_spans.extend(scopes)
        resources = [r for r in message.resource_spans if r.scope_spans]
        del message.resource_spans[:]
        message.resource_spans.extend(resources)
        result = FULL_REQUEST.FromString(wire.keep(body, kept))
        assert result.SerializeToString(deterministic=True) == message.SerializeToString(deterministic=True)
        checked += len(kept)
    assert checked > 500


def test_each_gives_what_keep_gives() -> None:
    for name, body in gen.captured("application/x-protobuf"):
        if name.startswith("plain_otel") and len(body) > 50_000:
            continue
        for place, alone in wire.each(body, range(0, 1000, 2)):
            assert alone == wire.keep(body, {place}), name


def test_keeps_merged_resources_scopes_and_unknown_fields() -> None:
    resource = gen.field(1, gen.field(1, gen.field(1, b"a"))) + gen.number(99, 1)
    scope = gen.field(1, gen.field(1, b"name")) + gen.field(3, b"url")
    one = gen.scope_spans(gen.span(), gen.span(b"x" * 16), rest=scope)
    two = gen.scope_spans(gen.span())
    body = (
        gen.number(50, 7)
        + gen.resource_spans(one, two, rest=resource)
        + gen.resource_spans(gen.scope_spans(gen.span()), rest=resource)
    )
    assert wire.keep(body, range(4)) == body
    assert wire.keep(body, {1}) == gen.number(50, 7) + gen.resource_spans(
        gen.scope_spans(gen.span(b"x" * 16), rest=scope), rest=resource
    )
    assert wire.keep(body, ()) == gen.number(50, 7)
    assert wire.keep(b"", {1}) == b""


@pytest.mark.parametrize("limit", [700, 1000, 2000, 5000, 50_000, 10_000_000])
def test_splits_at_span_borders_in_order(limit: int) -> None:
    body = benchmark_request(60) + gen.request(*[gen.span()] * 30) + benchmark_request(20, seed=1)
    pieces, too_large = wire.split(body, limit)
    assert all(len(piece) <= limit for piece in pieces)
    left_out = {place for place, _ in too_large}
    expected = [row for place, row in enumerate(parsed(body) or []) if place not in left_out]
    assert [row for piece in pieces for row in parsed(piece) or []] == expected
    for place, size in too_large:
        assert size == len(wire.keep(body, {place}))
        assert size > limit
    assert (len(pieces) == 1) == (limit >= len(body))
    assert bool(too_large) == (limit < 1000)
    # No piece could have taken the next one's first span.
    for piece, following in itertools.pairwise(pieces):
        first = wire.keep(following, {0})
        assert len(piece) + len(first) > limit


def test_splits_random_bodies() -> None:
    checked = 0
    for seed in range(600):
        body = gen.Grower(seed, 0.1, garbage=False).grow()
        expected = parsed(body)
        if not expected:
            continue
        for limit in (40, 100, 300):
            pieces, too_large = wire.split(body, limit)
            left_out = dict(too_large)
            assert [row for piece in pieces for row in parsed(piece) or []] == [
                row for place, row in enumerate(expected) if place not in left_out
            ]
            assert all(0 < len(piece) <= limit for piece in pieces)
            checked += len(pieces)
    assert checked > 300


def test_a_split_does_not_multiply_a_large_resource_without_end() -> None:
    resource = gen.field(1, bytes(900))
    body = gen.resource_spans(gen.scope_spans(*[gen.span()] * 1000), rest=resource)
    pieces, too_large = wire.split(body, 1000)
    assert sum(map(len, pieces)) <= wire.MAX_GROWTH * len(body) + 1000
    assert pieces
    assert too_large
    assert len(pieces) + len(too_large) == 1000


def test_more_fields_than_any_exporter_sends_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_FIELDS", 1000)
    for body in (
        gen.request(*[b""] * 1001),
        b"\x0a\x00" * 1001,
        gen.resource_spans(*[b""] * 1001),
        gen.number(9, 1) * 1001,
        gen.resource_spans(rest=gen.number(9, 1) * 1001),
        gen.group(9, gen.number(9, 1) * 1001),
    ):
        with pytest.raises(wire.TooManyParts) as caught:
            list(wire.spans(body))
        assert caught.value.status == 413
        with pytest.raises(wire.TooManyParts):
            wire.keep(body, {0})


def test_only_its_own_errors_come_out() -> None:
    rng = random.Random(5)
    bodies = random_bodies(500) + [rng.randbytes(rng.randint(0, 60)) for _ in range(2000)]
    for body in bodies:
        wire.guess_signal(body)
        wire.well_formed(body)
        for call in (lambda b: list(wire.spans(b)), lambda b: wire.keep(b, {0, 2}), lambda b: wire.split(b, 100)):
            with contextlib.suppress(BodyError):
                call(body)


def logs_request() -> bytes:
    message = ExportLogsServiceRequest()
    record = message.resource_logs.add().scope_logs.add().log_records.add()
    record.time_unix_nano = record.observed_time_unix_nano = gen.START
    record.severity_text = "INFO"
    record.severity_number = SeverityNumber.SEVERITY_NUMBER_INFO
    record.body.string_value = "hello"
    record.trace_id, record.span_id = gen.TRACE_ID, gen.SPAN_ID
    return message.SerializeToString()


def metrics_request(kind: str) -> bytes:
    message = ExportMetricsServiceRequest()
    metric = message.resource_metrics.add().scope_metrics.add().metrics.add()
    metric.name, metric.description, metric.unit = "http.duration", "how long", "ms"
    point = getattr(metric, kind).data_points.add()
    point.time_unix_nano = gen.START
    return message.SerializeToString()


def test_tells_logs_and_metrics_from_traces() -> None:
    assert wire.guess_signal(logs_request()) == "logs"
    assert wire.looks_like_logs(logs_request())
    observed = ExportLogsServiceRequest()
    observed.resource_logs.add().scope_logs.add().log_records.add().observed_time_unix_nano = gen.START
    assert wire.guess_signal(observed.SerializeToString()) == "logs"
    for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
        assert wire.guess_signal(metrics_request(kind)) == "metrics", kind
        assert not wire.looks_like_logs(metrics_request(kind))
    for name, body in gen.captured("application/x-protobuf"):
        assert wire.guess_signal(body) is None, name
    for body in (b"", b"\x0a\x00", gen.request(b""), b"garbage", gen.request(gen.span(b"", b""))):
        assert wire.guess_signal(body) is None
