"""Scores as they are written: what is said of each, and the rows that make it so. Pure functions.

A row's version orders the rows of an id. It is the time of the write, and always more than that of the row before, so that
of two processes whose clocks differ the later one wins all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

#: Days that a deletion is remembered: by then ClickHouse has removed the rows that it hides.
_TOMBSTONE_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class NewScore:
    """A score to write. `metadata` is JSON text of an object, or empty; `retention_days` 0 is for ever."""

    project_id: str
    id: str
    timestamp_ns: int
    name: str
    data_type: str
    value: float = 0.0
    string_value: str = ""
    source: str = "API"
    trace_id: str = ""
    observation_id: str = ""
    session_id: str = ""
    dataset_run_id: str = ""
    environment: str = "default"
    comment: str = ""
    metadata: str = ""
    config_id: str = ""
    queue_id: str = ""
    author_user_id: str = ""
    retention_days: int = 0

    @property
    def size(self) -> int:
        """About how much memory it takes, bytes."""
        texts = (self.id, self.name, self.string_value, self.trace_id, self.session_id, self.comment, self.metadata)
        return 500 + 2 * sum(map(len, texts))


@dataclass(frozen=True, slots=True)
class Deleted:
    """A score to delete."""

    project_id: str
    id: str
    size: int = 200


Write = NewScore | Deleted


@dataclass(frozen=True, slots=True)
class Known:
    """The newest row of an id. `created_ms`: Unix ms."""

    version: int
    deleted: bool
    created_ms: int
    trace_id: str
    observation_id: str
    session_id: str


def last(writes: Iterable[Write]) -> list[Write]:
    """The last of each id."""
    return list({(write.project_id, write.id): write for write in writes}.values())


def planned(writes: Iterable[Write], known: Mapping[tuple[str, str], Known], now_ns: int) -> list[dict[str, Any]]:
    """Rows for `block`. What there is not, or is deleted already, need not be deleted."""
    rows = []
    for write in writes:
        before = known.get((write.project_id, write.id))
        version = max(now_ns, before.version + 1) if before else now_ns
        if isinstance(write, NewScore):
            created = before.created_ms if before and not before.deleted else now_ns // 1_000_000
            rows.append(_row(write, version, created, now_ns // 1_000_000))
        elif before and not before.deleted:
            rows.append(_tombstone(write, before, version, now_ns))
    return rows


def _row(score: NewScore, version: int, created_ms: int, now_ms: int) -> dict[str, Any]:
    said = {name: getattr(score, name) for name in _SCHEMA.names if name in NewScore.__slots__}
    return {
        **said,
        "timestamp": score.timestamp_ns,
        "created_at": created_ms,
        "updated_at": now_ms,
        "version": version,
        "deleted": 0,
    }


def _tombstone(deleted: Deleted, before: Known, version: int, now_ns: int) -> dict[str, Any]:
    """It says nothing but what is gone, and of what: indexes find it where they find the rows that it hides."""
    blank = NewScore(
        project_id=deleted.project_id,
        id=deleted.id,
        timestamp_ns=now_ns,
        name="",
        data_type="",
        trace_id=before.trace_id,
        observation_id=before.observation_id,
        session_id=before.session_id,
        retention_days=_TOMBSTONE_DAYS,
    )
    return {**_row(blank, version, before.created_ms, now_ns // 1_000_000), "deleted": 1}


_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("project_id", "id")),
        ("timestamp", pa.timestamp("ns")),
        ("name", pa.string()),
        ("data_type", pa.string()),
        ("value", pa.float64()),
        *((name, pa.string()) for name in ("string_value", "source", "trace_id", "observation_id", "session_id")),
        *((name, pa.string()) for name in ("dataset_run_id", "environment", "comment", "metadata")),
        *((name, pa.string()) for name in ("config_id", "queue_id", "author_user_id")),
        ("created_at", pa.timestamp("ms")),
        ("updated_at", pa.timestamp("ms")),
        ("retention_days", pa.uint32()),
        ("version", pa.uint64()),
        ("deleted", pa.uint8()),
    ]
)
COLUMNS: Sequence[str] = tuple(_SCHEMA.names)


def block(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows as an Arrow stream of COLUMNS."""
    columns = []
    for field in _SCHEMA:
        values = [row[field.name] for row in rows]
        if pa.types.is_timestamp(field.type):
            columns.append(pa.array(values, pa.int64()).cast(field.type))
        else:
            columns.append(pa.array(values, field.type))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _SCHEMA) as stream:
        stream.write_batch(pa.record_batch(columns, schema=_SCHEMA))
    return bytes(sink.getvalue())
