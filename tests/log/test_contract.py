"""The contract of `litefuse.log.base`, held by both logs: SQLite, and a real Apache Kafka."""

from __future__ import annotations

import asyncio
import logging
import os
import time

import pytest

from litefuse.errors import Fenced, LogFull, LogUnavailable, RecordTooLarge
from litefuse.log.base import Hooks, Partition, Placed
from litefuse.telemetry import metrics as m
from tests.log.kit import PATIENCE, Kit, Member, spawn, until

HEADERS = [("project_id", b"p1"), ("content_type", b"application/x-protobuf")]


def resets() -> float:
    (family,) = m.OFFSET_RESETS.collect()
    return next(sample.value for sample in family.samples if sample.name.endswith("_total"))


@pytest.mark.parametrize(
    ("value", "headers", "key"),
    [
        (b"", [], None),
        (b"value", HEADERS, None),
        (bytes(range(256)) * 3000, [("all", bytes(range(256)))], b"\x00\xff"),
        (b"twice", [("a", b"1"), ("b", b""), ("a", b"2")], b""),
        (b"name", [("naïve – 名", "größe".encode())], b"k"),
    ],
    ids=["empty", "plain", "binary", "repeated headers", "unicode header"],
)
async def test_comes_back_as_it_was(
    kit: Kit, value: bytes, headers: list[tuple[str, bytes]], key: bytes | None
) -> None:
    log = await kit.open()
    before = time.time_ns()
    placed = await log.publish(kit.topic, value, headers, key)
    member = await Member(log, kit.topic, kit.group()).join()
    (record,) = await member.read(1)
    assert record.value == value
    assert record.headers == tuple(headers)
    assert record.key == key
    assert (record.topic, record.partition, record.offset) == (kit.topic, placed.partition, placed.offset)
    assert before - 10**9 < record.timestamp_ns < time.time_ns() + 10**9


async def test_offsets_grow_and_order_is_kept(kit: Kit) -> None:
    log = await kit.open()
    placed = [await log.publish(kit.topic, b"%d" % i, HEADERS) for i in range(50)]
    assert placed == [Placed(0, i) for i in range(50)]
    member = await Member(log, kit.topic, kit.group()).join()
    records = await member.read(50)
    assert [(r.offset, r.value) for r in records] == [(i, b"%d" % i) for i in range(50)]
    assert member.consumer.position(member.partition) == 50


async def test_records_at_once_get_an_offset_each(kit: Kit) -> None:
    log = await kit.open()
    placed = await asyncio.gather(*[log.publish(kit.topic, b"%d" % i, []) for i in range(300)])
    assert sorted(p.offset for p in placed) == list(range(300))
    member = await Member(log, kit.topic, kit.group()).join()
    records = await member.read(300)
    assert {r.offset: int(r.value) for r in records} == {p.offset: i for i, p in enumerate(placed)}


async def test_a_waiting_poll_gets_what_comes(kit: Kit) -> None:
    log = await kit.open()
    member = await Member(log, kit.topic, kit.group()).join()
    waiting = asyncio.create_task(member.poll(timeout=PATIENCE))
    await asyncio.sleep(0)
    await log.publish(kit.topic, b"late", [])
    assert [r.value for r in await asyncio.wait_for(waiting, PATIENCE)] == [b"late"]


async def test_a_poll_without_records_ends(kit: Kit) -> None:
    log = await kit.open()
    member = await Member(log, kit.topic, kit.group()).join()
    assert await member.poll(timeout=0.05) == []
    assert await member.poll(timeout=0) == []


async def test_a_cancelled_poll_loses_nothing(kit: Kit) -> None:
    log = await kit.open()
    member = await Member(log, kit.topic, kit.group()).join()
    for i in range(20):
        task = asyncio.create_task(member.poll(timeout=1))
        await asyncio.sleep(0.005 * (i % 3))
        published = asyncio.create_task(log.publish(kit.topic, b"%d" % i, []))
        await asyncio.sleep(0.004 * (i % 5))
        task.cancel()
        await asyncio.wait({task, published})
    await member.read(20)
    assert [r.offset for r in member.records] == list(range(20))


