"""One partition's way through the pipeline: what was polled waits here, and what is being worked on is accounted for.

Intake feeds a lane; the lane's pipeline (worker.pipeline) takes slices of about 1 MiB out of it. Nothing blocks: a lane
that is behind makes the budget full, and intake pauses partitions while it goes on polling.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat

from litefuse.log.base import Partition, Record
from litefuse.telemetry import metrics as m
from worker.plan import Plan, Standing

#: Bytes decoded at once: a call holds the GIL, and at this size the event loop answers within milliseconds.
SLICE_BYTES = 1 << 20


class Budget:
    """Bytes that were polled or decoded and are not yet committed, over all lanes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def add(self, size: int) -> None:
        self.used += size
        m.BUFFERED_BYTES.set(self.used)

    def full(self) -> bool:
        return self.used >= self.limit

    def low(self) -> bool:
        """Low enough to go on; well below the limit, so that partitions are not paused and resumed all the time."""
        return self.used < self.limit * 0.7


@dataclass
class Lane:
    partition: Partition
    standing: Standing
    budget: Budget
    start: int = -1
    """Offset at which it was opened; -1 when the group has no commit."""
    position: int = -1
    """Offset up to which the log was read, also over records that are none (transaction markers)."""
    stopping: bool = False
    _waiting: deque[tuple[Record, int, float]] = field(default_factory=deque)
    """Records with their sizes and when they were read."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _held: int = 0
    _last: int = -1
    """Offset of the last record that came in."""

    def feed(self, records: Sequence[Record], position: int) -> None:
        """Called by intake after each poll."""
        now = time.monotonic()
        if records and records[0].offset <= self._last:
            # The same while we work: no block may hold records from before and after. What is begun is finished, and the
            # partition opened anew.
            self.stop()
            return
        if records:
            self._last = records[-1].offset
        if records and records[0].offset < self.start:
            # The log has no record there any more and begins anew (which its consumer has told): the plan was one of
            # other records, and would pass over these.
            plan = self.standing.plan
            self.standing = Standing(None, max(self.start, self.standing.look, plan.end if plan is not None else 0))
            self.start = -1
        self.position = position
        sizes = [record.size for record in records]
        self._waiting.extend(zip(records, sizes, repeat(now), strict=False))
        self.hold(sum(sizes))
        self._news.set()

    def hold(self, size: int) -> None:
        self._held += size
        self.budget.add(size)

    def release(self, size: int) -> None:
        self._held -= size
        self.budget.add(-size)

    def close(self) -> None:
        """Give all bytes back; what was not committed is read again by the next owner."""
        self.release(self._held)
        self._waiting.clear()

    def stop(self) -> None:
        """Take nothing more out of the queue: finish what is begun. What waits is not lost, it was not committed."""
        self.stopping = True
        self._news.set()

    async def take(self, timeout: float | None) -> tuple[list[Record], float]:
        """The next records, about SLICE_BYTES, and when the first of them was read; none when `timeout` (seconds) is over
        or the lane is stopping. Never reaches over the end of an inherited plan."""
        if not self._waiting and not self.stopping:
            self._news.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._news.wait()
            except TimeoutError:
                return [], 0.0
        taken: list[Record] = []
        size = 0
        read_at = self._waiting[0][2] if self._waiting else 0.0
        plan = self.standing.plan
        while self._waiting and size < SLICE_BYTES and not self.stopping:
            if plan is not None and self._waiting[0][0].offset >= plan.end:
                break
            record, record_size, _ = self._waiting.popleft()
            taken.append(record)
            size += record_size
        return taken, read_at

    def put_back(self, records: Sequence[Record], read_at: float) -> None:
        """What the decode stage left for the next slice."""
        self._waiting.extendleft((record, record.size, read_at) for record in reversed(records))

    def inherited_complete(self, plan: Plan) -> bool:
        """All records of the plan were read: the position has reached its end, and none of them waits any more."""
        return self.position >= plan.end and not (self._waiting and self._waiting[0][0].offset < plan.end)
