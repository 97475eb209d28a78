"""The pipeline, as one partition goes through it: consume, decode, map, block, write, commit.

    intake (consume.py) polls the log and feeds each partition's lane; it pauses partitions when too many bytes wait
    1 consume   lane.take      records in slices of about 1 MiB
    2 decode    decode.py      OTLP bytes → one Arrow record batch, a row a span; what cannot be kept → dead letters
    3 map       map/           columns that say what an LLM call means
    4 block     block.py       slices → a block, cut by bytes, rows or age; one part a table partition
    5 write     write.py       plan, insert, look, dead letters
    6 commit    write.py       the offset, only now

Two tasks a partition: one fills the next block while the other writes the last one. A block that waits for the writer
grows until it is full, so a slow ClickHouse makes larger blocks, not more of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from litefuse.telemetry import metrics as m
from worker.block import Block, Cutter, Limits
from worker.decode import Defaults, decode
from worker.lane import Lane
from worker.map import map_spans
from worker.map.one import Prices
from worker.plan import Standing
from worker.runner import Run
from worker.write import Writer

#: Seconds between looks at whether the writer is free again, when a block is due and it is not.
_WRITER_BUSY = 0.02


@dataclass(frozen=True, slots=True)
class Stages:
    """What all lanes share."""

    run: Run
    limits: Limits
    defaults: Defaults
    prices: Callable[[], Prices]


@dataclass(slots=True)
class Handover:
    """Between the two tasks of a lane: one block may wait, and `idle` says whether the writer has nothing to do."""

    queue: asyncio.Queue[Block | None] = field(default_factory=lambda: asyncio.Queue(maxsize=1))
    idle: bool = True


async def run(lane: Lane, stages: Stages, writer: Writer) -> None:
    """Work on a partition until the lane is stopped. Raises an ExceptionGroup; of Fenced when it has a new owner."""
    if lane.start < 0:
        lane.standing = replace(lane.standing, look=await writer.stored_end())
    blocks = Handover()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_fill(lane, stages, blocks))
        tasks.create_task(_drain(lane, writer, blocks))


async def _fill(lane: Lane, stages: Stages, blocks: Handover) -> None:
    cutter = Cutter(stages.limits)
    while not lane.stopping:
        due = cutter.due_in(time.monotonic()) if lane.standing.plan is None else None
        records, read_at = await lane.take(_WRITER_BUSY if due == 0 else due)
        plan, look = lane.standing.plan, lane.standing.look
        if records:
            started = time.perf_counter()
            piece = await stages.run(decode, records, stages.defaults, read_at)
            piece = piece.mapped(await stages.run(map_spans, piece.spans, stages.prices()))
            m.DECODE_SECONDS.observe(time.perf_counter() - started)
            m.SPANS_DECODED.inc(0 if piece.spans is None else piece.spans.num_rows)
            lane.put_back(records[len(piece.records) :], read_at)
            lane.hold(piece.size - sum(r.size for r in piece.records))
            cutter.add(piece)
        if plan is not None:
            if lane.inherited_complete(plan):
                await blocks.queue.put(cutter.take(inherited=plan))
                lane.standing = Standing(None, look)
        elif cutter.full() or (cutter.due_in(time.monotonic()) == 0 and blocks.idle):
            blocks.idle = False
            await blocks.queue.put(cutter.take(look))
    if len(cutter) and lane.standing.plan is None:
        await blocks.queue.put(cutter.take(lane.standing.look))
    await blocks.queue.put(None)


async def _drain(lane: Lane, writer: Writer, blocks: Handover) -> None:
    while (block := await blocks.queue.get()) is not None:
        await writer.write(block)
        await writer.commit(block)
        lane.release(block.size)
        blocks.idle = blocks.queue.empty()
