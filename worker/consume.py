"""Intake: polls the log, opens and closes a lane for each partition it owns, and holds back when too much waits.

Polling never stops while the worker lives, also when everything is paused: it keeps the membership. A partition without
an open lane is paused, so no record is read that nobody would work on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from litefuse.errors import Fenced, LogError
from litefuse.log.base import Consumer, Hooks, Log, Partition
from litefuse.telemetry import metrics as m
from worker.backoff import Backoff
from worker.health import Health
from worker.lane import Budget, Lane
from worker.plan import UnreadablePlan, read

logger = logging.getLogger("litefuse.worker")

#: Seconds one poll waits for records.
_POLL = 0.25
#: Bytes one poll may bring.
_POLL_BYTES = 16 << 20
#: Seconds a lane has to finish its block when its partition is taken away; its plan covers what it does not finish.
_REVOKE_GRACE = 5.0
#: Seconds until a lane that failed is opened again.
_REOPEN = 1.0

RunLane = Callable[[Lane, Consumer], Awaitable[None]]


@dataclass
class Intake:
    log: Log
    topic: str
    group: str
    budget: Budget
    health: Health
    run_lane: RunLane
    consumer: Consumer = field(init=False)
    _lanes: dict[Partition, tuple[Lane, asyncio.Task[None]]] = field(default_factory=dict)
    _opening: set[Partition] = field(default_factory=set)
    _leaving: set[Partition] = field(default_factory=set)
    """Being taken away: still owned while their lanes end, but no lane is opened for them any more."""
    _not_before: dict[Partition, float] = field(default_factory=dict)
    _first: dict[Partition, int] = field(default_factory=dict)
    paused: bool = False
    _let_through: Partition | None = None
    _stopping: bool = False

    def __post_init__(self) -> None:
        self.consumer = self.log.consumer(self.topic, self.group, Hooks(self._assigned, self._revoked))

    async def run(self) -> None:
        """Until `stop`. Connects by itself, and again after every failure of the log."""
        backoff = Backoff()
        while not self._stopping:
            try:
                await self.consumer.start()
                break
            except LogError as error:
                self.health.failed("log", error)
                await backoff.wait(error, "joining the consumer group")
        while not self._stopping:
            try:
                await self._turn()
                self.health.ok("log")
                backoff = Backoff()
            except LogError as error:
                self.health.failed("log", error)
                m.RETRIES.labels(what="poll").inc()
                await backoff.wait(error, "poll")
            except Exception as error:  # a bug must not end consumption: readiness says it, and the next turn may work
                logger.exception("intake failed, goes on")
                self.health.failed("log", error)
                await backoff.wait(error, "poll")

    async def stop(self, deadline: float) -> None:
        """Drain: poll no more, let each lane finish the block it has begun, leave the group. `deadline` in seconds."""
        self._stopping = True
        for lane, _ in self._lanes.values():
            lane.stop()
        await self._close_lanes(frozenset(self._lanes), deadline)
        await self.consumer.stop()

    def lanes(self) -> int:
        return len(self._lanes)

    async def _turn(self) -> None:
        owned = self.consumer.assignment()
        for partition in owned - self._lanes.keys() - self._opening - self._leaving:
            if time.monotonic() >= self._not_before.get(partition, 0.0):
                await self._open(partition)
        self._hold_back()
        polled = await self.consumer.poll(timeout=_POLL, max_bytes=_POLL_BYTES)
        for partition, records in polled.items():
            m.RECORDS_CONSUMED.inc(len(records))
            if records and partition in self._lanes:
                self._first.setdefault(partition, records[0].offset)
        for partition, (lane, _) in list(self._lanes.items()):
            if partition in self.consumer.assignment():
                lane.feed(polled.get(partition, ()), self.consumer.position(partition))

    def _hold_back(self) -> None:
        """Pause everything while too many bytes wait or an operator has to act; resume well below the limit."""
        lanes = frozenset(self._lanes) & self.consumer.assignment()
        if not self.paused and (self.budget.full() or self.health.stopped):
            self.paused = True
            self.consumer.pause(lanes)
        elif self.paused and self.budget.low() and not self.health.stopped:
            self.paused = False
            self.consumer.resume(lanes)
        self._let_one_through()
        m.PAUSED.set(1 if self.paused else 0)

    def _let_one_through(self) -> None:
        """While everything is paused for want of room, one lane that has an inherited plan to complete reads on: it can write
        nothing, hence give nothing back, before it has all of the plan, and there may be no other lane that could."""
        waiting = sorted(
            p for p, (lane, _) in self._lanes.items() if lane.standing.plan is not None and not lane.stopping
        )
        one = waiting[0] if waiting and self.paused and not self.health.stopped else None
        if one == self._let_through:
            return
        if self._let_through is not None and self.paused:
            self.consumer.pause(frozenset((self._let_through,)))
        if one is not None:
            self.consumer.resume(frozenset((one,)))
        self._let_through = one

    # -- lanes ---------------------------------------------------------------------------------------------------------

    async def _assigned(self, partitions: frozenset[Partition]) -> None:
        m.REBALANCES.inc()
        self._leaving -= partitions
        for partition in partitions:
            self._first.pop(partition, None)
            self._not_before.pop(partition, None)
        self.consumer.pause(partitions)

    async def _revoked(self, partitions: frozenset[Partition]) -> None:
        self._leaving |= partitions
        for partition in partitions:
            if partition in self._lanes:
                self._lanes[partition][0].stop()
        await self._close_lanes(partitions, _REVOKE_GRACE)

    async def _open(self, partition: Partition) -> None:
        """Read where the partition stands, and begin there: with the open plan of its last owner, if there is one."""
        self._opening.add(partition)
        if self._let_through == partition:
            self._let_through = None  # it is paused now, and let through anew
        try:
            self.consumer.pause(frozenset((partition,)))
            committed = await self.consumer.committed(partition)
            standing = read(committed)
        except UnreadablePlan as error:
            self.health.failed(f"partition {partition.number}", error)
            self._not_before[partition] = time.monotonic() + 10 * _REOPEN
            return
        finally:
            self._opening.discard(partition)
        if self._stopping or partition in self._leaving or partition not in self.consumer.assignment():
            return  # meanwhile: a lane opened now would not be closed by anybody
        start = committed.offset if committed.offset >= 0 else self._first.get(partition, -1)
        if start >= 0:
            self.consumer.seek(partition, start)
        self.health.ok(f"partition {partition.number}")
        lane = Lane(partition, standing, self.budget, committed.offset)
        task = asyncio.create_task(self._work(lane), name=f"lane {partition.number}")
        self._lanes[partition] = (lane, task)
        if not self.paused:
            self.consumer.resume(frozenset((partition,)))
        logger.log(
            logging.INFO if standing.plan is not None else logging.DEBUG,
            "partition opened",
            extra={"fields": {"partition": partition.number, "offset": start, "plan": committed.metadata}},
        )

    async def _work(self, lane: Lane) -> None:
        try:
            await self.run_lane(lane, self.consumer)
        except* Fenced:
            logger.info("partition has another owner", extra={"fields": {"partition": lane.partition.number}})
        except* Exception as errors:  # a bug: say so, and begin again at the commit
            logger.exception(
                "lane failed, begins again", extra={"fields": {"partition": lane.partition.number}}, exc_info=errors
            )
        finally:
            lane.close()
            self._lanes.pop(lane.partition, None)
            if lane.partition in self.consumer.assignment():
                self._not_before[lane.partition] = time.monotonic() + _REOPEN
                self.consumer.pause(frozenset((lane.partition,)))

    async def _close_lanes(self, partitions: frozenset[Partition], deadline: float) -> None:
        tasks = [self._lanes[p][1] for p in partitions if p in self._lanes]
        if not tasks:
            return
        try:
            await asyncio.wait(tasks, timeout=deadline)
        finally:  # also when the log allows less time than `deadline`: nothing may go on under the next generation
            late = [task for task in tasks if not task.done()]
            for task in late:
                task.cancel()
        if late:
            await asyncio.wait(late)
