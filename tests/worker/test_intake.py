"""Intake's corners: each test is a bug that was there once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from litefuse.errors import StoreMisconfigured, StoreUnavailable
from litefuse.log.base import TRACES, WORKER_GROUP
from litefuse.log.sqlite import SqliteLog
from tests.worker.model import record
from tests.worker.test_worker import PARTITION, Held, publish, running, until
from worker.health import Health


async def test_an_inherited_plan_larger_than_the_buffer_is_completed(tmp_path: Path) -> None:
    """The worker that made the plan had more room, or fewer partitions: waiting for room would be waiting for ever."""
    log = SqliteLog(tmp_path / "log.db")
    await log.start()
    consumer = log.consumer(TRACES, WORKER_GROUP)
    await consumer.start()
    for number in range(20):
        source = record(0, [(number, 0)])
        # An unknown field; no compression, so that it counts.
        await log.publish(TRACES, source.value + b"\x7a\xff\xff\x3f" + bytes((1 << 20) - 1), source.headers)
    await consumer.poll(timeout=1, max_bytes=1000)
    await consumer.commit(PARTITION, 0, "v1 end=20")
    await log.close()
    store = Held()
    async with running(tmp_path, store, worker_buffer_bytes=1 << 20) as (_, worker):
        await until(lambda: len(store.counts()) == 20)
        await until(lambda: not worker.paused() and worker.buffered_bytes() == 0)
    assert store.counts() == dict.fromkeys(range(20), 1)
    assert store.inserts[0].startswith("litefuse.traces/0/0-19/")


def test_what_stopped_the_worker_at_a_look_is_mended_by_a_look() -> None:
    """It stayed paused for ever: the look found the rows, so that no insert followed to say that all is well."""
    health = Health()
    seen = []
    health.failed("look", StoreMisconfigured("wrong password", 516))
    seen.append(health.stopped)
    health.ok("look")
    seen.append(health.stopped)
    health.failed("insert", StoreMisconfigured("wrong password", 516))
    health.failed("look", StoreUnavailable("gone"))
    health.ok("commit")
    seen.append(health.stopped)
    health.store_ok()
    seen.append(health.stopped)
    assert seen == [True, False, True, False]
    assert health.reasons() == []


async def test_no_partition_is_opened_after_the_stop(tmp_path: Path) -> None:
    """Its lane would not be among those that the stop waits for."""
    async with running(tmp_path, Held()) as (log, worker):
        intake = worker._intake
        await publish(log, 0, 1)
        await until(lambda: intake.lanes() == 1)
        intake._stopping = True
        lane, task = intake._lanes[PARTITION]
        lane.stop()
        await task
        await intake._open(PARTITION)
        assert intake.lanes() == 0


async def test_a_lane_does_not_outlive_a_revocation_that_is_cut_short(tmp_path: Path) -> None:
    """The log gives less time than a lane would be given: it must not go on, under whatever generation comes next."""
    store = Held()
    store.open.clear()
    async with running(tmp_path, store) as (log, worker):
        intake = worker._intake
        await publish(log, 0, 3)
        await until(lambda: worker.buffered_bytes() > 0)
        _, task = intake._lanes[PARTITION]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await intake._revoked(frozenset((PARTITION,)))
        await asyncio.wait([task], timeout=1.0)
        assert task.done()
        store.open.set()


async def test_a_partition_that_is_being_taken_away_is_not_opened_again(tmp_path: Path) -> None:
    """Its lane had ended, another's took its time: opened anew, it was there when the partition came back, and so nobody
    resumed it, for ever."""
    store = Held()
    async with running(tmp_path, store) as (log, worker):
        intake = worker._intake
        await publish(log, 0, 3)
        await until(lambda: len(store.counts()) == 3)
        await intake._revoked(frozenset((PARTITION,)))
        await intake._open(PARTITION)  # what a turn would do that began before
        assert intake.lanes() == 0
        await publish(log, 3, 3)
        await intake._assigned(frozenset((PARTITION,)))
        await until(lambda: len(store.counts()) == 6)
    assert store.counts() == dict.fromkeys(range(6), 1)


async def test_a_plan_of_records_that_are_gone_does_not_swallow_those_of_a_log_that_begins_anew(tmp_path: Path) -> None:
    """The topic was made anew while a plan was open: its records counted as those before the plan, and were passed over."""
    log = SqliteLog(tmp_path / "log.db")
    await log.start()
    await publish(log, 0, 3)
    consumer = log.consumer(TRACES, WORKER_GROUP)
    await consumer.start()
    await consumer.poll(timeout=1, max_bytes=1000)
    await consumer.commit(PARTITION, 1000, "v1 end=1002 look=1005")
    await log.close()
    store = Held()
    async with running(tmp_path, store) as (_, _):
        await until(lambda: len(store.counts()) == 3)
    assert store.counts() == dict.fromkeys(range(3), 1)
    assert store.looks == 4  # before and after each insert: ClickHouse may know its token of the log's earlier life
