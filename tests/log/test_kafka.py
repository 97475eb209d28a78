"""What is special about the Kafka log: generations, brokers that go away, transactions, topics, the producer."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from litefuse.errors import ConfigError, Fenced, LogFull, LogUnavailable, RecordTooLarge
from litefuse.log import is_sqlite, open_log
from litefuse.log import kafka_private as private
from litefuse.log.base import DEAD, TRACES, Partition
from litefuse.log.kafka import KafkaLog
from litefuse.log.kafka_connect import cluster
from litefuse.settings import Secret, Settings
from tests.log import kit as kits
from tests.log.kit import KafkaKit, Member, until
from tests.log.test_contract import resets
from tests.servers.kafka import KafkaServer


@pytest.fixture
async def admin(kafka: KafkaServer) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await client.start()
    yield client
    await client.close()


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


async def config(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


# -- topics ----------------------------------------------------------------------------------------------------------


async def test_topics_are_made_as_they_should_be(kafka: KafkaServer, admin: AIOKafkaAdminClient) -> None:
    settings = Settings(log_url=Secret(f"kafka://{kafka.bootstrap}"))
    logs = [KafkaLog(settings), KafkaLog(settings), KafkaLog(settings)]
    await asyncio.gather(*[log.start() for log in logs])  # at once: somebody is faster
    largest = os.urandom(logs[0].max_value_bytes([]))
    await logs[0].publish(TRACES, largest, [])
    await logs[1].publish(DEAD, largest, [("error", b"x" * 100_000)])  # what may be too large to keep can be put away
    await asyncio.gather(*[log.close() for log in logs])
    topics = {t["topic"]: len(t["partitions"]) for t in await admin.describe_topics([TRACES, DEAD])}
    assert topics == {TRACES: 6, DEAD: 6}
    traces, dead = await config(admin, TRACES), await config(admin, DEAD)
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


# -- publishing ------------------------------------------------------------------------------------------------------


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


# -- transactions ----------------------------------------------------------------------------------------------------


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


# -- where reading goes on -------------------------------------------------------------------------------------------


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


# -- generations -----------------------------------------------------------------------------------------------------


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


# -- brokers that go away --------------------------------------------------------------------------------------------


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


# -- getting in ------------------------------------------------------------------------------------------------------


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[tuple[KafkaServer, Path]]:
    """A broker that speaks TLS and wants a user and a password."""
    key, cert, both = tmp_path / "key.pem", tmp_path / "cert.pem", tmp_path / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    both.write_text(key.read_text() + cert.read_text())
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    server = KafkaServer(
        listener="SASL_SSL",
        properties={
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(both),
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{module} required user_litefuse="p@ss:w/rd";',
        },
    )
    with server:
        yield server, cert


async def test_tls_and_password(locked: tuple[KafkaServer, Path]) -> None:
    server, cert = locked
    values: dict[str, Any] = {"kafka_ssl_cafile": str(cert), "kafka_partitions": 1, "publish_timeout_s": 5.0}
    url = f"kafka+ssl://litefuse:p%40ss%3Aw%2Frd@{server.bootstrap}"
    log = open_log(Settings(log_url=Secret(url), **values))
    try:
        await until(lambda: _started(log))
        await log.publish(TRACES, b"secret", [])
        assert [r.value async for r in log.read(TRACES)] == [b"secret"]
        member = await Member(log, TRACES, "g").join()
        await member.read(1)
        await member.consumer.commit(member.partition, 1)
    finally:
        await log.close()
    for wrong, settings in (
        ("password", Settings(log_url=Secret(url.replace("p%40ss", "guess")), **values)),
        ("authority", Settings(log_url=Secret(url), **{**values, "kafka_ssl_cafile": ""})),
    ):
        log = open_log(settings)
        with pytest.raises(LogUnavailable) as caught:
            await log.start()
        assert "guess" not in str(caught.value), wrong
        await log.close()


async def _started(log: Any) -> bool:
    await log.start()
    return True


@pytest.mark.parametrize(
    ("url", "servers", "user", "password", "tls"),
    [
        ("kafka://h:9092", ("h:9092",), None, None, False),
        ("kafka://h", ("h:9092",), None, None, False),
        ("kafka://a:1,b:2,c/", ("a:1", "b:2", "c:9092"), None, None, False),
        ("kafka://[::1]:19092,[fe80::1]", ("[::1]:19092", "[fe80::1]:9092"), None, None, False),
        ("kafka://u:p@h", ("h:9092",), "u", "p", False),
        ("kafka+ssl://u%40corp:p%3A%2F%40@h:1,i:2", ("h:1", "i:2"), "u@corp", "p:/@", True),
        ("kafka+ssl://u:p@ss@h", ("h:9092",), "u", "p@ss", True),
    ],
)
def test_addresses(url: str, servers: tuple[str, ...], user: str | None, password: str | None, tls: bool) -> None:
    settings = Settings(log_url=Secret(url))
    assert not is_sqlite(settings)
    found = cluster(settings)
    assert (found.servers, found.user, found.password, found.tls) == (servers, user, password, tls)
    protocol = ("SASL_" if user else "") + ("SSL" if tls else "PLAINTEXT")
    assert found.client()["security_protocol"] == protocol


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "kafka:h",
        "kafka://",
        "kafka://h:0",
        "kafka://h:99999",
        "kafka://h:port",
        "kafka://h:",
        "kafka://a,,b",
        "kafka://::1",
        "kafka://[::1",
        "kafka://secret@h",
        "kafka://:secret@h",
        "kafka://user:@h",
        "kafka://u:secret@h/topic",
        "kafka://u:secret@h?x=1",
    ],
)
def test_wrong_addresses_are_refused_and_tell_no_password(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^log_url: ") as caught:
        open_log(Settings(log_url=Secret(url)))
    assert "secret" not in str(caught.value)


def test_a_wrong_authority_file_is_a_wrong_setting(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    for text in (None, "no certificate"):
        if text:
            wrong.write_text(text)
        with pytest.raises(ConfigError, match="kafka_ssl_cafile"):
            open_log(Settings(log_url=Secret("kafka+ssl://h"), kafka_ssl_cafile=str(wrong)))
