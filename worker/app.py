"""The worker role: one consumer, its lanes, and what they share."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from litefuse.errors import LogError
from litefuse.log.base import TRACES, Consumer, Log
from litefuse.prices import Prices
from litefuse.settings import Settings
from litefuse.telemetry import metrics as m
from worker import pipeline
from worker.block import Limits
from worker.consume import Intake
from worker.decode import Defaults
from worker.health import Health
from worker.lane import Budget, Lane
from worker.runner import DecoderThread
from worker.write import Spans, Writer

logger = logging.getLogger("litefuse.worker")

#: Inserts of this process at once; more would make ClickHouse merge smaller parts, not write faster.
_INSERTS = 4
#: Seconds between readings of the lag.
_LAG_EVERY = 5.0


class Worker:
    """Runs until `close`. `ready` gives the reasons why it cannot do its work now, none when it can."""

    def __init__(self, settings: Settings, log: Log, store: Spans) -> None:
        self._settings = settings
        self._log = log
        self._store = store
        self._thread = DecoderThread()
        self._inserts = asyncio.Semaphore(_INSERTS)
        self._health = Health()
        self._stages = pipeline.Stages(
            run=self._thread.run,
            limits=Limits(settings.block_bytes, settings.block_rows, settings.block_age_s),
            defaults=Defaults(settings.default_project_id, settings.retention_days, settings.max_body_bytes),
            prices=lambda: self._prices.book,
        )
        self._prices = Prices(store)
        self._budget = Budget(settings.worker_buffer_bytes)
        self._intake = Intake(log, TRACES, settings.kafka_group, self._budget, self._health, self._run_lane)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._work()), asyncio.create_task(self._watch_lag())]

    async def _work(self) -> None:
        # Spans mapped before the projects' prices are known would be stored with the wrong cost.
        await self._prices.start()
        await self._intake.run()

    def ready(self) -> list[str]:
        dead = [str(t.exception()) for t in self._tasks if t.done() and not t.cancelled() and t.exception()]
        return [*self._health.reasons(), *self._prices.ready(), *dead]

    def paused(self) -> bool:
        """Whether nothing is read now, since too many bytes wait or an operator has to act."""
        return self._intake.paused

    def buffered_bytes(self) -> int:
        """Bytes read or decoded and not yet committed."""
        return self._budget.used

    async def close(self) -> None:
        """Shutdown: poll no more, finish the blocks that are begun, commit, leave the group. Idempotent."""
        tasks, self._tasks = self._tasks, []
        if not tasks:
            return
        started = time.monotonic()
        await self._intake.stop(self._settings.drain_timeout_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._prices.close()
        self._thread.close()
        logger.info("worker drained", extra={"fields": {"seconds": round(time.monotonic() - started, 2)}})

    async def _run_lane(self, lane: Lane, consumer: Consumer) -> None:
        writer = Writer(
            partition=lane.partition,
            consumer=consumer,
            log=self._log,
            store=self._store,
            health=self._health,
            run=self._thread.run,
            inserts=self._inserts,
            insert_timeout=self._settings.insert_timeout_s,
            plan_bound=self._settings.plan_bound_s,
        )
        await pipeline.run(lane, self._stages, writer)

    async def _watch_lag(self) -> None:
        while True:
            with contextlib.suppress(
                LogError
            ):  # the intake reports an unreachable log; the gauges keep their last value
                for partition, position in (await self._log.positions(TRACES, self._settings.kafka_group)).items():
                    label = str(partition.number)
                    m.LAG_RECORDS.labels(partition=label).set(max(0, position.end - max(0, position.committed)))
                    oldest = position.oldest_ns
                    age = 0.0 if oldest is None else max(0.0, (time.time_ns() - oldest) / 1e9)
                    m.LAG_SECONDS.labels(partition=label).set(age)
            await asyncio.sleep(_LAG_EVERY)


async def start_worker(settings: Settings, log: Log, store: Spans) -> Worker:
    """A running worker. It connects in the background: `ready` says when it is there."""
    worker = Worker(settings, log, store)
    worker.start()
    return worker
