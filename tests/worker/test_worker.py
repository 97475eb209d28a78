"""The worker role over a real log (SQLite): intake, lanes, back-pressure, what stops it and how it drains."""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from litefuse.errors import StoreMisconfigured, StoreUnavailable
from litefuse.log.base import DEAD, TRACES, WORKER_GROUP, Partition
from litefuse.log.sqlite import SqliteLog
from litefuse.otlp.wire import varint
from litefuse.settings import Settings
from tests.worker.model import Store, Trouble, record
from worker import consume, pipeline
from worker.app import Worker, start_worker

PARTITION = Partition(TRACES, 0)


class Held(Store):
    """A store that answers with `error`, or not at all while `open` is not set."""

    def __init__(self) -> None:
        super().__init__(Trouble(random.Random(1)))
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None

    async def insert_arrow(
        self, table: str, columns: Sequence[str], body: bytes, *, settings: Mapping[str, str], timeout: float
    ) -> None:
        await self.open.wait()
        if self.error is not None:
            raise self.error
        await super().insert_arrow(table, columns, body, settings=settings, timeout=timeout)


async def until(true: Callable[[], object], timeout: float = 20.0) -> None:
    async with asyncio.timeout(timeout):
        while not true():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(path: Path, store: Store, **settings: Any) -> AsyncIterator[tuple[SqliteLog, Worker]]:
    log = SqliteLog(path / "log.db")
    await log.start()
    worker = await start_worker(Settings(data_dir=path, block_age_s=0.01, **settings), log, store)
    try:
        yield log, worker
    finally:
        await worker.close()
        await log.close()


async def publish(log: SqliteLog, first: int, count: int) -> None:
    for number in range(first, first + count):
        source = record(0, [(number, number % 2)])
        await log.publish(TRACES, source.value, source.headers)


async def committed(log: SqliteLog) -> int:
    return (await log.positions(TRACES, WORKER_GROUP))[PARTITION].committed


async def test_what_is_published_is_stored_and_committed(tmp_path: Path) -> None:
    store = Held()
    async with running(tmp_path, store) as (log, worker):
        await publish(log, 0, 30)
        await until(lambda: sum(store.counts().values()) == 30)
        assert worker.ready() == []
    assert store.counts() == dict.fromkeys(range(30), 1)


async def test_closing_finishes_what_is_begun_and_a_new_worker_goes_on_from_there(tmp_path: Path) -> None:
    store = Held()
    async with running(tmp_path, store) as (log, worker):
        await publish(log, 0, 10)
        await until(lambda: store.inserts)
        await worker.close()
        await worker.close()
        assert await committed(log) == len(store.counts()) > 0
        await publish(log, 10, 10)
    async with running(tmp_path, store) as (log, _):
        await until(lambda: len(store.counts()) == 20)
    assert store.counts() == dict.fromkeys(range(20), 1)
    assert not any(token.endswith("/again") for token in store.inserts)


async def test_too_many_waiting_bytes_pause_the_partition_and_polling_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consume, "_POLL_BYTES", 1 << 18)
    store = Held()
    store.open.clear()
    async with running(tmp_path, store, worker_buffer_bytes=1 << 20) as (log, worker):
        big = record(0, [(0, 0)])
        for _ in range(30):
            await log.publish(TRACES, big.value + b"\x7a\xff\xff\x03" + bytes(65535), big.headers)  # an unknown field
        await until(lambda: worker.paused())
        assert worker.buffered_bytes() < (1 << 20) + (1 << 19)
        store.open.set()
        await until(lambda: not worker.paused() and len(store.stored) == 30)
        await until(lambda: worker.buffered_bytes() == 0)


async def test_a_wrong_password_stops_consumption_and_buries_nothing(tmp_path: Path) -> None:
    store = Held()
    store.error = StoreMisconfigured("wrong password", 516)
    async with running(tmp_path, store) as (log, worker):
        await publish(log, 0, 3)
        await until(lambda: worker.ready() and worker.paused())
        assert "wrong password" in worker.ready()[0]
        store.error = None
        await until(lambda: len(store.counts()) == 3)
        await until(lambda: worker.ready() == [] and not worker.paused())
        assert [r async for r in log.read(DEAD)] == []


async def test_an_unreachable_store_is_retried_until_it_answers(tmp_path: Path) -> None:
    store = Held()
    store.error = StoreUnavailable("connection refused")
    async with running(tmp_path, store) as (log, worker):
        await publish(log, 0, 3)
        await until(lambda: worker.ready())
        store.error = None
        await until(lambda: len(store.counts()) == 3 and worker.ready() == [])
    assert store.counts() == dict.fromkeys(range(3), 1)


async def test_a_bug_in_a_lane_is_retried_from_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data is never dropped because our own code failed."""
    monkeypatch.setattr(consume, "_REOPEN", 0.05)
    real, failures = pipeline.run, iter([True, True])

    async def run(*args: Any) -> None:
        if next(failures, False):
            raise ZeroDivisionError("a bug")
        await real(*args)

    monkeypatch.setattr(pipeline, "run", run)
    store = Held()
    async with running(tmp_path, store) as (log, _):
        await publish(log, 0, 5)
        await until(lambda: len(store.counts()) == 5)
    assert store.counts() == dict.fromkeys(range(5), 1)


async def test_a_commit_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.db")
    await log.start()
    await publish(log, 0, 2)
    consumer = log.consumer(TRACES, WORKER_GROUP)
    await consumer.start()
    await consumer.poll(timeout=1, max_bytes=1000)
    await consumer.commit(PARTITION, 0, "v9 end=2")
    await log.close()
    store = Held()
    async with running(tmp_path, store) as (_, worker):
        await until(lambda: any("v9" in reason for reason in worker.ready()))
    assert store.inserts == []


async def test_what_one_slice_leaves_the_next_takes(tmp_path: Path) -> None:
    """The decode stage takes as many records as it should at once; the others are not lost, and stay in order."""
    store = Held()
    async with running(tmp_path, store) as (log, _):
        for number in range(12):
            source = record(0, [(number, 0)])
            padding = b"\x7a" + varint(1 << 20) + bytes(1 << 20)  # an unknown field
            await log.publish(
                TRACES, gzip.compress(source.value + padding), (*source.headers, ("content_encoding", b"gzip"))
            )
        await until(lambda: len(store.counts()) == 12)
    assert store.counts() == dict.fromkeys(range(12), 1)
    assert [offset for _, offset, _, _ in store.stored] == list(range(12))
