"""Delivery: the real pipeline against a log and a store that fail, whatever dies and whenever (architecture section 6)."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from litefuse.errors import Fenced, RecordTooLarge, StoreTooBig, StoreUnavailable
from litefuse.log.base import Committed, Headers, Placed, Record
from litefuse.reasons import Reason
from tests.worker.map.support import NoPrices
from tests.worker.model import PARTITION, RECEIVED_NS, Crash, OnePartitionLog, Store, Trouble, record
from worker import dead, pipeline, write
from worker.backoff import Backoff
from worker.block import Cutter, Limits
from worker.dead import Letter, bury
from worker.decode import Defaults, decode
from worker.health import Health
from worker.lane import Budget, Lane
from worker.plan import read
from worker.runner import DecoderThread
from worker.write import Writer


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait(self: Backoff, error: BaseException, what: str) -> None:
        await asyncio.sleep(0)

    async def settled(seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(Backoff, "wait", wait)
    monkeypatch.setattr(write, "settle", settled)


async def work(log: OnePartitionLog, store: Store, records: Sequence[Record], rows_a_block: int = 100) -> None:
    """One life of a worker: open the partition where it stands, and work until all is committed (or the crash)."""
    start = max(log.committed_now.offset, 0)
    budget = Budget(1 << 30)
    lane = Lane(PARTITION, read(log.committed_now), budget, log.committed_now.offset)
    lane.feed([r for r in records if r.offset >= start], len(records))
    thread = DecoderThread()
    writer = Writer(PARTITION, log, log, store, Health(), thread.run, asyncio.Semaphore(2), 5.0, 60.0)
    stages = pipeline.Stages(thread.run, Limits(1 << 20, rows_a_block, 0.0), Defaults(), NoPrices)
    running = asyncio.create_task(pipeline.run(lane, stages, writer))
    try:
        while not running.done() and log.committed_now != Committed(len(records), ""):
            await asyncio.wait([running], timeout=0.001)
        lane.stop()
        try:
            await running
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        assert budget.used == sum(r.size for r in records) * 0 + lane._held
    finally:
        running.cancel()
        thread.close()


def some_records(count: int) -> list[Record]:
    """Records of three spans in two table partitions; span n is record n // 3."""
    return [record(i, [(3 * i, 0), (3 * i + 1, 1), (3 * i + 2, 0)]) for i in range(count)]


def quiet() -> Trouble:
    return Trouble(random.Random(1))


async def test_every_span_is_stored_once_and_the_plan_comes_first() -> None:
    log, store = OnePartitionLog(quiet()), Store(quiet())
    await work(log, store, some_records(4))
    assert store.counts() == dict.fromkeys(range(12), 1)
    assert log.commits[0] == Committed(0, "v1 end=4")
    assert log.commits[-1] == Committed(4, "")
    assert sorted(store.inserts) == ["litefuse.traces/0/0-3/0-20241118", "litefuse.traces/0/0-3/0-20241125"]
    assert store.looks == 0


async def test_an_open_plan_is_repeated_exactly_and_looked_for() -> None:
    """A crash between insert and commit: the next owner repeats range and token, also when more records are there by now."""
    log, store = OnePartitionLog(quiet()), Store(quiet())
    log.committed_now = Committed(0, "v1 end=2")
    store.land("litefuse.traces/0/0-1/0-20241118", [("0-20241118", o, r, 3 * o + r) for o in (0, 1) for r in (0, 2)])
    await work(log, store, some_records(4))
    assert store.counts() == dict.fromkeys(range(12), 1)
    assert store.inserts[:2] == ["litefuse.traces/0/0-1/0-20241118", "litefuse.traces/0/0-1/0-20241125"]
    assert store.looks == 2


async def test_a_token_without_its_part_does_not_hide_the_loss() -> None:
    """ClickHouse wrote the token down and died before the part was in place; the replay is answered ok, with no rows."""
    log, store = OnePartitionLog(quiet()), Store(quiet())
    log.committed_now = Committed(0, "v1 end=1")
    store.tokens.add("litefuse.traces/0/0-0/0-20241118")
    await work(log, store, some_records(1))
    assert store.counts() == dict.fromkeys(range(3), 1)
    assert "litefuse.traces/0/0-0/0-20241118/again" in store.inserts


