"""Ids and times of all spans of a protobuf body, and the verdict on each, without turning spans into objects.

One parser decides what is protobuf: upb, the decoder that senders use too, with a schema that knows ids and times only.
Parsed, stripped of unknown fields and written again, a body of ordinary spans has one canonical form of 48 bytes a
span, which numpy reads as an array of records. That is cheaper than ptars from the first span on, and leaves no second
opinion about hostile bytes. Small bodies are read span by span.

A body that upb refuses is walked to its span borders (`wire`), and only the spans that are garbage are marked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from litefuse.otlp import wire
from litefuse.otlp.check import KEPT, Times, Window, Words, check
from litefuse.otlp.partial import EXAMPLES, Refusal, time_text
from litefuse.otlp.schema import SCAN_REQUEST
from litefuse.reasons import Reason

#: Bodies below this many bytes are read span by span; numpy's calls cost more than a few spans do.
_SMALL = 32_768
#: A body that could hold more messages than this is counted before it is parsed: an empty one takes two bytes on the
#: wire and sixty in memory.
_MANY = 500_000
#: Spans in one body that may be garbage. Each takes some parses to find; two hundred bytes, compressed, can hold 500 000.
MAX_MALFORMED = 1000

_RECORD = np.dtype(
    {
        "names": ["head", "trace_id", "middle", "span_id", "start_tag", "start", "end_tag", "end"],
        "formats": ["<u4", ("<u8", 2), "<u2", "<u8", "u1", "<u8", "u1", "<u8"],
        "offsets": [0, 4, 20, 22, 30, 31, 39, 40],
        "itemsize": 48,
    }
)
# Field 2 of ScopeSpans with 46 bytes, then the span's field 1 with 16; field 2 with 8; fields 7 and 8 as fixed64.
_HEAD, _MIDDLE, _START_TAG, _END_TAG = 0x100A2E12, 0x0812, 0x39, 0x41

_Row = tuple[bytes, bytes, int, int]


@dataclass(frozen=True, slots=True)
class Scan:
    """What `check` needs of each span, in order: ids as words (zeros for an id of the wrong length) and times as sent.
    `malformed` marks spans that cannot be read, None for none."""

    trace_ids: Words
    span_ids: Words
    starts: Times
    ends: Times
    malformed: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, slots=True)
class Examined:
    """The verdict on a request of `count` spans: `refusals` are those not kept, in order. `timeless`: some kept span
    has no time of its own, so its time depends on the others of this very request, which therefore must not be put
    into one record with other requests."""

    count: int
    refusals: list[Refusal]
    timeless: bool

    @property
    def kept(self) -> frozenset[int]:
        """Places of the spans to keep, for `wire.keep`."""
        return frozenset(range(self.count)).difference(refusal.place for refusal in self.refusals)


def scan(body: bytes) -> Scan:
    """Raises wire.Malformed, wire.TooManyParts."""
    try:
        request = _parse(body)
    except DecodeError:
        return _scan_apart(body)
    found = _records(request)
    return _columns(list(_rows(request))) if found is None else found


def examine(body: bytes, received_at_ns: int, retention_days: int) -> Examined:
    """The verdict of `check` on each span of a body. Pure. Raises wire.Malformed, wire.TooManyParts."""
    if len(body) < _SMALL:
        try:
            rows = list(_rows(_parse(body)))
        except DecodeError:
            pass
        else:
            return _judge(rows, Window.of(received_at_ns, retention_days))
    found = scan(body)
    verdicts = check(
        found.trace_ids,
        found.span_ids,
        found.starts,
        found.ends,
        received_at_ns,
        retention_days,
        malformed=found.malformed,
    )
    refusals = _Refusals()
    for place, reason in verdicts.refused.items():
        refusals.add(
            place,
            reason,
            found.trace_ids[place].tobytes(),
            found.span_ids[place].tobytes(),
            int(verdicts.starts[place]),
            int(verdicts.ends[place]),
        )
    timeless = bool(((found.starts == 0) & (found.ends == 0) & (verdicts.codes == KEPT)).any())
    return Examined(len(found), refusals.found, timeless)


def _judge(rows: list[_Row], window: Window) -> Examined:
    """`check` in plain Python; the tests hold both against each other."""
    refusals = _Refusals()
    timeless = False
    for place, (trace_id, span_id, start, end) in enumerate(rows):
        start = start or end
        end = max(start, end)
        if len(trace_id) != 16 or not any(trace_id):
            reason = Reason.BAD_TRACE_ID
        elif len(span_id) != 8 or not any(span_id):
            reason = Reason.BAD_SPAN_ID
        elif not start:
            timeless = True
            continue
        elif end > window.newest:
            reason = Reason.TOO_NEW
        elif start < window.oldest:
            reason = Reason.TOO_OLD
        else:
            continue
        refusals.add(place, reason, trace_id, span_id, start, end)
    return Examined(len(rows), refusals.found, timeless)


class _Refusals:
    """Gathers refusals; the first few of each reason with a detail, since no more are shown."""

    def __init__(self) -> None:
        self.found: list[Refusal] = []
        self._counts: dict[Reason, int] = {}

    def add(self, place: int, reason: Reason, trace_id: bytes, span_id: bytes, start: int, end: int) -> None:
        count = self._counts[reason] = self._counts.get(reason, 0) + 1
        detail = ""
        if count <= EXAMPLES:
            if reason is Reason.TOO_OLD:
                detail = f"starts {time_text(start)}"
            elif reason is Reason.TOO_NEW:
                detail = f"ends {time_text(end)}"
            elif reason is Reason.BAD_TRACE_ID and len(span_id) == 8 and any(span_id):
                detail = f"span id {span_id.hex()}"
            elif reason is Reason.BAD_SPAN_ID:
                detail = f"trace id {trace_id.hex()}"
        self.found.append(Refusal(place, reason, detail))


# -- reading -----------------------------------------------------------------------------------------------------------


def _parse(body: bytes) -> Any:
    """Raises DecodeError, wire.TooManyParts."""
    # Tags of ResourceSpans, ScopeSpans and spans begin with one of these bytes; mostly they are something else.
    if len(body) > _MANY and sum(body.count(byte) for byte in (b"\x0a", b"\x12", b"\x8a", b"\x92")) > _MANY:
        try:
            for _ in wire.spans(body):
                pass
        except wire.Malformed:
            pass  # upb has the say
    return SCAN_REQUEST.FromString(body)


def _rows(request: Any) -> Iterator[_Row]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield span.trace_id, span.span_id, span.start_time_unix_nano, span.end_time_unix_nano


def _columns(rows: list[_Row]) -> Scan:
    trace_ids = b"".join([row[0] if len(row[0]) == 16 else bytes(16) for row in rows])
    span_ids = b"".join([row[1] if len(row[1]) == 8 else bytes(8) for row in rows])
    return Scan(
        np.frombuffer(trace_ids, np.uint64).reshape(-1, 2),
        np.frombuffer(span_ids, np.uint64),
        np.array([row[2] for row in rows], np.uint64),
        np.array([row[3] for row in rows], np.uint64),
    )


def _records(request: Any) -> Scan | None:
    """By way of the canonical form; None when some span is not ordinary: an id of another length, a time missing.
    Strips the request."""
    request.DiscardUnknownFields()
    data = _span_fields(request.SerializeToString())
    if len(data) % _RECORD.itemsize:
        return None
    records = np.frombuffer(data, _RECORD)
    if not (
        (records["head"] == _HEAD).all()
        and (records["middle"] == _MIDDLE).all()
        and (records["start_tag"] == _START_TAG).all()
        and (records["end_tag"] == _END_TAG).all()
    ):
        return None
    return Scan(
        np.ascontiguousarray(records["trace_id"]),
        np.ascontiguousarray(records["span_id"]),
        np.ascontiguousarray(records["start"]),
        np.ascontiguousarray(records["end"]),
    )


def _span_fields(data: bytes) -> bytes:
    """The contents of all ScopeSpans, joined. `data` was written by protobuf, with nothing but spans in it."""
    parts = []
    at = 0
    while at < len(data):
        end, at = _message(data, at)
        while at < end:
            scope_end, at = _message(data, at)
            parts.append(data[at:scope_end])
            at = scope_end
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _message(data: bytes, at: int) -> tuple[int, int]:
    """End and start of the message whose one-byte tag is at `at`."""
    size = shift = 0
    while True:
        at += 1
        byte = data[at]
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return at + 1 + size, at + 1


def _scan_apart(body: bytes) -> Scan:
    """upb refuses the body: find the spans that are at fault. Raises wire.Malformed when it is not the spans."""
    borders = list(wire.spans(body))
    malformed = np.zeros(len(borders), bool)
    malformed[_unreadable(body, borders)] = True
    good = np.flatnonzero(~malformed)
    if len(good) == len(borders):
        raise wire.Malformed("a field outside of the spans cannot be decoded")
    try:
        request = SCAN_REQUEST.FromString(wire.keep(body, frozenset(good.tolist())))
    except DecodeError as error:
        raise wire.Malformed(str(error)) from None
    rows: list[_Row] = [(b"", b"", 0, 0)] * len(borders)
    for place, row in zip(good.tolist(), _rows(request), strict=True):
        rows[place] = row
    found = _columns(rows)
    return Scan(found.trace_ids, found.span_ids, found.starts, found.ends, malformed)


def _unreadable(body: bytes, borders: list[wire.SpanAt]) -> list[int]:
    """Places of the spans that upb refuses: of all at once, then of an eighth of what was refused, down to single spans."""
    found: list[int] = []
    groups = [(0, len(borders))]
    while groups:
        first, end = groups.pop()
        if _readable(wire.wrap_all(body, borders[first:end])):
            continue
        if end - first > 1:
            step = -(-(end - first) // 8)
            groups += [(at, min(at + step, end)) for at in range(first, end, step)]
            continue
        found.append(first)
        if len(found) > MAX_MALFORMED:
            raise wire.Malformed(f"more than {MAX_MALFORMED} spans cannot be decoded")
    return found


def _readable(request: bytes) -> bool:
    try:
        SCAN_REQUEST.FromString(request)
    except DecodeError:
        return False
    return True