async def test_commit_and_metadata_survive(kit: Kit) -> None:
    log = await kit.open()
    for i in range(5):
        await log.publish(kit.topic, b"%d" % i, [])
    member = await Member(log, kit.topic, kit.group()).join()
    await member.read(5)
    assert await member.consumer.committed(member.partition) == (-1, "")
    await member.consumer.commit(member.partition, 2, "v1 end=5 rows=0-7 ✓")
    assert await member.consumer.committed(member.partition) == (2, "v1 end=5 rows=0-7 ✓")
    await member.consumer.commit(member.partition, 3)
    await member.consumer.commit(member.partition, 3, "x" * 4096)
    await member.consumer.stop()
    await log.close()

    again = await kit.open()
    member = await Member(again, kit.topic, kit.group()).join()
    assert await member.consumer.committed(member.partition) == (3, "x" * 4096)
    assert [r.offset for r in await member.read(2)] == [3, 4]
    other = await Member(again, kit.topic, kit.group("another")).join()
    assert await other.consumer.committed(other.partition) == (-1, "")


async def test_commit_bounds(kit: Kit) -> None:
    log = await kit.open()
    member = await Member(log, kit.topic, kit.group()).join()
    for offset, metadata in ((0, "x" * 4097), (0, "é" * 2049), (-1, "")):
        with pytest.raises(ValueError, match="cannot commit"):
            await member.consumer.commit(member.partition, offset, metadata)


async def test_what_is_not_owned_cannot_be_touched(kit: Kit) -> None:
    log = await kit.open()
    member = await Member(log, kit.topic, kit.group()).join()
    partition = member.partition
    for foreign in (Partition(kit.topic, 77), Partition("other", 0)):
        with pytest.raises(Fenced):
            await member.consumer.commit(foreign, 0)
        with pytest.raises(Fenced):
            member.consumer.seek(foreign, 0)
        with pytest.raises(Fenced):
            member.consumer.position(foreign)
    await member.consumer.stop()
    assert member.consumer.assignment() == frozenset()
    with pytest.raises(Fenced):
        await member.consumer.commit(partition, 1)
    await member.consumer.stop()


async def test_the_hook_comes_before_the_first_record(kit: Kit) -> None:
    log = await kit.open()
    await log.publish(kit.topic, b"1", [])
    seen: list[str] = []

    async def assigned(partitions: frozenset[Partition]) -> None:
        assert consumer.assignment() == partitions
        seen.append("hook")
        if seen.count("hook") < 3:
            raise LogUnavailable("the hook could not read its commit")

    consumer = log.consumer(kit.topic, kit.group(), Hooks(on_assigned=assigned))
    await consumer.start()

    async def first() -> bool:
        polled = await consumer.poll(timeout=0.2, max_bytes=1 << 20)
        seen.extend("record" for records in polled.values() for _ in records)
        return "record" in seen

    await until(first)
    assert seen == ["hook", "hook", "hook", "record"]
    await consumer.stop()


async def test_pause_keeps_polling(kit: Kit) -> None:
    log = await kit.open()
    member = await Member(log, kit.topic, kit.group()).join()
    await log.publish(kit.topic, b"1", [])
    await member.read(1)
    both = frozenset({member.partition})
    member.consumer.pause(both)
    await log.publish(kit.topic, b"2", [])
    for _ in range(5):
        assert await member.poll(timeout=0.1) == []
    assert member.consumer.assignment() == both
    member.consumer.resume(both)
    assert [r.value for r in await member.read(2)] == [b"1", b"2"]
    member.consumer.pause(frozenset({Partition("other", 0)}))
    member.consumer.resume(frozenset({Partition("other", 0)}))


async def test_seek_goes_back_and_forth(kit: Kit) -> None:
    log = await kit.open()
    for i in range(10):
        await log.publish(kit.topic, b"%d" % i, [])
    member = await Member(log, kit.topic, kit.group()).join()
    await member.read(10)
    member.consumer.seek(member.partition, 3)
    assert member.consumer.position(member.partition) == 3
    await member.read(17)
    assert [r.offset for r in member.records[10:]] == list(range(3, 10))
    member.consumer.seek(member.partition, 10)
    await log.publish(kit.topic, b"10", [])
    assert (await member.read(18))[17].offset == 10


