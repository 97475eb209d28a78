"""What a span needs to be kept: one rule, used by ingest to answer and by the worker to decide, with the same result
(architecture section 4 "Event time", otel-mapping section 2).

* A trace id of 16 bytes and a span id of 8, neither all zeros.
* Times, mended, within the window: start not older than the project's retention, neither start nor end more than a day
  ahead of when the request was received.

Mending: a missing (0) start is the end, a missing end the start; an end before the start becomes the start; a span
without any time gets the earliest start among the spans of its request *that are kept*, so that the worker, which may
see the request without the refused ones, comes to the same; without any, the time of receipt.

Times are unsigned 64-bit Unix nanoseconds, in numpy arrays of one entry a span. Ids are arrays of 64-bit words as they
lie in memory, (n, 2) for trace ids and (n,) for span ids, all zeros for an id of any other length (`ids` makes them).
Nothing here raises for what a sender chose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from litefuse.otlp.values import MAX_DEPTH as MAX_DEPTH
from litefuse.reasons import Reason

Words = npt.NDArray[np.uint64]
Times = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.uint8]
PerSpan = int | npt.NDArray[np.int64]

DAY_NS = 86_400_000_000_000
#: How far ahead of its receipt a span may lie.
AHEAD_NS = DAY_NS
#: Reasons by code. Of several reasons a span gets the one with the lowest code.
REASONS: tuple[Reason | None, ...] = (
    None,
    Reason.MALFORMED_SPAN,
    Reason.BAD_TRACE_ID,
    Reason.BAD_SPAN_ID,
    Reason.TOO_NEW,
    Reason.TOO_OLD,
)
KEPT = 0
_MALFORMED, _BAD_TRACE_ID, _BAD_SPAN_ID, _TOO_NEW, _TOO_OLD = range(1, 6)

_LATEST = (1 << 64) - 1
_MOST_DAYS = _LATEST // DAY_NS


@dataclass(frozen=True, slots=True)
class Window:
    """The times that are kept, both ends included, Unix ns."""

    oldest: int
    newest: int

    @classmethod
    def of(cls, received_at_ns: int, retention_days: int) -> Window:
        """`retention_days` 0 = no limit."""
        received = min(max(received_at_ns, 0), _LATEST)
        oldest = max(received - retention_days * DAY_NS, 0) if retention_days > 0 else 0
        return cls(oldest, min(received + AHEAD_NS, _LATEST))


@dataclass(frozen=True, slots=True)
class Verdicts:
    """`codes` index REASONS; `starts` and `ends` are mended (also those of refused spans, as far as that goes)."""

    codes: Codes
    starts: Times
    ends: Times

    @property
    def refused(self) -> Mapping[int, Reason]:
        """Reason by place of each span that is not kept, in order."""
        return {int(i): reason for i in np.flatnonzero(self.codes) if (reason := REASONS[self.codes[i]]) is not None}


def ids(column: Any, width: int) -> Words:
    """Ids from an Arrow binary array: `width` bytes each, (n, width / 8) words, (n,) for 8; zeros for other lengths."""
    count = len(column)
    _, offset_buffer, data = column.buffers()
    words = width // 8
    if count == 0 or data is None:
        fixed = np.zeros((count, words), np.uint64)
    else:
        offsets = np.frombuffer(offset_buffer, np.int32, count + 1, column.offset * 4).astype(np.int64)
        raw = np.frombuffer(data, np.uint8)
        right = np.diff(offsets) == width
        if right.all():
            fixed = raw[offsets[0] : offsets[-1]].copy().view(np.uint64).reshape(count, words)
        else:
            fixed = np.zeros((count, words), np.uint64)
            places = offsets[:-1][right, np.newaxis] + np.arange(width)
            fixed[right] = raw[places].view(np.uint64)
    return fixed[:, 0] if words == 1 else fixed


def mend(starts: Times, ends: Times) -> tuple[Times, Times]:
    """What a span's own times say: missing ones filled in from each other, an end before the start moved to it. Both
    stay 0 where both are missing."""
    mended_starts = np.where(starts == 0, ends, starts)
    return mended_starts, np.maximum(ends, mended_starts)


def check(
    trace_ids: Words,
    span_ids: Words,
    starts: Times,
    ends: Times,
    received_at_ns: PerSpan,
    retention_days: PerSpan,
    *,
    requests: npt.NDArray[np.int64] | None = None,
    malformed: npt.NDArray[np.bool_] | None = None,
) -> Verdicts:
    """The verdict on each span of a request, or of many: `requests` then holds each span's request, in ascending order,
    and `received_at_ns` and `retention_days` may be arrays of one entry a span. `malformed` marks spans that could not
    be read at all."""
    oldest, newest = _window(received_at_ns, retention_days)
    mended_starts, mended_ends = mend(starts, ends)
    timeless = mended_starts == 0
    codes = np.where((mended_starts < oldest) & ~timeless, np.uint8(_TOO_OLD), np.uint8(KEPT))
    codes[mended_ends > newest] = _TOO_NEW
    codes[span_ids == 0] = _BAD_SPAN_ID
    codes[(trace_ids == 0).all(axis=1)] = _BAD_TRACE_ID
    if malformed is not None:
        codes[malformed] = _MALFORMED
    if timeless.any():
        times = _earliest_kept(mended_starts, timeless | (codes != KEPT), requests, received_at_ns)[timeless]
        mended_starts[timeless] = times
        mended_ends[timeless] = times
    return Verdicts(codes, mended_starts, mended_ends)


def verdicts(
    trace_ids: Any,
    span_ids: Any,
    starts: Times,
    ends: Times,
    requests: npt.NDArray[np.int64],
    received_at_ns: PerSpan,
    retention_days: PerSpan,
) -> Verdicts:
    """`check` for ids in Arrow binary arrays, as the worker has them."""
    return check(ids(trace_ids, 16), ids(span_ids, 8), starts, ends, received_at_ns, retention_days, requests=requests)


def _window(received_at_ns: PerSpan, retention_days: PerSpan) -> tuple[np.uint64 | Times, np.uint64 | Times]:
    if isinstance(received_at_ns, int) and isinstance(retention_days, int):
        window = Window.of(received_at_ns, retention_days)
        return np.uint64(window.oldest), np.uint64(window.newest)
    received = _clamped(received_at_ns)
    days = np.clip(np.asarray(retention_days, np.int64), 0, _MOST_DAYS).astype(np.uint64)
    kept = days * np.uint64(DAY_NS)
    oldest = np.where((days > 0) & (kept < received), received - np.minimum(kept, received), np.uint64(0))
    return oldest, received + np.uint64(AHEAD_NS)


def _clamped(time: PerSpan) -> np.uint64 | Times:
    if isinstance(time, int):
        return np.uint64(min(max(time, 0), _LATEST))
    return np.maximum(np.asarray(time, np.int64), 0).astype(np.uint64)


def _earliest_kept(
    starts: Times, left_out: npt.NDArray[np.bool_], requests: npt.NDArray[np.int64] | None, received_at_ns: PerSpan
) -> Times:
    """For each span the earliest start in its request, of those not left out; else the time of receipt."""
    received = _clamped(received_at_ns)
    candidates = np.where(left_out, np.uint64(_LATEST), starts)
    if requests is None:
        earliest = np.full(len(starts), candidates.min())
    else:
        first = np.flatnonzero(np.diff(requests, prepend=requests[0] - 1))
        sizes = np.diff(first, append=len(requests))
        earliest = np.repeat(np.minimum.reduceat(candidates, first), sizes)
    return np.where(earliest == np.uint64(_LATEST), received, earliest)
