"""What POST /ingestion was told of traces and observations, as the table `ingestion_events` has it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa

from litefuse.clickhouse.asking import Inserting, Store
from litefuse.clickhouse.portions import portions
from web.queries.statement import PROJECT, Statement, Values, bind, run

#: Seconds that a statement has. Clients give up at about as many, and repeat.
_TIMEOUT_S = 15.0
_INSERT = {
    "async_insert": "0",
    # One INSERT is one block, hence atomic.
    "min_insert_block_size_rows": "1000000000",
    "min_insert_block_size_bytes": "1099511627776",
    "max_insert_block_size": "1000000000",
}
#: Events of one object that are put together, and bytes of one answer: what is told of one object has no end.
MOST_EVENTS = 1000
_BOUNDS = {"max_result_bytes": str(512 << 20), "result_overflow_mode": "throw"}


class Stored(NamedTuple):
    """Times are Unix ns; `body` is JSON."""

    kind: str
    object_id: str
    event_id: str
    trace_id: str
    type: str
    at_ns: int
    body: str
    received_ns: int


class NewEvent(NamedTuple):
    """A row to write. Times are Unix ns; `body` is JSON, `trace_id` empty when it is not known."""

    project_id: str
    kind: str
    object_id: str
    event_id: str
    trace_id: str
    type: str
    timestamp: int
    body: str
    received_at: int
    retention_days: int


_TYPES = {"timestamp": pa.timestamp("ns"), "received_at": pa.timestamp("ns"), "retention_days": pa.uint32()}
_SCHEMA = pa.schema([(name, _TYPES.get(name, pa.large_string())) for name in NewEvent._fields])


def statement(project_id: str, kind: str, object_ids: Sequence[str]) -> Statement:
    """The events of these objects: of one that has too many the creates before the updates, of each the latest."""
    values = Values()
    sql = f"""
        SELECT kind, object_id, event_id, trace_id, type, toUnixTimestamp64Nano(timestamp), body,
            toUnixTimestamp64Nano(received_at)
        FROM ingestion_events FINAL
        WHERE {PROJECT} AND kind = {values.text(kind)} AND object_id IN {values.texts(list(object_ids))}
        ORDER BY object_id, endsWith(type, '-update'), timestamp DESC, received_at DESC
        LIMIT {MOST_EVENTS} BY object_id
        SETTINGS {", ".join(f"{name} = '{value}'" for name, value in _BOUNDS.items())}"""
    return bind(project_id, sql, values)


async def of_objects(store: Store, project_id: str, kind: str, object_ids: Collection[str]) -> list[Stored]:
    """The events of these objects. Raises StoreError; of litefuse.clickhouse.codes.TOO_MUCH when they are too large."""
    found: list[Stored] = []
    for part in portions(object_ids):
        found += [Stored(*row) for row in await run(store, statement(project_id, kind, part), timeout=_TIMEOUT_S)]
    return found


async def insert(store: Inserting, events: Iterable[NewEvent]) -> None:
    """Returns when they are stored. An event that is there is replaced. Raises StoreError."""
    body = await asyncio.to_thread(_block, events)
    if body:
        await store.insert_arrow("ingestion_events", NewEvent._fields, body, settings=_INSERT, timeout=_TIMEOUT_S)


def _block(events: Iterable[NewEvent]) -> bytes:
    """The events as an Arrow stream, empty for none."""
    columns = [pa.array(values, _SCHEMA.field(i).type) for i, values in enumerate(zip(*events, strict=True))]
    if not columns:
        return b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _SCHEMA) as stream:
        stream.write_batch(pa.RecordBatch.from_arrays(columns, schema=_SCHEMA))
    body: bytes = sink.getvalue().to_pybytes()
    return body


async def forget(store: Inserting, project_id: str, kind: str, object_id: str, trace_id: str) -> None:
    """Have the rows of an object removed that name another trace than this one, or none: a deletion of the trace would not find
    them. Returns when ClickHouse has noted it."""
    await store.command(
        "ALTER TABLE ingestion_events DELETE WHERE project_id = {project:String} AND kind = {kind:String} "
        "AND object_id = {object:String} AND trace_id != {trace:String}",
        {"project": project_id, "kind": kind, "object": object_id, "trace": trace_id},
        settings={"mutations_sync": "0"},
        timeout=_TIMEOUT_S,
    )
