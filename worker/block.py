"""The block stage: decoded slices of one partition become blocks, an insert a table partition (architecture section 6).

A block is cut by bytes, rows or age, whichever comes first. How it was cut need not be repeatable: the plan records
the result.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from litefuse.log.base import Record
from worker.dead import Letter
from worker.map.columns import aligned
from worker.plan import Plan, fresh

_DAY_NS = 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Slice:
    """Some consecutive records, decoded: `spans` has a row a span that can be kept (None for no row), `letters` is what
    can not. `end` is the offset after the last record, `size` the bytes this slice is counted with, `read_at` the
    monotonic second at which its first record came in."""

    records: tuple[Record, ...]
    spans: pa.RecordBatch | None
    letters: tuple[Letter, ...]
    end: int
    size: int
    read_at: float

    def mapped(self, spans: pa.RecordBatch | None) -> Slice:
        """The same slice with more columns, and counted with them."""
        if spans is None or self.spans is None:
            return self
        return replace(self, spans=spans, size=self.size - self.spans.nbytes + spans.nbytes)


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of a block that go into one table partition: one INSERT."""

    table_partition: str
    spans: pa.Table

    def places(self) -> frozenset[tuple[int, int]]:
        """Offset and place within the record of each row."""
        return frozenset(
            zip(self.spans.column("log_offset").to_pylist(), self.spans.column("log_row").to_pylist(), strict=True)
        )


@dataclass(frozen=True, slots=True)
class Block:
    """What one plan covers. `replay`: another owner, or this one in an earlier life, may have inserted some of it."""

    plan: Plan
    parts: tuple[Part, ...]
    letters: tuple[Letter, ...]
    offsets: tuple[int, ...]
    rows: int
    size: int
    replay: bool = False
    slices: tuple[Slice, ...] = field(default=(), repr=False)

    def row_count(self) -> int:
        """Spans of the block's record, refused ones included, when it has but one; what `rows` of a plan count."""
        if not self.offsets:
            return 0  # the log has the record no more
        offset = self.offsets[0]
        places = [
            s.row for piece in self.slices for s in piece.letters if s.record.offset == offset and s.row is not None
        ]
        for piece in self.slices:
            if piece.spans is not None:
                own = piece.spans.column("log_row").filter(pc.equal(piece.spans.column("log_offset"), offset))
                places += [pc.max(own).as_py()] if len(own) else []
        return max(places, default=-1) + 1


@dataclass(frozen=True, slots=True)
class Limits:
    bytes: int
    rows: int
    age: float


