"""Members of a consumer group on Kafka: who owns a partition, and who may commit."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka.errors import KafkaError

from litefuse.errors import Fenced, LogUnavailable
from litefuse.log import kafka_private as private
from litefuse.log.base import Partition
from tests.log import kit as kits
from tests.log.kit import KafkaKit, Member, until


async def test_two_members_share_and_the_old_owner_is_fenced(kafka_kit: KafkaKit) -> None:
    log = await kafka_kit.open(kafka_partitions=2)
    one = await Member(log, kafka_kit.topic, kafka_kit.group()).join()
    mine = one.consumer.assignment()
    assert len(mine) == 2
    taken: list[str] = []

    async def on_taken(partitions: frozenset[Partition]) -> None:
        """A revoked member may still commit until it has let go."""
        assert one.consumer.assignment() == partitions == mine
        for partition in partitions:
            await one.consumer.commit(partition, 0, "last words")
            taken.append(f"{partition.number}")

    one.on_taken = on_taken
    two = Member(log, kafka_kit.topic, kafka_kit.group())
    await two.consumer.start()

    async def shared() -> bool:
        await asyncio.gather(one.poll(), two.poll())
        return len(one.consumer.assignment()) == len(two.consumer.assignment()) == 1

    await until(shared)
    assert sorted(taken) == ["0", "1"]
    assert one.taken == [mine]
    (lost,) = two.consumer.assignment()
    assert lost not in one.consumer.assignment()
    assert await two.consumer.committed(lost) == (0, "last words")
    with pytest.raises(Fenced):
        await one.consumer.commit(lost, 1, "too late")
    assert await two.consumer.committed(lost) == (0, "last words")
    await two.consumer.stop()  # leaves at once: the other has both again, long before the session would be over
    began = time.monotonic()
    await one.until(lambda: one.consumer.assignment() == mine)
    assert time.monotonic() - began < 30


async def test_a_zombie_is_fenced(kafka_kit: KafkaKit) -> None:
    """A worker process is stopped for longer than its session, its partition moves on, and then it wakes up."""
    log = await kafka_kit.open()
    async with kits.spawn("consume", kafka_kit.url, kafka_kit.topic) as child:
        assert await child.line() == "owned"
        assert await child.ask("1") == "committed"
        child.stop()
        heir = await Member(log, kafka_kit.topic, kafka_kit.group("children")).join()
        assert await heir.consumer.committed(heir.partition) == (1, "child")
        await heir.consumer.commit(heir.partition, 7, "heir")
        child.go_on()
        assert await child.ask("2") == "Fenced"
        assert await heir.consumer.committed(heir.partition) == (7, "heir")


async def test_a_commit_of_an_old_generation_is_fenced_before_it_is_sent(kafka_kit: KafkaKit) -> None:
    """While a member joins anew it has the next generation already and the old assignment still: a commit sent then
    would pass, for a partition that another member has by then."""
    log = await kafka_kit.open()
    member = await Member(log, kafka_kit.topic, kafka_kit.group()).join()
    client = member.consumer._client  # type: ignore[attr-defined]
    client._coordinator.generation += 1
    with pytest.raises(Fenced, match="is over"):
        await member.consumer.commit(member.partition, 1)
    client._coordinator.generation -= 1
    await member.consumer.commit(member.partition, 0)


async def test_records_of_the_next_generation_wait_for_the_hook(kafka_kit: KafkaKit) -> None:
    """Polling while partitions are being given up must not bring records that come after."""
    log = await kafka_kit.open(kafka_partitions=2)
    for i in range(20):
        await log.publish(kafka_kit.topic, b"%d" % i, [])
    one = await Member(log, kafka_kit.topic, kafka_kit.group()).join()
    await one.read(20)
    polled: list[int] = []

    async def on_taken(partitions: frozenset[Partition]) -> None:
        for _ in range(3):
            polled.append(len(await one.poll(timeout=0.1)))

    one.on_taken = on_taken
    two = Member(log, kafka_kit.topic, kafka_kit.group())
    await two.consumer.start()
    seen: list[tuple[int, frozenset[Partition]]] = []

    async def shared() -> bool:
        before = len(one.given)
        new = await one.poll()
        if new:
            assert len(one.given) >= 2
            assert {Partition(r.topic, r.partition) for r in new} <= one.given[-1]
        seen.append((len(one.given) - before, one.consumer.assignment()))
        await two.poll()
        return len(two.consumer.assignment()) == 1 and len(one.consumer.assignment()) == 1

    await until(shared)
    assert polled == [0, 0, 0]
    assert len(one.given) == 2


async def test_static_membership_outlives_a_restart(kafka_kit: KafkaKit) -> None:
    """A worker with an instance id that comes back within its session has its partitions again; nobody else notices."""
    log = await kafka_kit.open(kafka_partitions=2, kafka_session_timeout_s=30.0)
    other = Member(log, kafka_kit.topic, kafka_kit.group())
    await other.consumer.start()
    named = await kafka_kit.open(kafka_partitions=2, kafka_instance_id="worker-0", kafka_session_timeout_s=30.0)
    one = Member(named, kafka_kit.topic, kafka_kit.group())
    await one.consumer.start()

    async def shared() -> bool:
        await asyncio.gather(one.poll(), other.poll())
        return len(one.consumer.assignment()) == len(other.consumer.assignment()) == 1

    await until(shared)
    had, rounds = one.consumer.assignment(), len(other.given)
    await one.consumer.stop()
    again = Member(named, kafka_kit.topic, kafka_kit.group())
    await again.consumer.start()

    async def back() -> bool:
        await asyncio.gather(again.poll(), other.poll())
        return again.consumer.assignment() == had

    await until(back)
    assert len(other.given) == rounds
    await again.consumer.commit(again.partition, 0, "mine")


@pytest.mark.parametrize("which", ["_coordination_task", "_heartbeat_task"])
async def test_a_consumer_whose_task_died_begins_anew(kafka_kit: KafkaKit, which: str) -> None:
    log = await kafka_kit.open()
    member = await Member(log, kafka_kit.topic, kafka_kit.group()).join()
    client = member.consumer._client  # type: ignore[attr-defined]
    getattr(client._coordinator, which).cancel()
    if which == "_heartbeat_task":  # as after an answer that aiokafka does not know
        client._coordinator._heartbeat_task = asyncio.create_task(_fail())
    await log.publish(kafka_kit.topic, b"x", [])
    await member.until(lambda: private.ended(client) and len(member.given) == 2)
    await member.read(1)
    assert member.taken == [frozenset({Partition(kafka_kit.topic, 0)})]


async def _fail() -> None:
    raise KafkaError("unexpected")


async def test_a_member_that_comes_before_its_topic_is_not_left_without_partitions(kafka_kit: KafkaKit) -> None:
    """It was given none, and kept waiting until its metadata was a minute old: spans of a first start came out late."""
    log = kafka_kit.make()
    kafka_kit.opened.append(log)
    early = Member(log, kafka_kit.topic, kafka_kit.group())
    with pytest.raises(LogUnavailable, match="no topic"):
        await early.consumer.start()
    await log.start()
    await early.consumer.start()
    await early.until(lambda: bool(early.given))
    assert early.given == [frozenset({Partition(kafka_kit.topic, 0)})]