async def test_a_log_that_begins_anew_meets_its_old_tokens_and_loses_nothing() -> None:
    """A new log file, or a topic made again, counts from 0 again over the same ClickHouse, which knows these tokens: it said ok
    and stored nothing, and acknowledged spans were gone."""
    store = Store(quiet())
    await work(OnePartitionLog(quiet()), store, some_records(4))
    again = [record(i, [(100 + i, 0)], received=RECEIVED_NS + 10**9) for i in range(6)]
    log = OnePartitionLog(quiet())
    await work(log, store, again)
    assert store.counts() == dict.fromkeys([*range(12), *range(100, 106)], 1)
    assert log.committed_now == Committed(6, "")


async def test_a_group_that_begins_anew_reads_the_same_records_and_doubles_nothing() -> None:
    """Another group name, or commits that have expired: the same records under the same offsets."""
    store = Store(quiet())
    await work(OnePartitionLog(quiet()), store, some_records(4), rows_a_block=4)
    await work(OnePartitionLog(quiet()), store, some_records(7))
    assert store.counts() == dict.fromkeys(range(21), 1)


async def test_a_refused_span_is_found_and_buried_alone() -> None:
    trouble = Trouble(random.Random(1), refused=frozenset({7}))
    log, store = OnePartitionLog(quiet()), Store(trouble)
    await work(log, store, some_records(5))
    assert store.counts() == {n: 1 for n in range(15) if n != 7}
    assert log.dead_numbers() == {7}
    letter = log.dead[0]
    assert letter.header("reason") == "refused_by_clickhouse"
    assert (letter.header("topic"), letter.header("partition"), letter.header("offset"), letter.header("row")) == (
        "litefuse.traces",
        "0",
        "2",
        "1",
    )
    assert letter.header("project_id") == "p"


async def test_an_insert_that_lands_late_is_waited_for_before_its_range_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """It timed out and was still running; its repetition met the memory limit; the halves were stored under other tokens, and
    then it landed: every span was there twice."""

    class Late(Store):
        async def insert_arrow(self, *args: Any, **kwargs: Any) -> None:
            tries = len(self.inserts)
            if tries == 0:
                landing = Store(quiet())
                await Store.insert_arrow(landing, *args, **kwargs)
                self.inserts += landing.inserts
                self.on_the_way = [(landing.inserts[0], landing.stored)]
                raise StoreUnavailable("timeout")
            if tries == 1:
                self.inserts.append("again")
                raise StoreTooBig("memory limit", 241)
            await super().insert_arrow(*args, **kwargs)

    log, store = OnePartitionLog(quiet()), Late(quiet())

    async def settled(seconds: float) -> None:
        if store.on_the_way:
            assert seconds > 0
        for token, rows in store.on_the_way:
            store.land(token, rows)
        store.on_the_way.clear()

    monkeypatch.setattr(write, "settle", settled)
    await work(log, store, [record(i, [(i, 0)]) for i in range(4)])
    assert store.counts() == dict.fromkeys(range(4), 1)


async def test_a_block_too_big_for_memory_is_planned_smaller() -> None:
    log, store = OnePartitionLog(quiet()), Store(Trouble(random.Random(1), rows_that_fit=1))
    await work(log, store, some_records(5))
    assert store.counts() == dict.fromkeys(range(15), 1)
    assert log.dead == []


async def test_a_crash_after_half_of_a_refused_range_repeats_nothing() -> None:
    """One table partition of the range was stored under the large token, the other refused; a crash comes after the first half
    was committed. The second half has to look, or its rows in the stored table partition would be there twice."""
    records = some_records(4)
    log, store = OnePartitionLog(quiet()), Store(quiet())
    store.land("litefuse.traces/0/0-3/0-20241118", [("0-20241118", o, r, 3 * o + r) for o in range(4) for r in (0, 2)])
    store.land("litefuse.traces/0/0-1/0-20241125", [("0-20241125", o, 1, 3 * o + 1) for o in (0, 1)])
    log.committed_now = Committed(2, "v1 look=4")
    await work(log, store, records)
    assert store.counts() == dict.fromkeys(range(12), 1)


async def test_after_inherited_rows_the_record_is_finished() -> None:
    records = [record(0, [(n, 0) for n in range(6)])]
    log, store = OnePartitionLog(quiet()), Store(quiet())
    log.committed_now = Committed(0, "v1 end=1 rows=2-4 look=1")
    store.land("t", [("0-20241118", 0, row, row) for row in (0, 1)])
    await work(log, store, records)
    assert store.counts() == dict.fromkeys(range(6), 1)
    assert log.committed_now == Committed(1, "")


