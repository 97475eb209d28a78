"""The write stage: plan, insert, look, commit (architecture section 6). Its five steps answer failures that were provoked.

1. *Plan*: the block's range is committed as metadata of the unchanged offset before anything is inserted. A consumer
   that has lost the partition cannot commit it (Fenced), so it never inserts.
2. *Insert*: one INSERT a table partition, atomic, under a token made of the range.
3. *Unknown outcome*: the same token again, then look whether a row of the range is there. ClickHouse writes a token
   down before the part is in place, so a token alone can hide a loss; without it, a late insert of a zombie would
   double. If nothing is there, insert under the token with `/again`.
4. *Refused rows, too little memory*: plan smaller, committing the smaller plan first; a single refused span becomes a
   dead letter.
5. *Commit* the offset once every insert is acknowledged or seen.

Everything waits and retries with back-off; nothing here drops data. `Fenced` leaves as it is: the new owner goes on.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from litefuse.errors import LogError, Outcome, StoreError, StoreUnavailable, outcome
from litefuse.log.base import Consumer, Log, Partition
from litefuse.reasons import Reason
from litefuse.telemetry import metrics as m
from worker.backoff import Backoff, settle
from worker.block import Block, Part, build, copies, expired, received, without
from worker.dead import Letter, bury
from worker.decode import cut_down
from worker.health import Health
from worker.plan import Plan, done, halves, rest
from worker.runner import Run

logger = logging.getLogger("litefuse.worker")
T = TypeVar("T")

#: Sent with every insert. `async_insert` is on by default and would blur block borders; the materialised view setting
#: makes a crash between a table and the target of its view heal on replay; the sizes keep one INSERT one block, hence
#: atomic. Without `optimize_on_insert` the block is not merged with itself: a third of ClickHouse's share of the cost, for
#: copies that FINAL hides as well.
INSERT_SETTINGS: Mapping[str, str] = {
    "async_insert": "0",
    "insert_deduplicate": "1",
    "deduplicate_blocks_in_dependent_materialized_views": "1",
    "min_insert_block_size_rows": "1000000000",
    "min_insert_block_size_bytes": "1099511627776",
    "max_insert_block_size": "1000000000",
    "max_partitions_per_insert_block": "1",
    "optimize_on_insert": "0",
}

_RANGE = (
    "FROM spans WHERE _partition_id = {table_partition:String} AND log_topic = {topic:String} "
    "AND log_partition = {number:UInt32} AND log_offset >= {first:UInt64} AND log_offset < {end:UInt64} "
    "AND log_row >= {low:UInt32} AND log_row < {high:UInt32} "
    # A log that began anew (a new file, a topic made again) counts offsets from 0 again: rows of its earlier life lie there.
    "AND toUnixTimestamp64Nano(received_at) >= {since:Int64} AND toUnixTimestamp64Nano(received_at) <= {until:Int64} "
    "SETTINGS final = 0"
)
_END = (
    "SELECT if(count() = 0, 0, max(log_offset) + 1) FROM spans "
    "WHERE log_topic = {topic:String} AND log_partition = {number:UInt32} SETTINGS final = 0"
)
_COUNT = f"SELECT count() {_RANGE}"
_PLACES = f"SELECT log_offset, log_row {_RANGE}"


class Spans(Protocol):
    """What the write stage needs of ClickHouse (litefuse.clickhouse.client.Store)."""

    async def insert_arrow(
        self, table: str, columns: Sequence[str], body: bytes, *, settings: Mapping[str, str], timeout: float
    ) -> None: ...

    async def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float | None = None
    ) -> list[tuple[Any, ...]]: ...


class Refused(Exception):
    """ClickHouse refuses a part of the block, or has no memory for it, and nothing of that part is stored."""

    def __init__(self, error: StoreError, shrink: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.shrink = shrink


@dataclass
class Writer:
    """Writes the blocks of one partition, one after the other."""

    partition: Partition
    consumer: Consumer
    log: Log
    store: Spans
    health: Health
    run: Run
    inserts: asyncio.Semaphore
    insert_timeout: float
    plan_bound: float
    _planned_at: float = 0.0
    _since: float = field(default_factory=time.monotonic)

    async def write(self, block: Block) -> None:
        """Steps 1 to 4. Returns when every span of the block is stored or dead-lettered. Raises Fenced."""
        await self._write(block)
        left = rest(block.plan, block.row_count()) if block.replay and block.plan.rows else None
        if left is not None:
            await self._write(build(left, block.slices))

    async def _write(self, block: Block) -> None:
        backoff = Backoff(first=2.0)
        while True:
            try:
                await self._plan(block.plan)
                for part in block.parts:
                    await self._store_part(block, part)
            except Refused as refused:
                if await self._bisect(block, refused):
                    return
                # One span, and no memory for it: nothing is wrong with it, and nothing smaller to try. Its token was
                # used, so what follows is a repetition, which has to be looked for.
                self.health.store_failed(refused.error)
                m.RETRIES.labels(what="insert").inc()
                await backoff.wait(refused.error, "insert of a single span")
                block = replace(block, replay=True)
            else:
                await self._bury_all(block.letters)
                m.BLOCK_ROWS.observe(block.rows)
                m.DUPLICATE_SPANS.inc(sum([await self.run(copies, part) for part in block.parts]))
                return

    async def commit(self, block: Block) -> None:
        """Step 5: the range is done, whatever way it went."""
        await self._insist("commit", self.consumer.commit, self.partition, block.plan.end, done(block.plan))

    async def stored_end(self) -> int:
        """The offset behind the last row that is stored of this partition, 0 for none. Where nothing is committed yet, plans
        up to there look first: ClickHouse knows tokens of those offsets, of an earlier life of the log or of its group."""
        found = await self._insist(
            "look", self.store.rows, _END, {"topic": self.partition.topic, "number": self.partition.number}
        )
        return int(found[0][0])

    # -- step 1 --------------------------------------------------------------------------------------------------------

    async def _plan(self, plan: Plan) -> None:
        await self._insist("commit", self.consumer.commit, self.partition, plan.first, plan.metadata())
        self._planned_at = time.monotonic()

    async def _plan_still_fresh(self, plan: Plan) -> None:
        """A zombie starts no insert later than a bound after its plan: it has to commit the plan anew, and is fenced."""
        if time.monotonic() - self._planned_at > self.plan_bound:
            await self._plan(plan)

    # -- steps 2 and 3 -------------------------------------------------------------------------------------------------

    async def _store_part(self, block: Block, part: Part) -> None:
        token = block.plan.token(self.partition, part.table_partition)
        if block.plan.looks:
            # Cut out of larger plans, whose inserts may have stored any of these rows.
            part, missing = await self.run(without, part, frozenset(await self._ask(_PLACES, block.plan, part)))
            if not part.spans.num_rows:
                return
            token += missing
        body = await self.run(ipc, part.spans)
        backoff = Backoff()
        for generation in itertools.count():
            named = token + ("" if generation == 0 else "/again" if generation == 1 else f"/again/{generation}")
            clean = await self._insert(block, part, body, named)
            if clean and not block.replay and not block.plan.looks:
                break
            m.REPLAYED_INSERTS.inc()
            if await self._stored(block.plan, part) or expired(part.table_partition, time.time()):
                break
            # One fresh token is enough unless earlier owners have crashed under it too. Rows that gave way to a re-send
            # since are seen here for the moment, so this ends.
            logger.warning(
                "rows of an insert with an unknown outcome are not there, inserting anew",
                extra={"fields": {"token": named, "rows": part.spans.num_rows}},
            )
            if generation:
                # A ClickHouse that says ok and never shows the rows is asked again, but not as fast as it answers.
                await backoff.wait(StoreUnavailable("inserted rows cannot be seen"), "insert")
        m.ROWS_INSERTED.inc(part.spans.num_rows)

    async def _insert(self, block: Block, part: Part, body: bytes, token: str) -> bool:
        """Insert under this token until ClickHouse says ok. True when the first try did: nobody can have used the token
        before, so nothing is hidden by it. Raises Refused, Fenced."""
        plan = block.plan
        settings = {
            **INSERT_SETTINGS,
            "insert_deduplication_token": token,
            "max_execution_time": str(math.ceil(self.insert_timeout)),
        }
        backoff = Backoff()
        clean = True
        over = self._since + self.plan_bound + self.insert_timeout if block.replay else 0.0
        while True:
            try:
                async with self.inserts:
                    await self._plan_still_fresh(plan)  # here, since the turn may have been waited for
                    started = time.perf_counter()
                    await self.store.insert_arrow(
                        "spans", part.spans.column_names, body, settings=settings, timeout=self.insert_timeout
                    )
                m.INSERT_SECONDS.observe(time.perf_counter() - started)
                m.INSERTS.labels(result="ok").inc()
                self.health.store_ok()
                return clean
            except StoreError as error:
                what = outcome(error)
                m.INSERTS.labels(result="refused" if what is Outcome.REJECT else "unknown").inc()
                if what in (Outcome.REJECT, Outcome.SHRINK):
                    # An error does not mean that nothing was stored; nor that an earlier try, ours or of the owner before,
                    # is not still running: landing after the smaller plans, under its own token, it would double their rows.
                    await settle(over - time.monotonic())
                    if await self._stored(plan, part):
                        return True
                    raise Refused(error, shrink=what is Outcome.SHRINK) from error
                clean = False
                over = time.monotonic() + self.insert_timeout
                self.health.store_failed(error)
                m.RETRIES.labels(what="insert").inc()
                await backoff.wait(error, "insert")

    async def _stored(self, plan: Plan, part: Part) -> bool:
        """Step 3's look: whether the rows of this insert are there. One tells of all, since an insert is atomic."""
        if plan.looks:
            found = len(part.places() & frozenset(await self._ask(_PLACES, plan, part)))
        else:
            found = int((await self._ask(_COUNT, plan, part))[0][0])
        missing = part.spans.num_rows - found
        m.LOOKS.labels(result="missing" if found == 0 else "found" if missing <= 0 else "partial").inc()
        return found > 0

    async def _ask(self, sql: str, plan: Plan, part: Part) -> list[tuple[Any, ...]]:
        low, high = plan.rows or (0, 2**32 - 1)
        parameters = {
            "table_partition": part.table_partition,
            "topic": self.partition.topic,
            "number": self.partition.number,
            "first": plan.first,
            "end": plan.end,
            "low": low,
            "high": high,
            **received(part),
        }
        return await self._insist("look", self.store.rows, sql, parameters)

    # -- step 4 --------------------------------------------------------------------------------------------------------

    async def _bisect(self, block: Block, refused: Refused) -> bool:
        """Plan smaller. Table partitions of the block that are stored already are found by the smaller plans' looks. False
        when there is nothing smaller, and nothing is wrong with the span either."""
        smaller = halves(block.plan, block.offsets, block.row_count() if len(block.offsets) == 1 else 0)
        if smaller:
            for plan in smaller:
                await self._write(build(plan, block.slices))
            return True
        if refused.shrink:
            return False
        await self._bury_all((*block.letters, *(await self.run(refused_spans, block, str(refused.error)))))
        return True

    async def _bury_all(self, letters: Sequence[Letter]) -> None:
        for letter in letters:
            await self._insist("dead", bury, self.log, letter)

    # -- retrying ------------------------------------------------------------------------------------------------------

    async def _insist(self, what: str, call: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Call until it works. Raises Fenced, which no retry can mend."""
        backoff = Backoff()
        while True:
            try:
                result = await call(*args)
                self.health.ok(what)
                return result
            except (LogError, StoreError) as error:
                if outcome(error) is Outcome.YIELD:
                    raise
                self.health.failed(what, error)
                m.RETRIES.labels(what=what).inc()
                await backoff.wait(error, what)


def ipc(spans: pa.Table) -> bytes:
    """The table as one Arrow IPC stream with one record batch, hence one block for ClickHouse."""
    sink = pa.BufferOutputStream()
    batch = spans.combine_chunks().to_batches()[0]
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def refused_spans(block: Block, error: str) -> list[Letter]:
    """Dead letters for the spans of a block that ClickHouse refuses (a single one, by bisection)."""
    letters = []
    for part in block.parts:
        for row in part.spans.column("log_row").to_pylist():
            record = next(r for piece in block.slices for r in piece.records if r.offset == block.offsets[0])
            letters.append(Letter(record, Reason.REFUSED_BY_CLICKHOUSE, error, row, cut_down(record, row)))
    return letters
