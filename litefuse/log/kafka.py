"""The log on Apache Kafka (architecture sections 5 and 6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from litefuse.errors import LogUnavailable
from litefuse.log import kafka_topics
from litefuse.log.base import DEAD, TRACES, Headers, Hooks, Partition, Placed, Position, Record
from litefuse.log.kafka_connect import cluster, said
from litefuse.log.kafka_consume import KafkaConsumer, Membership
from litefuse.log.kafka_publish import Publisher
from litefuse.log.kafka_read import Reader
from litefuse.settings import Settings

_PING_S = 3.0


class KafkaLog:
    """`litefuse.log.base.Log`. `topics` are made at `start` when they are missing, and pinged; others may be read and
    published to when they exist."""

    def __init__(self, settings: Settings, *, topics: Iterable[str] = (TRACES, DEAD)) -> None:
        self._settings = settings
        self._topics = tuple(topics)
        self._cluster = cluster(settings)
        self._client = self._cluster.client()  # reads the CA file now: a wrong path is a wrong setting
        self._reader = Reader(self._cluster)
        self._consumers: list[KafkaConsumer] = []
        self._publisher = Publisher(
            self._producer,
            self._limit,
            timeout=settings.publish_timeout_s,
            linger=settings.kafka_linger_ms / 1000,
            buffer_bytes=settings.kafka_buffer_bytes,
        )

    async def start(self) -> None:
        """Connect, and make missing topics; within the deadline for publishing. May be called again after
        LogUnavailable."""
        try:
            async with asyncio.timeout(self._settings.publish_timeout_s):
                limits = await self._prepare()
                if self._publisher.producer() is None:
                    await self._publisher.start()
                for topic, limit in limits.items():
                    await self._publisher.learn(topic, limit)
        except (KafkaError, OSError, TimeoutError) as error:
            raise LogUnavailable(
                f"Kafka cannot be reached at {', '.join(self._cluster.servers)}: {said(error)}"
            ) from error

    async def close(self) -> None:
        consumers, self._consumers = self._consumers, []
        for consumer in consumers:
            await consumer.stop()
        await self._publisher.close()
        await self._reader.close()

    async def publish(self, topic: str, value: bytes, headers: Headers, key: bytes | None = None) -> Placed:
        """Offset -1 in the answer: the record is there, but Kafka has forgotten where (a repeated batch)."""
        return await self._publisher.publish(topic, value, headers, key)

    def max_value_bytes(self, headers: Headers) -> int:
        topic = self._topics[0] if self._topics else ""
        return self._publisher.max_value_bytes(topic, headers, self._settings.kafka_max_message_bytes)

    def consumer(self, topic: str, group: str, hooks: Hooks | None = None) -> KafkaConsumer:
        settings = self._settings
        membership = Membership(group, settings.kafka_instance_id, settings.kafka_session_timeout_s)
        consumer = KafkaConsumer(self._cluster, topic, membership, hooks or Hooks())
        self._consumers.append(consumer)
        return consumer

    def read(self, topic: str) -> AsyncIterator[Record]:
        return self._reader.read(topic)

    async def fetch(self, topic: str, partition: int, offset: int) -> Record | None:
        return await self._reader.fetch(topic, partition, offset)

    async def positions(self, topic: str, group: str) -> Mapping[Partition, Position]:
        return await self._reader.positions(topic, group)

    async def ping(self) -> None:
        producer = self._publisher.producer()
        if producer is None:
            raise LogUnavailable("the producer is not connected")
        try:
            async with asyncio.timeout(_PING_S):
                answered = await producer.client.force_metadata_update()
        except (KafkaError, OSError, TimeoutError) as error:
            raise LogUnavailable(f"Kafka does not answer: {said(error)}") from error
        if not answered:
            raise LogUnavailable("no Kafka broker answers")
        for topic in self._topics:
            if not producer.client.cluster.available_partitions_for_topic(topic):
                raise LogUnavailable(f"no partition of {topic} has a leader")

    # -- inside ------------------------------------------------------------------------------------------------------

    def _producer(self) -> AIOKafkaProducer:
        codec = self._settings.kafka_compression
        return AIOKafkaProducer(
            **self._client,
            acks="all",
            enable_idempotence=True,
            compression_type=None if codec == "none" else codec,
            max_batch_size=self._settings.kafka_max_message_bytes,
            max_request_size=self._settings.kafka_max_message_bytes,
            linger_ms=0,  # our own batches have waited already
        )

    async def _prepare(self) -> Mapping[str, int]:
        admin = AIOKafkaAdminClient(**self._client)
        try:
            await admin.start()
            await kafka_topics.ensure(admin, self._settings, self._topics)
            return await kafka_topics.message_limits(admin, self._settings, self._topics)
        finally:
            await admin.close()

    async def _limit(self, topic: str) -> int:
        admin = AIOKafkaAdminClient(**self._client)
        try:
            await admin.start()
            return (await kafka_topics.message_limits(admin, self._settings, [topic]))[topic]
        finally:
            await admin.close()
