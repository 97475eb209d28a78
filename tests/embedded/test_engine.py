"""Queues, threads and descriptors of the engine, without HTTP."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop

from litefuse.clickhouse.asking import READS
from litefuse.embedded import running as running_module
from litefuse.embedded.engine import Call, Engine
from litefuse.embedded.limits import Limits
from litefuse.embedded.sqlerror import SqlError

ENDLESS = b"SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    engine = await asyncio.to_thread(Engine.open, tmp_path / "clickhouse", Limits(30.0, 1 << 30), writers=1, readers=2)
    yield engine
    await engine.close(0.1)


async def ask(engine: Engine, call: Call) -> bytes:
    running = await engine.start(call)
    try:
        result = b"".join([chunk async for chunk in running])
        await running.finished()
        return result
    finally:
        await running.stop()


async def test_readers_and_writers_do_not_wait_for_each_other(engine: Engine) -> None:
    busy = [await engine.start(Call(ENDLESS, reader=True)) for _ in range(2)]
    async with asyncio.timeout(10):
        assert await ask(engine, Call(b"SELECT 1")) == b"1\n"
    busy.append(await engine.start(Call(ENDLESS)))
    await busy[0].stop()
    async with asyncio.timeout(10):
        assert await ask(engine, Call(b"SELECT 1", reader=True)) == b"1\n"
    await asyncio.gather(*(running.stop() for running in busy))


async def test_what_the_api_reads_keeps_no_insert_waiting(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was the operator's: two slow requests held up all inserts. Who waits is told soon, before its client gives up."""
    monkeypatch.setattr(engine._pools[READS], "_wait", 0.3)
    workload = {"workload": READS}
    busy = [await engine.start(Call(ENDLESS, settings=workload)) for _ in range(2)]
    async with asyncio.timeout(10):
        assert await ask(engine, Call(b"SELECT 1")) == b"1\n"
        assert await ask(engine, Call(b"SELECT 1", reader=True, settings=workload)) == b"1\n"
    with pytest.raises(SqlError, match=r"2 queries of the API are running") as refused:
        await ask(engine, Call(b"SELECT 1", settings=workload))
    assert (refused.value.code, refused.value.status) == (202, 503)
    await asyncio.gather(*(running.stop() for running in busy))
    assert await ask(engine, Call(b"SELECT getSetting('workload')", settings=workload)) == b"reads\n"


async def test_a_bounded_number_waits(engine: Engine) -> None:
    running = [await engine.start(Call(ENDLESS, reader=True)) for _ in range(2 + 64)]
    with pytest.raises(SqlError) as refused:
        await engine.start(Call(b"SELECT 1", reader=True))
    assert (refused.value.code, refused.value.status) == (202, 503)
    await asyncio.gather(*(each.stop() for each in running))
    assert await ask(engine, Call(b"SELECT 1", reader=True)) == b"1\n"


