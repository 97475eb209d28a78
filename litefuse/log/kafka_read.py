"""Reading Kafka without a consumer group: one record, a whole topic, and where a group stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from litefuse.errors import LogUnavailable
from litefuse.log import kafka_private as private
from litefuse.log.base import Partition, Position, Record
from litefuse.log.kafka_connect import Cluster, said
from litefuse.log.kafka_records import record

_STOP_S = 2.0
_BATCH = 100
#: Bytes fetched to learn the time of one record: at least one batch comes, whatever its size.
_PEEK_BYTES = 1 << 10


class Reader:
    """Connections are made when they are needed, and anew after a failure. `timeout` of the cluster bounds each call."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._admin: AIOKafkaAdminClient | None = None
        self._peeker: AIOKafkaConsumer | None = None
        self._lock = asyncio.Lock()
        self._oldest: dict[TopicPartition, tuple[int, int]] = {}  # an offset, and when the record there arrived

    async def close(self) -> None:
        admin, self._admin = self._admin, None
        peeker, self._peeker = self._peeker, None
        if admin is not None:
            await admin.close()
        if peeker is not None:
            await private.stop_consumer(peeker, _STOP_S)

    async def positions(self, topic: str, group: str) -> Mapping[Partition, Position]:
        try:
            async with asyncio.timeout(self._cluster.timeout), self._lock:
                return await self._positions(topic, group)
        # aiokafka's own error branch of reading a group's offsets raises AttributeError for what the broker refuses.
        except (KafkaError, OSError, TimeoutError, AttributeError) as error:
            await self.close()
            raise LogUnavailable(f"positions of {topic} cannot be read: {said(error)}") from error

    async def read(self, topic: str) -> AsyncIterator[Record]:
        async with self._consumer() as consumer:
            tps = await self._within(private.partitions(consumer, topic))
            ends = await self._within(consumer.end_offsets(tps))
            for tp in tps:
                begin = (await self._within(consumer.beginning_offsets([tp])))[tp]
                consumer.assign([tp])
                consumer.seek(tp, begin)
                while private.position(consumer, tp) < ends[tp]:
                    for message in await self._next(consumer, tp):
                        if message.offset < ends[tp]:
                            yield record(message)

    async def fetch(self, topic: str, partition: int, offset: int) -> Record | None:
        tp = TopicPartition(topic, partition)
        async with self._consumer(max_partition_fetch_bytes=_PEEK_BYTES) as consumer:
            if tp not in await self._within(private.partitions(consumer, topic)):
                return None
            begin = (await self._within(consumer.beginning_offsets([tp])))[tp]
            end = (await self._within(consumer.end_offsets([tp])))[tp]
            if not begin <= offset < end:
                return None
            consumer.assign([tp])
            consumer.seek(tp, offset)
            while private.position(consumer, tp) <= offset:
                for message in await self._next(consumer, tp):
                    return record(message) if message.offset == offset else None
            return None  # a marker, or a record that compaction has taken

    # -- positions ---------------------------------------------------------------------------------------------------

    async def _positions(self, topic: str, group: str) -> Mapping[Partition, Position]:
        if self._admin is None:
            self._admin = AIOKafkaAdminClient(**self._cluster.client())
            await self._admin.start()
        if self._peeker is None:
            # Not `read_committed`: the end is where the next record goes, not where an open transaction begins.
            self._peeker = AIOKafkaConsumer(**self._cluster.client(), **_PEEK)
            await self._peeker.start()
        tps = await private.partitions(self._peeker, topic)
        committed = await self._admin.list_consumer_group_offsets(group, partitions=tps)
        begins = await self._peeker.beginning_offsets(tps)
        ends = await self._peeker.end_offsets(tps)
        found: dict[Partition, Position] = {}
        behind: dict[TopicPartition, int] = {}
        for tp in tps:
            offset = committed[tp].offset if tp in committed else -1
            found[Partition(*tp)] = Position(offset, ends[tp], None)
            if (at := max(offset, begins[tp])) < ends[tp]:
                behind[tp] = at
        for tp, arrived in (await self._times(self._peeker, behind, ends)).items():
            found[Partition(*tp)] = found[Partition(*tp)]._replace(oldest_ns=arrived)
        return found

    async def _times(
        self, consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """When the record at (or after) each offset arrived; absent where there is none, or it could not be read soon."""
        known = {tp: self._oldest[tp] for tp in offsets if tp in self._oldest and self._oldest[tp][0] == offsets[tp]}
        unknown = offsets.keys() - known.keys()
        consumer.assign(list(unknown))
        for tp in unknown:
            consumer.seek(tp, offsets[tp])
        deadline = asyncio.get_running_loop().time() + self._cluster.timeout / 4
        while unknown and asyncio.get_running_loop().time() < deadline:
            for tp, messages in (await consumer.getmany(*unknown, timeout_ms=100, max_records=1)).items():
                known[tp] = (offsets[tp], record(messages[0]).timestamp_ns)
                consumer.pause(tp)
            # Only markers are left where the end was reached without a record.
            unknown = {tp for tp in unknown - known.keys() if private.position(consumer, tp) < ends[tp]}
        self._oldest = known
        return {tp: arrived for tp, (_, arrived) in known.items()}

    # -- inside ------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _consumer(self, **more: Any) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(**self._cluster.client(), **_READ, **more)
        try:
            await self._within(consumer.start())
            yield consumer
        except KafkaError as error:
            raise LogUnavailable(f"Kafka cannot be read: {said(error)}") from error
        finally:
            await private.stop_consumer(consumer, _STOP_S)

    async def _next(self, consumer: AIOKafkaConsumer, tp: TopicPartition) -> list[Any]:
        """The next messages; none when only markers were passed. Raises LogUnavailable when nothing moves."""
        before = private.position(consumer, tp)
        deadline = asyncio.get_running_loop().time() + self._cluster.timeout
        while private.position(consumer, tp) == before:
            if asyncio.get_running_loop().time() > deadline:
                raise LogUnavailable(f"{tp.topic}/{tp.partition} does not answer")
            messages = (await consumer.getmany(tp, timeout_ms=200, max_records=_BATCH)).get(tp, [])
            if messages:
                return list(messages)
        return []

    async def _within(self, work: Any) -> Any:
        try:
            async with asyncio.timeout(self._cluster.timeout):
                return await work
        except (KafkaError, OSError, TimeoutError) as error:
            raise LogUnavailable(f"Kafka cannot be reached: {said(error)}") from error


_READ: dict[str, Any] = {
    "group_id": None,
    "auto_offset_reset": "none",
    "enable_auto_commit": False,
    "isolation_level": "read_committed",
    "fetch_max_wait_ms": 100,
}
_PEEK: dict[str, Any] = {**_READ, "isolation_level": "read_uncommitted", "max_partition_fetch_bytes": _PEEK_BYTES}