async def test_poll_keeps_to_its_bytes(kit: Kit) -> None:
    log = await kit.open()
    for _ in range(40):
        await log.publish(kit.topic, os.urandom(50_000), [])
    member = await Member(log, kit.topic, kit.group()).join()
    member.consumer.seek(member.partition, 0)
    member.records.clear()
    largest = 0
    while len(member.records) < 40:
        largest = max(largest, sum(r.size for r in await member.poll(max_bytes=200_000)))
    assert 0 < largest <= 300_000
    assert [r.offset for r in member.records] == list(range(40))
    member.consumer.seek(member.partition, 0)

    async def next_record() -> list[object]:
        return list(await member.poll(max_bytes=1))

    assert len(await until(next_record)) == 1, "at least one record, however large"


async def test_positions_tell_the_lag(kit: Kit) -> None:
    log = await kit.open()
    partition = Partition(kit.topic, 0)
    before = time.time_ns()
    assert (await log.positions(kit.topic, kit.group()))[partition] == (-1, 0, None)
    for i in range(4):
        await log.publish(kit.topic, b"%d" % i, [])
    after = time.time_ns()
    committed, end, oldest = (await log.positions(kit.topic, kit.group()))[partition]
    assert (committed, end) == (-1, 4)
    assert oldest is not None
    assert before - 10**9 <= oldest <= after + 10**9
    member = await Member(log, kit.topic, kit.group()).join()
    await member.consumer.commit(partition, 3)
    assert (await log.positions(kit.topic, kit.group()))[partition][:2] == (3, 4)
    record = await log.fetch(kit.topic, 0, 3)
    assert record is not None
    assert (await log.positions(kit.topic, kit.group()))[partition].oldest_ns == record.timestamp_ns
    await member.consumer.commit(partition, 4)
    assert (await log.positions(kit.topic, kit.group()))[partition] == (4, 4, None)


async def test_read_and_fetch_need_no_group(kit: Kit) -> None:
    log = await kit.open()
    assert [r async for r in log.read(kit.topic)] == []
    for i in range(5):
        await log.publish(kit.topic, b"%d" % i, [("n", b"%d" % i)], b"key")
    assert [(r.offset, r.value, r.key) async for r in log.read(kit.topic)] == [(i, b"%d" % i, b"key") for i in range(5)]
    fetched = await log.fetch(kit.topic, 0, 3)
    assert fetched is not None
    assert (fetched.value, fetched.headers) == (b"3", (("n", b"3"),))
    for place in ((0, 5), (0, -1), (9, 0)):
        assert await log.fetch(kit.topic, *place) is None
    assert [r async for r in log.read("there.is.no.such.topic")] == []


async def test_too_large(kit: Kit) -> None:
    log = await kit.open()
    limit = log.max_value_bytes(HEADERS)
    assert limit > log.max_value_bytes([*HEADERS, ("more", b"x" * 1000)]) or limit == 64 << 20
    value = os.urandom(limit)
    placed = await log.publish(kit.topic, value, HEADERS)
    with pytest.raises(RecordTooLarge) as caught:
        await log.publish(kit.topic, value + b"x", HEADERS)
    assert (caught.value.size, caught.value.limit) == (limit + 1, limit)
    fetched = await log.fetch(kit.topic, placed.partition, placed.offset)
    assert fetched is not None
    assert fetched.value == value
    assert await log.fetch(kit.topic, placed.partition, placed.offset + 1) is None


