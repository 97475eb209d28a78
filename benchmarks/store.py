"""Fill the tables with LLM traffic by the worker's own stages: decode, map, block, Arrow IPC, INSERT, one after another.

No log and no plans: what is measured afterwards is reading. Inserts run beside the making of the next blocks.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from benchmarks.inputs import Body
from benchmarks.llm.traffic import requests
from benchmarks.records import records
from litefuse.clickhouse.client import Store
from litefuse.log.base import Record
from litefuse.prices import Book
from litefuse.prices.catalogue import catalogue
from worker.block import Cutter, Limits
from worker.decode import Defaults, decode
from worker.lane import SLICE_BYTES
from worker.map import map_spans
from worker.write import INSERT_SETTINGS, ipc

_DEFAULTS = Defaults()
#: As the settings' defaults, but for the age: nothing waits here.
_LIMITS = Limits(bytes=33554432, rows=100_000, age=1.0)
#: Blocks of the last share of traffic: what a worker cuts in a second or two of an ordinary load.
_SMALL = Limits(bytes=33554432, rows=2_000, age=1.0)
#: The share that ClickHouse has no time to merge.
_UNMERGED = 0.03
#: The share of requests that their senders repeat, and how many others come between.
_REPEATED = 0.02
_LATER = 40
_INSERTS_AT_ONCE = 2
_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Filled:
    """What was sent: spans, how many of them twice, and the end of the traffic, Unix ns."""

    spans: int
    repeated: int
    until_ns: int


async def fill(store: Store, spans: int, until_ns: int, say: Callable[[str], None], seed: int = 0) -> Filled:
    """About `spans` spans of a month that ends then, 2 % of them twice, the last of them in parts that stay unmerged.
    Raises StoreError."""
    rng = random.Random(seed)
    bodies = (Body(request.data, request.spans, plain=len(request.data)) for request in requests(spans, seed, until_ns))
    book = Book(catalogue())
    inserts = asyncio.Semaphore(_INSERTS_AT_ONCE)
    sent = repeated = told = 0
    limits = _LIMITS
    cutter = Cutter(limits)
    async with asyncio.TaskGroup() as group:
        for taken, once, twice in _sliced(bodies, rng):
            sent, repeated = sent + once, repeated + twice
            await _add(cutter, taken, book)
            if cutter.full():
                await _insert(store, cutter, inserts, group)
            if limits is _LIMITS and sent > spans * (1 - _UNMERGED):
                await _insert(store, cutter, inserts, group)
                limits, cutter = _SMALL, Cutter(_SMALL)
                await store.command("SYSTEM STOP MERGES", in_database=False)
            if sent - told >= 50_000:
                told = sent
                say(f"{sent:,} of {spans:,} spans")
        await _insert(store, cutter, inserts, group)
    return Filled(sent, repeated, until_ns)


def _sliced(bodies: Iterable[Body], rng: random.Random) -> Iterator[tuple[list[Record], int, int]]:
    """Slices of records as a lane takes them, with the spans in them that are new, and those that are repeated."""
    kept: deque[tuple[int, Body]] = deque()
    batch: list[Body] = []
    once = twice = offset = 0
    for number, body in enumerate(bodies):
        batch.append(body)
        once += body.spans
        if rng.random() < _REPEATED:
            kept.append((number + _LATER, body))
        while kept and kept[0][0] <= number:
            again = kept.popleft()[1]
            batch.append(again)
            twice += again.spans
        if sum(len(b.data) for b in batch) >= SLICE_BYTES:
            yield _records(batch, offset), once, twice
            offset += len(batch)
            batch, once, twice = [], 0, 0
    twice += sum(body.spans for _, body in kept)
    batch += [body for _, body in kept]
    if batch:
        yield _records(batch, offset), once, twice


def _records(batch: list[Body], offset: int) -> list[Record]:
    """As a consumer gives them; offsets go on from batch to batch, as those of a log do: a block is cut by them."""
    return [replace(record, offset=offset + i) for i, record in enumerate(records(batch))]


async def _add(cutter: Cutter, taken: list[Record], book: Book) -> None:
    """Decode and map in a thread, as the worker does: requests go on meanwhile."""

    def work() -> None:
        piece = decode(taken, _DEFAULTS, 0.0)
        if piece.letters or len(piece.records) < len(taken):
            raise ValueError(f"made up spans are refused, or not all were decoded: {piece.letters[:1]}")
        cutter.add(piece.mapped(map_spans(piece.spans, book)))

    await asyncio.to_thread(work)


async def _insert(store: Store, cutter: Cutter, inserts: asyncio.Semaphore, group: asyncio.TaskGroup) -> None:
    if not len(cutter):
        return
    for part in cutter.take().parts:
        body = await asyncio.to_thread(ipc, part.spans)
        await inserts.acquire()
        group.create_task(_send(store, part.spans.column_names, body, inserts))


async def _send(store: Store, columns: list[str], body: bytes, inserts: asyncio.Semaphore) -> None:
    try:
        await store.insert_arrow("spans", columns, body, settings=INSERT_SETTINGS, timeout=_TIMEOUT_S)
    finally:
        inserts.release()


async def parts(store: Store) -> tuple[int, int, int]:
    """Active parts, rows and bytes on disk of the table `spans`."""
    found = await store.rows(
        "SELECT count(), sum(rows), sum(bytes_on_disk) FROM system.parts "
        "WHERE active AND database = currentDatabase() AND table = 'spans'"
    )
    count, rows, size = found[0]
    return int(count), int(rows), int(size)
