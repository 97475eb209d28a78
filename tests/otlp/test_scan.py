"""Ids, times and verdicts of whole bodies, small and large, sound and hostile."""

from __future__ import annotations

import random

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.gen import FIRST_START
from benchmarks.gen import request as benchmark_request
from litefuse.otlp import scan as scan_module
from litefuse.otlp import wire
from litefuse.otlp.check import DAY_NS, check
from litefuse.otlp.partial import Refusal
from litefuse.otlp.scan import Examined, Scan, examine, scan
from litefuse.otlp.schema import SCAN_REQUEST
from litefuse.reasons import Reason
from tests.otlp import gen

NOW = FIRST_START + 10**9
Row = tuple[bytes, bytes, int, int]


def rows(found: Scan) -> list[Row]:
    return [
        (found.trace_ids[i].tobytes(), found.span_ids[i].tobytes(), int(found.starts[i]), int(found.ends[i]))
        for i in range(len(found))
    ]


def fixed(trace_id: bytes, span_id: bytes, start: int, end: int) -> Row:
    return (
        trace_id if len(trace_id) == 16 else bytes(16),
        span_id if len(span_id) == 8 else bytes(8),
        start,
        end,
    )


def otlp_rows(body: bytes) -> list[Row]:
    """By OTLP's own protobuf classes. Raises DecodeError."""
    return [
        fixed(s.trace_id, s.span_id, s.start_time_unix_nano, s.end_time_unix_nano)
        for r in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in r.scope_spans
        for s in scope.spans
    ]


def examined(body: bytes, monkeypatch: pytest.MonkeyPatch, small: int, retention_days: int = 30) -> Examined:
    monkeypatch.setattr(scan_module, "_SMALL", small)
    return examine(body, NOW, retention_days)


def both_ways(body: bytes, monkeypatch: pytest.MonkeyPatch, retention_days: int = 30) -> Examined:
    """Span by span, and in arrays: the same."""
    one = examined(body, monkeypatch, 1 << 30, retention_days)
    assert examined(body, monkeypatch, 0, retention_days) == one
    return one


def test_reads_what_otlp_reads() -> None:
    for name, body in gen.captured("application/x-protobuf"):
        assert rows(scan(body)) == otlp_rows(body), name


def test_ordinary_spans_take_the_fast_way() -> None:
    """Protobuf writes the canonical form that the array reader knows; if ever it does not, all gets slow but right."""
    for body in (benchmark_request(512), benchmark_request(1), benchmark_request(3) + benchmark_request(2, seed=1)):
        found = scan_module._records(SCAN_REQUEST.FromString(body))
        assert found is not None
        assert rows(found) == otlp_rows(body)


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_no_span_gets_lost_between_empty_parts(count: int) -> None:
    empty = b"\x0a\x00" + gen.resource_spans(b"", rest=gen.field(1, b"")) + gen.number(77, 1)
    body = empty + gen.request(*[gen.span()] * count) + empty
    assert len(scan(body)) == count