async def test_a_fifth_readers_query_is_told_what_it_waits_for(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waited without a word behind four slow ones, for as long as they took."""
    monkeypatch.setattr(engine._pools[True], "_wait", 0.3)
    busy = [await engine.start(Call(ENDLESS, reader=True)) for _ in range(2)]
    waiting = await engine.start(Call(b"SELECT 1", reader=True))
    assert await waiting.read(10) == b"", "its end, while the others still run"
    with pytest.raises(SqlError, match=r"2 queries of readers are running \(LITEFUSE_SQL_CONNECTIONS\)") as refused:
        await waiting.finished()
    assert (refused.value.code, refused.value.status) == (202, 503)
    await waiting.stop()
    assert not any(running.done for running in busy)
    await asyncio.gather(*(running.stop() for running in busy))
    assert await ask(engine, Call(b"SELECT 1", reader=True)) == b"1\n"


async def test_those_that_wait_run_in_order(engine: Engine) -> None:
    await ask(engine, Call(b"CREATE TABLE came (a UInt8, at DateTime64(9) DEFAULT now64(9)) ENGINE = Memory"))
    busy = await engine.start(Call(ENDLESS))
    inserts = [asyncio.create_task(ask(engine, Call(b"INSERT INTO came (a) VALUES (%d)" % i))) for i in range(10)]
    await asyncio.sleep(0)
    await busy.stop()
    await asyncio.gather(*inserts)
    assert await ask(engine, Call(b"SELECT groupArray(a) FROM (SELECT a FROM came ORDER BY at)")) == (
        b"[0,1,2,3,4,5,6,7,8,9]\n"
    )


async def test_who_leaves_while_waiting_frees_its_place_at_once(engine: Engine) -> None:
    """It stayed until a thread was free, and 64 of them kept everybody out."""
    busy = [await engine.start(Call(ENDLESS, reader=True)) for _ in range(2)]
    waiting = [await engine.start(Call(b"SELECT 1", reader=True)) for _ in range(64)]
    async with asyncio.timeout(10):
        await asyncio.gather(*(running.stop() for running in waiting))
    again = await engine.start(Call(b"SELECT 1", reader=True))
    assert not any(running.done for running in busy)
    await asyncio.gather(*(running.stop() for running in (again, *busy)))


async def test_what_is_stopped_before_it_begins_never_does(engine: Engine) -> None:
    await ask(engine, Call(b"CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a"))
    busy = await engine.start(Call(ENDLESS))
    waiting = await engine.start(Call(b"INSERT INTO t VALUES (1)"))
    stopping = asyncio.create_task(waiting.stop())
    await asyncio.sleep(0.05)
    await busy.stop()
    await stopping
    with pytest.raises(SqlError) as cancelled:
        await waiting.finished()
    assert cancelled.value.code == 394
    assert await ask(engine, Call(b"SELECT count() FROM t")) == b"0\n"


async def test_stop_ends_a_query_whose_result_nobody_reads(engine: Engine) -> None:
    running = await engine.start(Call(b"SELECT number FROM numbers(1000000000000)", reader=True))
    assert await running.read(10.0)
    async with asyncio.timeout(10):
        await running.stop()
        await running.stop()


async def test_the_time_limit_counts(tmp_path: Path) -> None:
    engine = await asyncio.to_thread(Engine.open, tmp_path / "clickhouse", Limits(0.2, 1 << 30))
    try:
        with pytest.raises(SqlError) as late:
            await ask(engine, Call(ENDLESS, reader=True))
        assert late.value.code == 159
    finally:
        await engine.close()


async def test_descriptors_and_threads_do_not_grow(engine: Engine) -> None:
    async def round_() -> tuple[int, int]:
        for _ in range(25):
            await ask(engine, Call(b"SELECT number FROM numbers(100000)", reader=True))
            with pytest.raises(SqlError):
                await ask(engine, Call(b"SELECT nope"))
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    await round_()
    files, threads = await round_()
    files_later, threads_later = await round_()
    assert files_later <= files + 2
    assert threads_later <= threads + 2


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_no_descriptor_is_closed_twice(
    run: Callable[[Coroutine[Any, Any, None]], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvloop closed the result's pipe, and then its file object closed the same number once more: a file of the engine's by
    then. Inserts failed with "Bad file descriptor"."""
    made: list[io.FileIO] = []

    def fdopen(*arguments: Any, **more: Any) -> io.FileIO:
        made.append(os.fdopen(*arguments, **more))
        return made[-1]

    async def work() -> None:
        engine = await asyncio.to_thread(Engine.open, tmp_path / "clickhouse", writers=1, readers=2)
        await ask(engine, Call(b"SELECT 1"))
        before = len(os.listdir("/proc/self/fd"))
        monkeypatch.setattr(running_module, "os", SimpleNamespace(**{**vars(os), "fdopen": fdopen}))
        for _ in range(20):
            assert await ask(engine, Call(b"SELECT 1")) == b"1\n"
        assert len(os.listdir("/proc/self/fd")) <= before + 3
        await engine.close(0.1)

    run(work())
    assert len(made) == 20
    assert {file.closefd for file in made} == {run is asyncio.run}, "who closes it: its file object, or uvloop"


async def test_closed_means_closed(engine: Engine) -> None:
    await engine.close()
    with pytest.raises(SqlError) as refused:
        await engine.start(Call(b"SELECT 1"))
    assert refused.value.status == 503