async def test_who_lost_the_partition_inserts_nothing() -> None:
    log, store = OnePartitionLog(quiet()), Store(quiet())
    log.fenced = True
    with pytest.raises(Fenced):
        await work(log, store, some_records(2))
    assert store.inserts == []


async def test_dead_letters_are_told_in_the_log_once_a_minute_for_each_reason(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Five spans had become dead letters, and the log had no line about it."""
    monkeypatch.setattr(dead, "_told", {})
    records = [Record("litefuse.traces", 0, i, 5, None, b"\x00garbage", (("project_id", b"p"),)) for i in range(3)]
    log = OnePartitionLog(quiet())
    with caplog.at_level("WARNING", "litefuse.worker"):
        await work(log, Store(quiet()), records)
    assert len(log.dead) == 3
    assert [r.message for r in caplog.records] == ["refused for good, kept as a dead letter: see `litefuse dead list`"]


async def test_garbage_is_buried_and_its_neighbours_are_kept() -> None:
    records = some_records(3)
    records[1] = Record("litefuse.traces", 0, 1, 5, None, b"\x00garbage", (("project_id", b"p"),))
    log, store = OnePartitionLog(quiet()), Store(quiet())
    await work(log, store, records)
    assert store.counts() == {n: 1 for n in range(9) if n // 3 != 1}
    assert [r.value for r in log.dead] == [b"\x00garbage"]
    assert log.dead[0].header("reason") == "undecodable"
    assert log.dead[0].header("offset") == "1"


@pytest.mark.parametrize("seed", range(120))
async def test_nothing_is_lost_and_nothing_is_doubled_whatever_dies(seed: int) -> None:
    """Crashes, lost answers, tokens without parts and late inserts drawn at random, life after life, until all is committed."""
    r = random.Random(seed)
    trouble = Trouble(
        random=r,
        crash=r.choice([0.05, 0.2, 0.4]),
        error_before=r.choice([0.0, 0.2]),
        error_after=r.choice([0.0, 0.3]),
        token_without_part=r.choice([0.0, 0.3]),
        lands_later=r.choice([0.0, 0.5]),
        refused=frozenset(n for n in range(24) if r.random() < r.choice([0.0, 0.1])),
        rows_that_fit=r.choice([2, 5, 1000]),
    )
    records = some_records(8)
    log, store = OnePartitionLog(trouble), Store(trouble)
    for life in range(400):
        if life == 100:  # enough: from here on the world is kind
            trouble.crash = trouble.error_before = trouble.error_after = trouble.token_without_part = 0.0
        try:
            await work(log, store, records, rows_a_block=r.choice([1, 4, 100]))
        except Crash:
            # What a dead worker had sent may land before or after its successor's first insert: here, before or never.
            for token, rows in store.on_the_way:
                if r.random() < 0.7:
                    store.land(token, rows)
            store.on_the_way.clear()
            continue
        break
    assert log.committed_now == Committed(8, "")
    assert store.counts() == {n: 1 for n in range(24) if n not in trouble.refused}
    assert log.dead_numbers() == set(trouble.refused)


def writer(log: OnePartitionLog, store: Store, thread: DecoderThread, plan_bound: float = 60.0) -> Writer:
    return Writer(PARTITION, log, log, store, Health(), thread.run, asyncio.Semaphore(1), 5.0, plan_bound)


async def test_a_plan_that_grew_old_waiting_for_its_turn_is_committed_anew() -> None:
    """Waiting for a free insert may take longer than the bound after which a zombie must not insert."""
    log, store = OnePartitionLog(quiet()), Store(quiet())
    thread = DecoderThread()
    one = writer(log, store, thread, plan_bound=0.05)
    cutter = Cutter(Limits(1 << 20, 100, 0.0))
    cutter.add(decode(some_records(1), Defaults(), 0.0))
    await one.inserts.acquire()
    writing = asyncio.create_task(one.write(cutter.take()))
    await asyncio.sleep(0.2)
    assert log.commits == [Committed(0, "v1 end=1")]
    log.fenced = True
    one.inserts.release()
    with pytest.raises(Fenced):
        await writing
    assert store.inserts == []
    thread.close()


async def test_a_single_span_tried_again_for_want_of_memory_is_looked_for() -> None:
    """Its token was used by the try that failed, and may hide that nothing is there."""

    class Small(Store):
        async def insert_arrow(self, *args: Any, settings: Mapping[str, str], **more: Any) -> None:
            token = settings["insert_deduplication_token"]
            if token not in self.tokens:
                self.inserts.append(token)
                self.tokens.add(token)
                if not token.endswith("/again"):
                    raise StoreTooBig("memory limit", 241)
                self.tokens.discard(token)
            await super().insert_arrow(*args, settings=settings, **more)

    log, store = OnePartitionLog(quiet()), Small(quiet())
    await work(log, store, [record(0, [(0, 0)])])
    assert store.counts() == {0: 1}


async def test_a_span_that_never_fits_is_tried_for_ever_without_running_out_of_stack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trouble = Trouble(random.Random(1), rows_that_fit=0)
    log, store = OnePartitionLog(quiet()), Store(trouble)
    depths: list[int] = []

    async def wait(self: Backoff, error: BaseException, what: str) -> None:
        depths.append(len(inspect.stack()))
        if len(depths) == 50:
            trouble.rows_that_fit = 1
        await asyncio.sleep(0)

    monkeypatch.setattr(Backoff, "wait", wait)
    await work(log, store, [record(0, [(0, 0)])])
    assert store.counts() == {0: 1}
    assert depths[0] == depths[-1]


async def test_no_block_holds_records_from_before_and_after_the_log_began_anew() -> None:
    """The topic was made anew under a running worker: the block's plan ended before it began, and its rows were lost."""
    log, store = OnePartitionLog(quiet()), Store(quiet())
    thread = DecoderThread()
    lane = Lane(PARTITION, read(Committed(1000, "")), Budget(1 << 30), 1000)
    stages = pipeline.Stages(thread.run, Limits(1 << 20, 100, 60.0), Defaults(), NoPrices)
    running = asyncio.create_task(pipeline.run(lane, stages, writer(log, store, thread)))
    lane.feed([record(1000, [(1, 0)])], 1001)
    while not log.commits and not lane.stopping:
        await asyncio.sleep(0.05)
        lane.feed([record(0, [(2, 0)]), record(1, [(3, 0)])], 2)
    await running
    assert store.counts() == {1: 1}
    assert log.commits == [Committed(1000, "v1 end=1001"), Committed(1001, "")]
    thread.close()


async def test_inherited_rows_of_a_record_that_is_gone_are_passed_over() -> None:
    """The log's retention was faster: nothing is left to be repeated, and the lane must not fail for it again and again."""
    log, store = OnePartitionLog(quiet()), Store(quiet())
    thread = DecoderThread()
    inherited = read(Committed(0, "v1 end=1 rows=2-4 look=1")).plan
    block = Cutter(Limits(1 << 20, 100, 0.0)).take(inherited=inherited)
    one = writer(log, store, thread)
    await one.write(block)
    await one.commit(block)
    assert log.committed_now == Committed(1, "")
    assert store.inserts == []
    thread.close()


@pytest.mark.parametrize(
    ("limit", "encoding", "whole"), [(1 << 20, None, False), (50_000, "gzip", False), (1500, None, True)]
)
async def test_a_dead_letter_fits_into_the_log_also_when_its_span_was_compressed(
    limit: int, encoding: str | None, whole: bool
) -> None:
    """A span cut out of a compressed record can be larger than any record. It was tried for ever, and held its partition."""

    class Narrow(OnePartitionLog):
        async def publish(self, topic: str, value: bytes, headers: Headers, key: bytes | None = None) -> Placed:
            if len(value) > limit:
                raise RecordTooLarge(len(value), limit)
            return await super().publish(topic, value, headers, key)

    log = Narrow(quiet())
    cut = random.Random(1).randbytes(1000) + bytes(100_000)
    if whole:
        cut = random.Random(1).randbytes(20_000)
    source = Record("litefuse.traces", 0, 7, 5, None, b"packed", (("content_encoding", b"zstd"),))
    await bury(log, Letter(source, Reason.TOO_LARGE, "too large", 3, cut))
    (letter,) = log.dead
    assert letter.header("row") == "3"
    if whole:
        assert (letter.value, letter.header("content_encoding")) == (b"packed", "zstd")
    else:
        assert letter.header("content_encoding") == encoding
        assert (gzip.decompress(letter.value) if encoding else letter.value) == cut