async def test_full_is_said_at_once(kit: Kit) -> None:
    log = await kit.open(buffer_bytes=1 << 20)
    value = os.urandom(300_000)
    tasks = [asyncio.create_task(log.publish(kit.topic, value, HEADERS)) for _ in range(5)]
    await asyncio.sleep(0)
    refused = [task for task in tasks if task.done() and isinstance(task.exception(), LogFull)]
    assert len(refused) == 2, "three fit, and nothing was written yet"
    await asyncio.wait(tasks)
    assert [type(t.exception()) for t in tasks if t not in refused] == [type(None)] * 3
    await log.publish(kit.topic, value, HEADERS)
    assert [r.offset async for r in log.read(kit.topic)] == [0, 1, 2, 3]


async def test_a_publisher_that_gives_up_breaks_nothing(kit: Kit) -> None:
    log = await kit.open(buffer_bytes=1 << 20)
    for _ in range(20):
        tasks = [asyncio.create_task(log.publish(kit.topic, b"x" * 100_000, [])) for _ in range(5)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.wait(tasks)
        assert [t.cancelled() for t in tasks] == [True, False, True, False, True]
        assert [t.exception() for t in tasks[1::2]] == [None, None]

    async def room() -> bool:
        try:
            await log.publish(kit.topic, b"x" * 1_000_000, [])
        except LogFull:
            return False
        return True

    assert await until(room), "what was given up is not counted for ever"


async def test_out_of_range_is_an_alarm_and_the_earliest(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    log = await kit.open()
    for i in range(3):
        await log.publish(kit.topic, b"%d" % i, [])
    member = await Member(log, kit.topic, kit.group()).join()
    await member.consumer.commit(member.partition, 1000)
    await member.consumer.stop()
    before = resets()
    with caplog.at_level(logging.ERROR, "litefuse.log"):
        member = await Member(log, kit.topic, kit.group()).join()
        assert [r.offset for r in await member.read(3)] == [0, 1, 2]
    assert resets() == before + 1
    assert [r.message for r in caplog.records if r.name.startswith("litefuse.log")] == [
        "offset out of range, reading goes on at the earliest record"
    ]


async def test_a_group_without_a_commit_begins_at_the_beginning_without_alarm(kit: Kit) -> None:
    log = await kit.open()
    await log.publish(kit.topic, b"0", [])
    before = resets()
    member = await Member(log, kit.topic, kit.group("new")).join()
    assert [r.offset for r in await member.read(1)] == [0]
    assert resets() == before


async def test_ping_and_close(kit: Kit) -> None:
    log = kit.make()
    with pytest.raises(LogUnavailable):
        await log.ping()
    with pytest.raises(LogUnavailable):
        await log.publish(kit.topic, b"x", [])
    await log.close()
    log = await kit.open()
    await log.ping()
    flying = [asyncio.create_task(log.publish(kit.topic, b"x", [])) for _ in range(10)]
    await asyncio.sleep(0)
    await log.close()
    assert [type(await task) for task in flying] == [Placed] * 10, "close flushes"
    await log.close()
    for call in (log.ping(), log.publish(kit.topic, b"x", [])):
        with pytest.raises(LogUnavailable):
            await call


async def test_acknowledged_survives_kill(kit: Kit) -> None:
    """SIGKILL while twenty publish: each acknowledged record is there, at the offset it was said to have."""
    log = kit.make()
    if kit.url.startswith("kafka"):
        await log.start()  # makes the topic
    acknowledged: dict[int, int] = {}
    for round_ in range(3):
        async with spawn("publish", kit.url, kit.topic) as child:
            for _ in range(200 + 50 * round_):
                number, offset = map(int, (await child.line()).split())
                acknowledged[offset] = number
            child.process.kill()
            assert child.process.stdout is not None
            for line in (await child.process.stdout.read()).splitlines()[:-1]:  # the last may be cut
                number, offset = map(int, line.split())
                acknowledged[offset] = number
    if not kit.url.startswith("kafka"):
        await log.start()
    found = {r.offset: int(r.value) async for r in log.read(kit.topic)}
    assert len(acknowledged) >= 750
    assert {offset: found.get(offset) for offset in acknowledged} == acknowledged
    assert sorted(found) == list(range(len(found)))
    placed = await log.publish(kit.topic, b"0", [])
    assert placed.offset == len(found), "no offset is used twice"
    await log.close()