class Cutter:
    """Collects slices until a block is due. `now` is monotonic seconds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._slices: list[Slice] = []
        self.size = 0
        self._rows = 0

    def add(self, piece: Slice) -> None:
        self._slices.append(piece)
        self.size += piece.size
        self._rows += 0 if piece.spans is None else piece.spans.num_rows

    def __len__(self) -> int:
        return len(self._slices)

    def full(self) -> bool:
        """No more may be added before a cut."""
        return self.size >= self._limits.bytes or self._rows >= self._limits.rows

    def due_in(self, now: float) -> float | None:
        """Seconds until the oldest record is too old to wait longer; None when there is nothing to cut."""
        return max(0.0, self._slices[0].read_at + self._limits.age - now) if self._slices else None

    def take(self, look: int = 0, inherited: Plan | None = None) -> Block:
        """Everything collected, as one block; of an inherited plan, which is to be repeated, exactly what it covers."""
        slices, self._slices, self.size, self._rows = self._slices, [], 0, 0
        if inherited is not None:
            return replace(build(inherited, slices), replay=True, size=sum(s.size for s in slices))
        return build(fresh(slices[0].records[0].offset, slices[-1].end, look), slices)


def build(plan: Plan, slices: Sequence[Slice]) -> Block:
    """The block of a plan, out of slices that hold all its records (and perhaps more)."""
    batches = [s.spans for s in slices if s.spans is not None]
    spans = _within(plan, aligned(batches)) if batches else None
    low, high = plan.rows or (0, 1 << 62)
    return Block(
        plan=plan,
        parts=tuple(_parts(spans)) if spans is not None and spans.num_rows else (),
        letters=tuple(
            letter
            for s in slices
            for letter in s.letters
            if plan.first <= letter.record.offset < plan.end and (letter.row is None or low <= letter.row < high)
        ),
        offsets=tuple(r.offset for s in slices for r in s.records if plan.first <= r.offset < plan.end),
        rows=spans.num_rows if spans is not None else 0,
        size=sum(s.size for s in slices),
        slices=tuple(slices),
    )


def _within(plan: Plan, spans: pa.Table) -> pa.Table:
    """Those rows of the table that the plan covers."""
    offsets = np.concatenate([np.asarray(c) for c in spans.column("log_offset").chunks])
    inside = (offsets >= plan.first) & (offsets < plan.end)
    if plan.rows is not None:
        places = np.concatenate([np.asarray(c) for c in spans.column("log_row").chunks])
        inside &= (places >= plan.rows[0]) & (places < plan.rows[1])
    return spans if inside.all() else spans.filter(pa.array(inside))


def _parts(spans: pa.Table) -> list[Part]:
    """One part a table partition (retention class and week), so that each INSERT is atomic and can be looked for."""
    start_days = np.concatenate([np.asarray(c.cast(pa.int64())) // _DAY_NS for c in spans.column("start_time").chunks])
    mondays = np.maximum(start_days - (start_days + 3) % 7, 0)
    retention = np.concatenate([np.asarray(c, dtype=np.int64) for c in spans.column("retention_days").chunks])
    classes, which = np.unique(retention * 100_000 + mondays, return_inverse=True)
    names = [partition_id(int(c) // 100_000, int(c) % 100_000) for c in classes]
    if len(names) == 1:
        return [Part(names[0], spans)]
    return [Part(name, spans.filter(pa.array(which == i))) for i, name in enumerate(names)]


def received(part: Part) -> dict[str, int]:
    """When the rows of a part came in: `since` and `until`, Unix ns, both included."""
    times = pc.min_max(part.spans.column("received_at").cast(pa.int64())).as_py()
    return {"since": times["min"], "until": times["max"]}


def without(part: Part, places: Set[tuple[int, int]]) -> tuple[Part, str]:
    """The rows of a part that are not at these places, and what makes their token differ from that of all rows."""
    own = list(zip(part.spans.column("log_offset").to_pylist(), part.spans.column("log_row").to_pylist(), strict=True))
    missing = [place not in places for place in own]
    if all(missing):
        return part, ""
    left = [place for place, is_missing in zip(own, missing, strict=True) if is_missing]
    return Part(
        part.table_partition, part.spans.filter(pa.array(missing))
    ), f"/rest-{zlib.crc32(repr(left).encode()):08x}"


def copies(part: Part) -> int:
    """Rows of a part that repeat the ids of another of its rows: re-sends, which ClickHouse collapses."""
    ids = part.spans.select(["trace_id", "span_id"])
    fixed = np.logical_and(*(_lengths(ids, name) == size for name, size in (("trace_id", 32), ("span_id", 16))))
    if fixed.all():
        return _copies(ids)
    texts = ids.filter(pa.array(~fixed))  # as POST /ingestion has them
    different = set(zip(texts.column(0).to_pylist(), texts.column(1).to_pylist(), strict=True))
    return _copies(ids.filter(pa.array(fixed))) + len(texts) - len(different)


def _copies(ids: pa.Table) -> int:
    words = np.concatenate([_words(ids, "trace_id", 4), _words(ids, "span_id", 2)], axis=1)
    mixed = (words * _MIX).sum(axis=1, dtype=np.uint64)
    return int(len(mixed) - len(np.unique(mixed ^ (mixed >> np.uint64(29)))))


#: Odd numbers that spread the words of two ids over 64 bits; equal hashes of unequal ids are not to be met with.
_MIX = np.array(
    [
        0x9E3779B97F4A7C15,
        0xBF58476D1CE4E5B9,
        0x94D049BB133111EB,
        0xD6E8FEB86659FD93,
        0xA0761D6478BD642F,
        0xE7037ED1A0B428DB,
    ],
    np.uint64,
)


def _lengths(spans: pa.Table, name: str) -> npt.NDArray[np.int32]:
    column = spans.column(name).combine_chunks()
    offsets = np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, column.offset * 4)
    return offsets[1:] - offsets[:-1]


def _words(spans: pa.Table, name: str, count: int) -> npt.NDArray[np.uint64]:
    """Ids in hex as `count` 64-bit words a row."""
    column = spans.column(name).combine_chunks()
    _, offset_buffer, data = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32, len(column) + 1, column.offset * 4)
    raw = np.frombuffer(data, np.uint8)[int(offsets[0]) : int(offsets[-1])]
    return raw.copy().view(np.uint64).reshape(len(column), count)


def partition_id(retention_days: int, monday: int) -> str:
    """ClickHouse's `_partition_id` of (retention_days, toMonday(start_time)); `monday` in days since 1970."""
    return f"{retention_days}-{np.datetime_as_string(np.datetime64(monday, 'D')).replace('-', '')}"


def expired(partition: str, now: float) -> bool:
    """Whether all rows of a table partition are past their retention at `now` (Unix seconds): such rows may be gone as soon
    as they are stored."""
    retention, monday = partition.split("-")
    if retention == "0":
        return False
    last_start = datetime.strptime(monday, "%Y%m%d").replace(tzinfo=UTC) + timedelta(days=7)
    return last_start.timestamp() + int(retention) * 86_400 < now