@pytest.mark.parametrize("name", gen.odd_spans())
def test_odd_spans_beside_ordinary_ones(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    odd, good = gen.odd_spans()[name], gen.span()
    body = gen.request(good, odd, good)
    assert len(scan(body)) == 3
    verdict = both_ways(body, monkeypatch)
    assert verdict.count == 3
    assert {refusal.place for refusal in verdict.refusals} <= {1}


def test_garbage_is_found_among_many_and_too_much_of_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred bytes, compressed, hold half a million garbage spans. Each was parsed by itself, for seconds."""
    bad, good = b"\x0a\x05", gen.span()
    parses: list[int] = []
    readable = scan_module._readable

    def counted(body: bytes) -> bool:
        parses.append(len(body))
        return readable(body)

    monkeypatch.setattr(scan_module, "_readable", counted)
    found = scan(gen.request(*(bad if i % 3000 == 7 else good for i in range(9000))))
    assert found.malformed is not None
    assert np.flatnonzero(found.malformed).tolist() == [7, 3007, 6007]
    assert len(parses) < 200
    parses.clear()
    with pytest.raises(wire.Malformed, match="more than 1000 spans"):
        scan(gen.request(*[bad] * 400_000))
    assert len(parses) < 3000


@pytest.mark.parametrize("name", gen.garbage_spans())
def test_a_garbage_span_costs_itself_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = gen.garbage_spans()[name], gen.span()
    body = gen.request(bad, good) + gen.request(good, bad)
    found = scan(body)
    assert found.malformed is not None
    assert found.malformed.tolist() == [True, False, False, True]
    assert rows(found)[1:3] == [(gen.TRACE_ID, gen.SPAN_ID, gen.START, gen.END)] * 2
    verdict = both_ways(body, monkeypatch)
    assert verdict.refusals == [Refusal(0, Reason.MALFORMED_SPAN), Refusal(3, Reason.MALFORMED_SPAN)]
    assert verdict.kept == {1, 2}
    assert examine(wire.keep(body, verdict.kept), NOW, 30).refusals == []


@pytest.mark.parametrize(
    "body",
    [
        b"hello, world",
        b"\x0a",
        b"\x0a\x05ab",
        b"{}",
        gen.tag(1, 3),
        gen.request(gen.span()) + b"\x07",
        gen.request(gen.span())[:-1],
        gen.field(1, gen.field(2, gen.field(2, gen.span()) + b"\xff")),
        gen.request(gen.span()) + gen.group(9, gen.tag(9, 3) * 100 + gen.tag(9, 4) * 100),
    ],
)
def test_broken_framing_is_malformed(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for small in (0, 1 << 30):
        with pytest.raises(wire.Malformed) as caught:
            examined(body, monkeypatch, small)
        assert caught.value.status == 400


def test_agrees_with_protobuf_on_random_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    """What upb accepts comes out as upb reads it, and as OTLP's own classes read it where these accept it too. What upb
    refuses is malformed, or its good spans can be kept."""
    small = [wire.keep(body, range(4)) for _, body in gen.captured("application/x-protobuf")]
    bodies = [gen.Grower(seed, 0.15, garbage=seed % 3 == 0).grow() for seed in range(2500)]
    bodies += gen.mutated(11, small, 2500)
    accepted = apart = 0
    for body in bodies:
        try:
            request = SCAN_REQUEST.FromString(body)
        except DecodeError:
            try:
                verdict = both_ways(body, monkeypatch)
            except wire.Malformed:
                continue
            apart += 1
            found = scan(wire.keep(body, verdict.kept))
            assert found.malformed is None
            assert len(found) == len(verdict.kept)
            continue
        accepted += 1
        found = scan(body)
        assert rows(found) == [fixed(*row) for row in scan_module._rows(request)]
        both_ways(body, monkeypatch)
        try:
            assert otlp_rows(body) == rows(found)
        except DecodeError:
            continue
    assert min(accepted, apart) > 300


def random_time(rng: random.Random) -> int:
    return rng.choice(
        (
            0,
            1,
            NOW,
            NOW + rng.randint(-(10**12), 10**12),
            NOW + DAY_NS + rng.randint(-1, 1),
            NOW - 30 * DAY_NS + rng.randint(-1, 1),
            1 << 63,
            (1 << 64) - 1,
        )
    )


def random_id(rng: random.Random, length: int) -> bytes:
    return rng.choice((rng.randbytes(length), rng.randbytes(length), rng.randbytes(length), bytes(length), b"", b"abc"))


def test_the_two_ways_to_judge_agree_and_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also: what was kept is kept again, with the same times, when the worker sees it without the rest."""
    rng = random.Random(2)
    for _ in range(400):
        spans = [
            gen.span(random_id(rng, 16), random_id(rng, 8), random_time(rng), random_time(rng))
            for _ in range(rng.randint(1, 8))
        ]
        body = gen.request(*spans)
        days = rng.choice((0, 30))
        verdict = both_ways(body, monkeypatch, days)
        rest = wire.keep(body, verdict.kept)
        assert both_ways(rest, monkeypatch, days).refusals == []
        whole, alone = scan(body), scan(rest)
        before = check(whole.trace_ids, whole.span_ids, whole.starts, whole.ends, NOW, days)
        after = check(alone.trace_ids, alone.span_ids, alone.starts, alone.ends, NOW, days)
        kept = sorted(verdict.kept)
        assert before.starts[kept].tolist() == after.starts.tolist()
        assert before.ends[kept].tolist() == after.ends.tolist()


def test_says_when_a_span_has_no_time_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not both_ways(gen.request(gen.span(), gen.span(end=0)), monkeypatch).timeless
    assert both_ways(gen.request(gen.span(), gen.span(start=0, end=0)), monkeypatch).timeless
    assert not both_ways(gen.request(gen.span(bytes(16), start=0, end=0)), monkeypatch).timeless


def test_a_body_of_more_parts_than_any_exporter_sends_is_refused_before_it_is_parsed() -> None:
    for body in (gen.request(*[b""] * 600_000), b"\x0a\x00" * 600_000):
        with pytest.raises(wire.TooManyParts):
            examine(body, NOW, 0)


def test_arrays_are_of_the_right_shape() -> None:
    for count in (0, 1, 100):
        found = scan(gen.request(*[gen.span()] * count))
        assert found.trace_ids.shape == (count, 2)
        assert found.span_ids.shape == found.starts.shape == found.ends.shape == (count,)
        assert {a.dtype for a in (found.trace_ids, found.span_ids, found.starts, found.ends)} == {np.dtype(np.uint64)}
