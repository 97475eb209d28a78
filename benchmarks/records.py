"""Records of the log as ingest writes them, and getting many of them into a log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

from benchmarks.inputs import Body
from litefuse.log.base import TRACES, Headers, Log, Record
from worker.lane import SLICE_BYTES

PROJECT = "benchmark"
#: Bytes on their way into the log at once; below what either log takes before it answers LogFull.
_FLIGHT = 32 << 20


def headers(body: Body) -> Headers:
    """Those of architecture section 5."""
    pairs = [
        ("project_id", PROJECT.encode()),
        ("content_type", body.content_type.encode()),
        ("received_at", b"%d" % time.time_ns()),
        ("retention_days", b"0"),
        ("public_key", b"pk-lf-benchmark"),
    ]
    return [*pairs, ("content_encoding", body.encoding.encode())] if body.encoding else pairs


def records(bodies: Sequence[Body]) -> list[Record]:
    """As a consumer gives them."""
    now = time.time_ns()
    return [Record(TRACES, 0, i, now, None, b.data, tuple(headers(b))) for i, b in enumerate(bodies)]


def slices(all_records: Sequence[Record]) -> Iterator[list[Record]]:
    """About 1 MiB each, as a lane takes them."""
    taken: list[Record] = []
    size = 0
    for record in all_records:
        taken.append(record)
        size += record.size
        if size >= SLICE_BYTES:
            yield taken
            taken, size = [], 0
    if taken:
        yield taken


async def fill(log: Log, bodies: Sequence[Body]) -> None:
    """Publish every body as a record; returns when all are durable. Raises LogError."""
    flight: list[Body] = []
    size = 0
    for i, body in enumerate(bodies):
        flight.append(body)
        size += len(body.data) + 1024
        if size >= _FLIGHT or i + 1 == len(bodies):
            await asyncio.gather(*(log.publish(TRACES, b.data, headers(b)) for b in flight))
            flight, size = [], 0
