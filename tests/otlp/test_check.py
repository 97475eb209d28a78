"""The rule of what a span needs: ids, times, window; for one request and for many at once."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from litefuse.otlp.check import DAY_NS, REASONS, PerSpan, Window, check, ids, mend, verdicts
from litefuse.reasons import Reason

NOW = 1_750_000_000_000_000_000
TOP = (1 << 64) - 1


def times(*values: int) -> Any:
    return np.array(values, np.uint64)


def judge(starts: list[int], ends: list[int], received: PerSpan = NOW, days: PerSpan = 0, **more: Any) -> Any:
    count = len(starts)
    return check(
        np.ones((count, 2), np.uint64), np.ones(count, np.uint64), times(*starts), times(*ends), received, days, **more
    )


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (NOW, NOW + 5, (NOW, NOW + 5)),
        (NOW, NOW, (NOW, NOW)),
        (NOW, 0, (NOW, NOW)),
        (0, NOW, (NOW, NOW)),
        (NOW, NOW - 1, (NOW, NOW)),
        (0, 0, (0, 0)),
        (TOP, 1, (TOP, TOP)),
    ],
)
def test_mends(start: int, end: int, expected: tuple[int, int]) -> None:
    starts, ends = mend(times(start), times(end))
    assert (int(starts[0]), int(ends[0])) == expected


def test_a_span_without_times_gets_the_earliest_of_its_request() -> None:
    found = judge([NOW + 5, 0, NOW + 3, 0], [NOW + 6, 0, NOW + 9, NOW + 1])
    assert found.starts.tolist() == [NOW + 5, NOW + 1, NOW + 3, NOW + 1]
    assert found.ends.tolist() == [NOW + 6, NOW + 1, NOW + 9, NOW + 1]
    assert found.refused == {}


def test_without_any_time_it_is_the_time_of_receipt() -> None:
    found = judge([0, 0], [0, 0], days=1)
    assert found.starts.tolist() == found.ends.tolist() == [NOW, NOW]
    assert found.refused == {}


def test_a_refused_span_gives_no_time_to_others() -> None:
    found = judge([1, 0, NOW - 5], [2, 0, NOW], days=30)
    assert found.refused == {0: Reason.TOO_OLD}
    assert found.starts[1] == NOW - 5


@pytest.mark.parametrize(
    ("start", "end", "days", "reason"),
    [
        (NOW - 30 * DAY_NS, NOW, 30, None),
        (NOW - 30 * DAY_NS - 1, NOW, 30, Reason.TOO_OLD),
        (NOW - 30 * DAY_NS - 1, NOW, 0, None),
        (1, 2, 0, None),
        (1, 2, 4_294_967_295, None),
        (NOW, NOW + DAY_NS, 0, None),
        (NOW, NOW + DAY_NS + 1, 0, Reason.TOO_NEW),
        (NOW + DAY_NS + 1, 0, 0, Reason.TOO_NEW),
        (TOP, TOP, 0, Reason.TOO_NEW),
        (1, TOP, 1, Reason.TOO_NEW),
        (TOP, 1, 1, Reason.TOO_NEW),
        (1 << 63, (1 << 63) + 1, 1, Reason.TOO_NEW),
    ],
)
def test_the_window(start: int, end: int, days: int, reason: Reason | None) -> None:
    one = judge([start], [end], days=days)
    assert one.refused == ({} if reason is None else {0: reason})
    many = judge([start], [end], np.array([NOW]), np.array([days]))
    assert many.refused == one.refused


@pytest.mark.parametrize("received", [0, -5, 1, DAY_NS, 1 << 62, TOP, 1 << 70])
@pytest.mark.parametrize("days", [0, 1, 100_000, 4_294_967_295])
def test_no_time_of_receipt_overflows(received: int, days: int) -> None:
    window = Window.of(received, days)
    assert 0 <= window.oldest <= window.newest <= TOP
    starts = [0, 1, DAY_NS, NOW, TOP]
    found = judge(starts, starts, received, days)
    for i, start in enumerate(starts):
        kept = start == 0 or window.oldest <= start <= window.newest
        assert (i not in found.refused) == kept
    if 0 <= received < 1 << 63:
        assert judge(starts, starts, np.full(5, received), np.full(5, days)).refused == found.refused


def test_ids() -> None:
    column = pa.array([b"x" * 16, b"", bytes(16), b"x" * 15, b"x" * 17, bytes(15) + b"\1", b"\1" + bytes(15)])
    assert (ids(column, 16) != 0).any(axis=1).tolist() == [True, False, False, False, False, True, True]
    assert (ids(column[5:], 16) != 0).any(axis=1).tolist() == [True, True]
    assert ids(column, 16)[0].tobytes() == b"x" * 16
    spans = pa.array([b"12345678", b"1234567", b"", bytes(8)])
    assert (ids(spans, 8) != 0).tolist() == [True, False, False, False]
    assert ids(spans[:1], 8).tobytes() == b"12345678"
    assert ids(spans[1:], 8).tolist() == [0, 0, 0]
    for empty in (spans[:0], pa.array([], pa.binary()), pa.array([b"", b""])):
        assert ids(empty, 8).tolist() == [0] * len(empty)
        assert ids(empty, 16).shape == (len(empty), 2)


def test_of_several_reasons_the_first() -> None:
    found = check(
        times(0, 0, 0, 0, 0, 0, 1, 1, 1, 1).reshape(-1, 2),
        times(0, 0, 1, 0, 1),
        times(1, 1, 1, 1, 1),
        times(TOP, TOP, TOP, TOP, 1),
        NOW,
        1,
        malformed=np.array([True, False, False, False, False]),
    )
    assert list(found.refused.values()) == [
        Reason.MALFORMED_SPAN,
        Reason.BAD_TRACE_ID,
        Reason.BAD_TRACE_ID,
        Reason.BAD_SPAN_ID,
        Reason.TOO_OLD,
    ]
    assert [REASONS[code] for code in found.codes] == list(found.refused.values())


def test_many_requests_at_once_come_out_as_one_by_one() -> None:
    rng = random.Random(4)

    def time_near(received: int) -> int:
        return rng.choice((0, 0, received + rng.randint(-40, 5) * DAY_NS, received, 1, TOP))

    for _ in range(200):
        sizes = [rng.randint(1, 5) for _ in range(rng.randint(1, 6))]
        received = [NOW + rng.randint(0, 10**15) for _ in sizes]
        days = [rng.choice((0, 7, 30)) for _ in sizes]
        requests = np.repeat(np.arange(len(sizes)) * 3, sizes)
        starts = [[time_near(r) for _ in range(n)] for r, n in zip(received, sizes, strict=True)]
        ends = [[time_near(r) for _ in range(n)] for r, n in zip(received, sizes, strict=True)]
        trace_ids = pa.array([rng.choice((b"x" * 16, b"x" * 16, b"")) for _ in requests], pa.binary())
        span_ids = pa.array([rng.choice((b"x" * 8, b"x" * 8, bytes(8))) for _ in requests], pa.binary())
        together = verdicts(
            trace_ids,
            span_ids,
            times(*itertools.chain(*starts)),
            times(*itertools.chain(*ends)),
            requests,
            np.repeat(np.array(received), sizes),
            np.repeat(np.array(days), sizes),
        )
        at = 0
        for i, n in enumerate(sizes):
            here = slice(at, at + n)
            alone = check(
                ids(trace_ids[here], 16),
                ids(span_ids[here], 8),
                times(*starts[i]),
                times(*ends[i]),
                received[i],
                days[i],
            )
            assert together.codes[here].tolist() == alone.codes.tolist()
            assert together.starts[here].tolist() == alone.starts.tolist()
            assert together.ends[here].tolist() == alone.ends.tolist()
            at += n


def test_nothing_at_all() -> None:
    assert judge([], []).refused == {}
    assert judge([], [], np.array([], np.int64), np.array([], np.int64), requests=np.array([], np.int64)).refused == {}
