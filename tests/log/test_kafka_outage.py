"""Kafka brokers that are down, die, or do not answer."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest

from litefuse.errors import Fenced, LogFull, LogUnavailable
from tests.log import kit as kits
from tests.log.kit import KafkaKit, Member, until
from tests.servers.kafka import KafkaServer


@pytest.fixture(scope="module")
def own_kafka() -> Iterator[KafkaServer]:
    """A broker that these tests stop, kill and suspend; each leaves it running."""
    with KafkaServer() as server:
        yield server


@pytest.fixture
async def own(own_kafka: KafkaServer) -> AsyncIterator[KafkaKit]:
    own_kafka.resume()
    own_kafka.start()
    made = KafkaKit(own_kafka.bootstrap)
    yield made
    own_kafka.resume()
    await kits.close(made)


async def test_down_at_the_start(own: KafkaKit, own_kafka: KafkaServer) -> None:
    own_kafka.stop()
    log = own.make(timeout=2.0)
    own.opened.append(log)
    consumer = log.consumer(own.topic, own.group())
    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(LogUnavailable, match="cannot be reached"):
            await log.start()
        with pytest.raises(LogUnavailable):
            await consumer.start()
        assert time.monotonic() - began < 30, "bounded"
    with pytest.raises(LogUnavailable):
        await log.publish(own.topic, b"x", [])
    with pytest.raises(LogUnavailable):
        await log.ping()
    with pytest.raises(LogUnavailable):
        await log.positions(own.topic, own.group())
    with pytest.raises(LogUnavailable):
        await consumer.poll(timeout=0.1, max_bytes=1)
    own_kafka.start()

    async def started() -> bool:
        await log.start()
        return True

    await until(started)
    await log.publish(own.topic, b"x", [])
    await log.ping()


async def test_killed_while_running(own: KafkaKit, own_kafka: KafkaServer) -> None:
    """kill -9 of the broker: publishers hear of it within their deadline, and everything goes on by itself."""
    log = await own.open(timeout=2.0)
    member = await Member(log, own.topic, own.group()).join()
    await log.publish(own.topic, b"before", [])
    await member.read(1)
    await member.consumer.commit(member.partition, 1, "before")
    own_kafka.kill()
    began = time.monotonic()
    refused = await asyncio.gather(*[log.publish(own.topic, b"during", []) for _ in range(3)], return_exceptions=True)
    assert [type(each) for each in refused] == [LogUnavailable] * 3
    assert time.monotonic() - began < 10
    for call in (log.ping(), log.positions(own.topic, own.group())):
        with pytest.raises(LogUnavailable):
            await call
    assert await member.poll(timeout=0.1) == []
    with pytest.raises(LogUnavailable):
        await member.consumer.commit(member.partition, 1, "during")
    await asyncio.to_thread(own_kafka.start)

    async def published() -> bool:
        return (await log.publish(own.topic, b"after", [])).offset >= 0

    await until(published)
    await until(lambda: log.positions(own.topic, own.group()))
    await member.until(lambda: b"after" in {r.value for r in member.records})
    assert [r.offset for r in member.records] == list(range(len(member.records)))

    async def committed() -> bool:
        await member.poll()
        try:
            await member.consumer.commit(member.partition, 1, "after")
        except Fenced:  # the group may have been joined anew
            return False
        return True

    await until(committed)
    assert await member.consumer.committed(member.partition) == (1, "after")
    assert log._publisher.waiting_bytes == 0


async def test_a_broker_that_does_not_answer(own: KafkaKit, own_kafka: KafkaServer) -> None:
    """SIGSTOP: connections stay, nothing comes back. Deadlines hold, the buffer fills, and what was sent arrives once."""
    log = await own.open(timeout=1.5, buffer_bytes=1 << 20)
    await log.publish(own.topic, b"before", [])
    own_kafka.suspend()
    sent = await asyncio.gather(
        *[log.publish(own.topic, b"%d" % i + b"x" * 200_000, []) for i in range(4)], return_exceptions=True
    )
    assert {type(each) for each in sent} == {LogUnavailable}
    with pytest.raises(LogFull):
        # The batch on its way counts until the broker answers; the others were never sent, and gave their room back.
        await asyncio.gather(*[log.publish(own.topic, b"y" * 200_000, []) for _ in range(6)])
    with pytest.raises(LogUnavailable):
        await log.ping()
    own_kafka.resume()

    async def published() -> bool:
        return (await log.publish(own.topic, b"after", [])).offset >= 0

    await until(published)
    found = Counter([r.value[:6] async for r in log.read(own.topic)])
    assert found[b"before"] == 1
    assert found[b"after"] >= 1
    assert all(count == 1 for value, count in found.items() if value[:1].isdigit()), "repeated, but stored once"
    assert log._publisher.waiting_bytes == 0


async def test_closing_without_a_broker_ends(own: KafkaKit, own_kafka: KafkaServer) -> None:
    log = own.make(timeout=1.0)
    await log.start()
    member = await Member(log, own.topic, own.group()).join()
    own_kafka.kill()
    flying = [asyncio.create_task(log.publish(own.topic, b"x", [])) for _ in range(3)]
    await asyncio.sleep(0)
    began = time.monotonic()
    await member.consumer.stop()
    await log.close()
    assert time.monotonic() - began < 30
    assert [type(each) for each in await asyncio.gather(*flying, return_exceptions=True)] == [LogUnavailable] * 3


async def test_restarts_while_publishing_lose_and_double_nothing(own: KafkaKit, own_kafka: KafkaServer) -> None:
    log = await own.open()
    acknowledged: list[int] = []
    unknown: list[int] = []
    stop = False

    async def publish(worker: int) -> None:
        number = worker
        while not stop:
            try:
                await log.publish(own.topic, b"%d" % number, [])
                acknowledged.append(number)
            except LogUnavailable:
                unknown.append(number)
            number += 10

    tasks = [asyncio.create_task(publish(i)) for i in range(10)]
    for way in (own_kafka.kill, own_kafka.stop):
        count = len(acknowledged)

        async def more(count: int = count) -> bool:
            return len(acknowledged) > count + 100

        await until(more)
        await asyncio.to_thread(way)
        await asyncio.to_thread(own_kafka.start)
    count = len(acknowledged)
    await until(more)
    stop = True
    await asyncio.gather(*tasks)
    found = Counter([int(r.value) async for r in log.read(own.topic)])
    assert not set(acknowledged) - set(found), "acknowledged and gone"
    assert [number for number, times in found.items() if times > 1] == []
