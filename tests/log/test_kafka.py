"""What is special about the Kafka log: topics, the producer, transactions, where reading goes on."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from litefuse.errors import LogUnavailable, RecordTooLarge
from litefuse.log.base import DEAD, TRACES
from litefuse.log.kafka import KafkaLog
from litefuse.settings import Secret, Settings
from tests.log.kit import KafkaKit, Member, until
from tests.log.test_contract import resets
from tests.servers.kafka import KafkaServer


@pytest.fixture
async def admin(kafka: KafkaServer) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await client.start()
    yield client
    await client.close()


async def config(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


# -- topics -----------------------------------------------------------------------------------------------------------


async def test_topics_are_made_as_they_should_be() -> None:
    with KafkaServer() as fresh:  # other tests have these topics on the shared broker
        settings = Settings(log_url=Secret(f"kafka://{fresh.bootstrap}"))
        logs = [KafkaLog(settings), KafkaLog(settings), KafkaLog(settings)]
        await asyncio.gather(*[log.start() for log in logs])  # at once: somebody is faster
        largest = os.urandom(logs[0].max_value_bytes([]))
        await logs[0].publish(TRACES, largest, [])
        # What may be too large to keep can be put away.
        await logs[1].publish(DEAD, largest, [("error", b"x" * 100_000)])
        await asyncio.gather(*[log.close() for log in logs])
        admin = AIOKafkaAdminClient(bootstrap_servers=fresh.bootstrap)
        await admin.start()
        topics = {t["topic"]: len(t["partitions"]) for t in await admin.describe_topics([TRACES, DEAD])}
        traces, dead = await config(admin, TRACES), await config(admin, DEAD)
        await admin.close()
    assert topics == {TRACES: 6, DEAD: 6}
    assert traces["max.message.bytes"] == "8388608"
    assert traces["message.timestamp.type"] == "LogAppendTime"
    assert dead["max.message.bytes"] == str(8388608 + 1048576)
    assert dead["retention.ms"] == "-1"
    assert traces["retention.ms"] != "-1"


async def test_too_few_brokers_for_the_replicas_is_said(kafka_kit: KafkaKit) -> None:
    log = kafka_kit.make(kafka_replication=3)
    with pytest.raises(LogUnavailable, match=r"kafka_replication=3\): InvalidReplicationFactorError"):
        await log.start()
    await log.close()


async def test_a_topic_that_takes_less_is_respected(kafka_kit: KafkaKit, admin: AIOKafkaAdminClient) -> None:
    configs = {"max.message.bytes": "100000"}
    await admin.create_topics([NewTopic(kafka_kit.topic, 1, 1, topic_configs=configs)])
    log = await kafka_kit.open()
    limit = log.max_value_bytes([])
    assert 99_000 < limit < 100_000
    await log.publish(kafka_kit.topic, os.urandom(limit), [])
    with pytest.raises(RecordTooLarge):
        await log.publish(kafka_kit.topic, os.urandom(limit + 1), [])


async def test_a_limit_lowered_while_running(kafka_kit: KafkaKit, admin: AIOKafkaAdminClient) -> None:
    """A batch that is refused as a whole is taken apart: what fits is stored, what does not is named, nothing else fails."""
    log = await kafka_kit.open(kafka_linger_ms=200)
    await log.publish(kafka_kit.topic, b"first", [])
    await admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, kafka_kit.topic, {"max.message.bytes": "70000"})]
    )
    values = [os.urandom(size) for size in (30_000, 30_000, 100_000, 30_000, 30_000)]
    done = await asyncio.gather(*[log.publish(kafka_kit.topic, value, []) for value in values], return_exceptions=True)
    assert [type(each).__name__ for each in done] == ["Placed", "Placed", "RecordTooLarge", "Placed", "Placed"]
    stored = [r.value async for r in log.read(kafka_kit.topic)][1:]
    assert sorted(stored) == sorted(values[:2] + values[3:]), "each once"
    assert log.max_value_bytes([]) < 70_000


async def test_an_unknown_topic_is_unavailable(kafka_kit: KafkaKit) -> None:
    log = await kafka_kit.open(timeout=1.0)
    with pytest.raises(LogUnavailable, match="cannot be reached"):
        await log.publish("no.such.topic", b"x", [])


# -- publishing -------------------------------------------------------------------------------------------------------


async def test_records_without_a_key_spread_in_batches(kafka_kit: KafkaKit) -> None:
    log = await kafka_kit.open(kafka_partitions=3)
    for _ in range(12):
        await asyncio.gather(*[log.publish(kafka_kit.topic, b"x" * 100, []) for _ in range(20)])
    found = Counter([r.partition async for r in log.read(kafka_kit.topic)])
    assert found == {0: 80, 1: 80, 2: 80}


async def test_a_key_keeps_to_the_partition_that_other_clients_choose(kafka_kit: KafkaKit) -> None:
    log = await kafka_kit.open(kafka_partitions=5)
    theirs = AIOKafkaProducer(bootstrap_servers=kafka_kit.bootstrap)
    await theirs.start()
    for i in range(40):
        key = b"key-%d" % (i % 10)
        ours = await log.publish(kafka_kit.topic, b"x", [], key)
        assert (await theirs.send_and_wait(kafka_kit.topic, b"y", key=key)).partition == ours.partition
    await theirs.stop()


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "zstd", "lz4"])
async def test_every_codec(kafka_kit: KafkaKit, codec: str) -> None:
    log = await kafka_kit.open(kafka_compression=codec)
    values = [b"text " * 20_000, os.urandom(100_000), b""]
    await asyncio.gather(*[log.publish(kafka_kit.topic, value, [("h", b"v")]) for value in values])
    assert [r.value async for r in log.read(kafka_kit.topic)] == values


async def test_a_producer_in_a_fatal_state_is_replaced(kafka_kit: KafkaKit) -> None:
    """The broker refuses what does not follow the last sequence number; so would it for ever after."""
    log = await kafka_kit.open()
    await log.publish(kafka_kit.topic, b"1", [])
    publisher = log._publisher
    broken = publisher.producer()
    assert broken is not None
    broken._txn_manager._sequence_numbers[TopicPartition(kafka_kit.topic, 0)] += 7
    with pytest.raises(LogUnavailable, match="OutOfOrderSequenceNumber"):
        await log.publish(kafka_kit.topic, b"2", [])

    async def published() -> bool:
        return (await log.publish(kafka_kit.topic, b"3", [])).offset == 1

    await until(published)
    assert publisher.replaced == 1
    assert publisher.producer() is not broken
    assert publisher.waiting_bytes == 0


async def test_a_new_producer_knows_the_leaders_of_all_topics(kafka_kit: KafkaKit) -> None:
    """It forgot those of the topics that nothing is sent to, and the log was called unusable for ever: ingest stayed not ready
    after a restart of the broker, while it accepted spans."""
    other = f"{kafka_kit.topic}.dead"
    log = KafkaLog(kafka_kit.settings(), topics=(kafka_kit.topic, other))
    kafka_kit.opened.append(log)
    await log.start()
    await log.publish(kafka_kit.topic, b"1", [])
    publisher = log._publisher
    broken = publisher.producer()
    assert broken is not None
    publisher._replace(broken, KafkaError("as after a failed batch"))

    async def replaced() -> bool:
        return publisher.replaced == 1 and publisher.producer() is not None

    await until(replaced)
    await log.publish(kafka_kit.topic, b"2", [])
    for _ in range(3):  # each asks for what is known of the topics anew
        await log.ping()


async def test_foreign_records(kafka_kit: KafkaKit) -> None:
    log = await kafka_kit.open()
    producer = AIOKafkaProducer(bootstrap_servers=kafka_kit.bootstrap)
    await producer.start()
    await producer.send_and_wait(kafka_kit.topic, None, key=b"tombstone")
    await producer.send_and_wait(kafka_kit.topic, b"otlp", headers=[("null", None), ("bytes", b"\xff")])
    await producer.stop()
    member = await Member(log, kafka_kit.topic, kafka_kit.group()).join()
    tombstone, foreign = await member.read(2)
    assert (tombstone.value, tombstone.key, tombstone.headers) == (b"", b"tombstone", ())
    assert foreign.headers == (("null", b""), ("bytes", b"\xff"))
    assert foreign.header("bytes") == "\ufffd"


# -- transactions -----------------------------------------------------------------------------------------------------


async def test_positions_pass_over_markers_and_aborted_records(kafka_kit: KafkaKit) -> None:
    log = await kafka_kit.open()
    producer = AIOKafkaProducer(bootstrap_servers=kafka_kit.bootstrap, transactional_id=kafka_kit.topic)
    await producer.start()
    async with producer.transaction():
        for value in (b"0", b"1"):
            await producer.send_and_wait(kafka_kit.topic, value)
    # 2 is the marker
    await producer.begin_transaction()
    await producer.send_and_wait(kafka_kit.topic, b"aborted")
    await producer.abort_transaction()
    # 3 is the aborted record, 4 its marker
    member = await Member(log, kafka_kit.topic, kafka_kit.group()).join()
    await member.until(lambda: member.consumer.position(member.partition) == 5)
    assert [(r.offset, r.value) for r in member.records] == [(0, b"0"), (1, b"1")]
    for offset in (4, 5):
        await member.consumer.commit(member.partition, offset)
        assert (await log.positions(kafka_kit.topic, kafka_kit.group()))[member.partition] == (offset, 5, None)
    assert [r.offset async for r in log.read(kafka_kit.topic)] == [0, 1]
    assert [await log.fetch(kafka_kit.topic, 0, offset) for offset in (2, 3, 4)] == [None] * 3
    # An open transaction: not to be read yet, by anybody.
    async with producer.transaction():
        await producer.send_and_wait(kafka_kit.topic, b"open")
        assert [r.offset async for r in log.read(kafka_kit.topic)] == [0, 1]
        assert await log.fetch(kafka_kit.topic, 0, 5) is None
        assert await member.poll(timeout=0.3) == []
    assert [r.offset for r in await member.read(3)] == [0, 1, 5]
    await producer.stop()


# -- where reading goes on --------------------------------------------------------------------------------------------


async def test_retention_has_overrun_the_commit(kafka_kit: KafkaKit, admin: AIOKafkaAdminClient) -> None:
    log = await kafka_kit.open()
    for i in range(10):
        await log.publish(kafka_kit.topic, b"%d" % i, [])
    member = await Member(log, kafka_kit.topic, kafka_kit.group()).join()
    await member.consumer.commit(member.partition, 2)
    await member.consumer.stop()
    await admin.delete_records({TopicPartition(kafka_kit.topic, 0): RecordsToDelete(before_offset=6)})
    assert await log.fetch(kafka_kit.topic, 0, 3) is None
    assert [r.offset async for r in log.read(kafka_kit.topic)] == [6, 7, 8, 9]
    before = resets()
    member = await Member(log, kafka_kit.topic, kafka_kit.group()).join()
    assert [r.offset for r in await member.read(4)] == [6, 7, 8, 9]
    assert resets() == before + 1
    committed, end, oldest = (await log.positions(kafka_kit.topic, kafka_kit.group()))[member.partition]
    assert (committed, end) == (2, 10)
    assert oldest is not None


async def test_partitions_that_are_added_are_found(kafka_kit: KafkaKit) -> None:
    log = await kafka_kit.open(kafka_partitions=2)
    member = await Member(log, kafka_kit.topic, kafka_kit.group()).join()
    await log.publish(kafka_kit.topic, b"0", [])
    await member.read(1)
    positions = await log.positions(kafka_kit.topic, kafka_kit.group())
    assert sorted(p.number for p in positions) == [0, 1]
    assert sum(p.end for p in positions.values()) == 1
    assert await log.positions("no.such.topic", kafka_kit.group()) == {}
