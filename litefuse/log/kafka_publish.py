"""Publishing to Kafka: records become batches, batches go to partitions, and everything that waits is counted in bytes.

aiokafka's producer sends and repeats (idempotent, `acks=all`); the batches are made here, because its own `send` waits
without a bound of bytes when a partition's batch is full, and picks a random partition for each record, so that no batch
fills. Here a record without a key joins the topic's one open batch, and the batch goes to the next partition that has
nothing on the way: batches fill, and partitions take turns. While all partitions are busy the open batch grows.

A partition has one batch on the way at a time. What has not been handed to the producer when its time is over is dropped
and was never sent; what has been handed over is repeated by the producer until the broker answers, and counts until then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from litefuse.errors import LogError, LogFull, LogUnavailable, RecordTooLarge
from litefuse.log import kafka_private as private
from litefuse.log.base import Headers, Placed
from litefuse.log.kafka_connect import said
from litefuse.telemetry.logs import event

logger = logging.getLogger("litefuse.log.kafka")

#: Bytes after which a batch is sent. One batch is compressed in one go, on the event loop.
BATCH_BYTES = 512 << 10
#: Of a batch: its own header, and a record's at most, with the lengths of key and value.
_OVERHEAD = 61 + 21 + 10
_HEADER_OVERHEAD = 10
#: Counted for a record's objects, besides its bytes.
_OBJECTS = 200
#: Seconds between two tries to replace a producer.
_RETRY_S = 0.5

_partition_of_key = DefaultPartitioner()


@dataclass(slots=True)
class Entry:
    """One record on its way; kept until it is confirmed, for the case that its batch has to be taken apart."""

    value: bytes
    headers: Headers
    key: bytes | None
    size: int
    future: asyncio.Future[Placed]


@dataclass(slots=True, eq=False)
class Batch:
    builder: BatchBuilder
    partition: int | None
    timer: asyncio.TimerHandle | None = None
    entries: list[Entry] = field(default_factory=list)
    size: int = 0
    ripe: bool = False
    """It has waited long enough (linger)."""
    sent: bool = False
    dropped: bool = False


@dataclass(eq=False)
class Topic:
    name: str
    limit: int
    """Bytes of the largest message the topic takes."""
    open: dict[int | None, Batch] = field(default_factory=dict)
    """By partition; None is the batch of records without a key."""
    ready: deque[Batch] = field(default_factory=deque)
    busy: set[int] = field(default_factory=set)
    turn: int = 0


def overhead(headers: Headers, key: bytes | None = None) -> int:
    """Bytes a message has beside its value, at most."""
    size = _OVERHEAD + (len(key) if key else 0)
    for name, value in headers:
        # Length in UTF-8; a name is ASCII as good as always.
        size += _HEADER_OVERHEAD + (len(name) if name.isascii() else len(name.encode())) + len(value)
    return size


def payload(limit: int) -> int:
    """What of a message's limit is for records: what cannot be compressed grows when it is (per 32 KiB a few bytes)."""
    return limit - limit // 1024 - 64


class Publisher:
    """`limits` looks up how large a message a topic takes, anew each time; `timeout` and `linger` are seconds."""

    def __init__(
        self,
        make: Callable[[], AIOKafkaProducer],
        limits: Callable[[str], Awaitable[int]],
        *,
        timeout: float,
        linger: float,
        buffer_bytes: int,
    ) -> None:
        self._make = make
        self._limits = limits
        self._timeout = timeout
        self._linger = linger
        self._buffer_bytes = buffer_bytes
        self._producer: AIOKafkaProducer | None = None
        self._topics: dict[str, Topic] = {}
        self._sound = asyncio.Event()  # the producer works, as far as we know
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._silent = False
        self.waiting_bytes = 0
        self.replaced = 0

    async def start(self) -> None:
        """Connect. Raises KafkaError, OSError, TimeoutError; may be called again then."""
        self._loop = asyncio.get_running_loop()
        self._producer = await self._connect()
        self._sound.set()

    async def close(self) -> None:
        """Send what waits, within the deadline; what is not confirmed then fails with LogUnavailable."""
        self._closed = True
        for topic in self._topics.values():
            for batch in list(topic.open.values()):
                self._ship(topic, batch)
        deadline = time.monotonic() + self._timeout
        while self._tasks and (left := deadline - time.monotonic()) > 0:  # each may send what waited behind it
            await asyncio.wait(self._tasks, timeout=left)
        for topic in self._topics.values():
            for batch in topic.ready:
                self._fail(batch, "the log was closed")
            topic.ready.clear()
        if self._producer is not None:
            await private.stop_producer(self._producer, 2.0)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def publish(self, name: str, value: bytes, headers: Headers, key: bytes | None) -> Placed:
        if self._closed or self._producer is None:
            raise LogUnavailable("the log is not connected")
        topic = self._topics.get(name) or await self._learn(name)
        beside = overhead(headers, key)
        size = beside + len(value)
        if size > payload(topic.limit):
            raise RecordTooLarge(len(value), payload(topic.limit) - beside)
        if self.waiting_bytes and self.waiting_bytes + size + _OBJECTS > self._buffer_bytes:
            raise LogFull(f"{self.waiting_bytes} bytes wait for Kafka")
        entry = Entry(value, headers, key, size + _OBJECTS, self._loop.create_future())
        self._append(topic, entry)
        return await entry.future

    def max_value_bytes(self, name: str, headers: Headers, default: int) -> int:
        topic = self._topics.get(name)
        return max(payload(topic.limit if topic else default) - overhead(headers), 0)

    def producer(self) -> AIOKafkaProducer | None:
        """The producer in use; None while it is not known to work."""
        return self._producer if self._sound.is_set() and not self._closed else None

    async def learn(self, name: str, limit: int) -> None:
        """Make a topic known before its first record. Raises KafkaError."""
        if self._producer is not None:
            await self._producer.partitions_for(name)
        self._topics.setdefault(name, Topic(name, limit)).limit = limit

    # -- batches -----------------------------------------------------------------------------------------------------

    async def _learn(self, name: str) -> Topic:
        try:
            async with asyncio.timeout(self._timeout):
                await self.learn(name, await self._limits(name))
        except (KafkaError, OSError, TimeoutError) as error:
            raise LogUnavailable(f"topic {name} cannot be reached: {said(error)}") from error
        return self._topics[name]

    def _append(self, topic: Topic, entry: Entry) -> None:
        slot = None if entry.key is None else self._partition_of(topic, entry.key)
        batch = topic.open.get(slot)
        if batch is not None and batch.size + entry.size > min(BATCH_BYTES, payload(topic.limit)):
            self._ship(topic, batch)
            batch = None
        if batch is None:
            batch = topic.open[slot] = self._new_batch(topic, slot)
            self._loop.call_later(self._linger, self._ripen, topic, batch)
        self._fill(batch, entry)

    def _new_batch(self, topic: Topic, partition: int | None) -> Batch:
        assert self._producer is not None
        batch = Batch(self._producer.create_batch(), partition)
        batch.timer = self._loop.call_later(self._timeout, self._expire, topic, batch)
        return batch

    def _fill(self, batch: Batch, entry: Entry) -> None:
        # The builder's own bound is the largest message; ours is lower, but for the single record that exceeds it.
        done = batch.builder.append(timestamp=None, key=entry.key, value=entry.value, headers=entry.headers)
        assert done is not None, "a record that was measured must fit"
        batch.entries.append(entry)
        batch.size += entry.size
        self.waiting_bytes += entry.size

    def _ripen(self, topic: Topic, batch: Batch) -> None:
        batch.ripe = True
        if topic.open.get(batch.partition) is batch and self._free(topic, batch) is not None:
            self._ship(topic, batch)

    def _ship(self, topic: Topic, batch: Batch) -> None:
        """Close the open batch; it goes out when a partition is free for it."""
        if topic.open.get(batch.partition) is batch:
            del topic.open[batch.partition]
        topic.ready.append(batch)
        self._pump(topic)

    def _pump(self, topic: Topic) -> None:
        """Send what can be sent now: closed batches first, then open ones that are ripe."""
        waiting = deque(batch for batch in topic.ready if not batch.dropped)
        topic.ready.clear()
        waiting.extend(batch for batch in topic.open.values() if batch.ripe)
        for batch in waiting:
            partition = self._free(topic, batch)
            if partition is not None:
                if topic.open.get(batch.partition) is batch:
                    del topic.open[batch.partition]
                topic.busy.add(partition)
                topic.turn += batch.partition is None
                self._spawn(self._send(topic, batch, partition))
            elif topic.open.get(batch.partition) is not batch:
                topic.ready.append(batch)

    def _free(self, topic: Topic, batch: Batch) -> int | None:
        """A partition this batch can go to now: its own, or the next in turn that is not busy and has a leader."""
        if batch.partition is not None:
            return None if batch.partition in topic.busy else batch.partition
        partitions = sorted(self._partitions(topic))
        start = topic.turn % len(partitions)
        return next((p for p in partitions[start:] + partitions[:start] if p not in topic.busy), None)

    def _partition_of(self, topic: Topic, key: bytes) -> int:
        """The same for a key as long as the topic has as many partitions, whatever leaders it has now."""
        assert self._producer is not None
        partitions = self._producer.client.cluster.partitions_for_topic(topic.name) or {0}
        return int(_partition_of_key(key, sorted(partitions), []))

    def _partitions(self, topic: Topic) -> set[int]:
        assert self._producer is not None
        cluster = self._producer.client.cluster
        return cluster.available_partitions_for_topic(topic.name) or cluster.partitions_for_topic(topic.name) or {0}

    # -- sending -----------------------------------------------------------------------------------------------------

    async def _send(self, topic: Topic, batch: Batch, partition: int) -> None:
        try:
            await self._sound.wait()
            producer = self._producer
            if batch.dropped or producer is None or not batch.entries:
                return
            batch.sent = True
            try:
                delivery = await producer.send_batch(batch.builder, topic.name, partition=partition)
                offset: int = (await delivery).offset
            except KafkaError as error:
                # The failed batch has used up sequence numbers that the broker has not seen: from now on it would refuse
                # whatever this producer sends to that partition.
                self._replace(producer, error)
                await self._failed(topic, batch, error)
            else:
                self._settle(batch, [Placed(partition, offset + i) for i in range(len(batch.entries))])
        finally:
            if batch.size:  # cancelled while closing
                self._fail(batch, "Kafka has not confirmed the record")
            topic.busy.discard(partition)
            self._pump(topic)

    async def _failed(self, topic: Topic, batch: Batch, error: KafkaError) -> None:
        if not isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
            self._fail(batch, f"Kafka has not taken the record: {said(error)}")
            return
        # The topic's limit is lower than we knew. Learn it; what was refused for its neighbours' sake goes again alone.
        try:
            async with asyncio.timeout(self._timeout):
                topic.limit = await self._limits(topic.name)
        except (KafkaError, LogError, OSError, TimeoutError) as failure:
            event(logger, logging.WARNING, "the topic's limit cannot be read", topic=topic.name, error=failure)
        entries = list(batch.entries)
        alone = len(entries) == 1
        self._settle(batch, [])
        for entry in entries:
            if entry.future.done():
                continue
            limit = payload(topic.limit)
            if alone or entry.size - _OBJECTS > limit:
                beside = overhead(entry.headers, entry.key)
                entry.future.set_exception(RecordTooLarge(len(entry.value), limit - beside))
                continue
            single = self._new_batch(topic, batch.partition)
            self._fill(single, entry)
            topic.ready.append(single)

    def _settle(self, batch: Batch, places: list[Placed]) -> None:
        """The batch is off our hands."""
        if batch.timer is not None:
            batch.timer.cancel()
        self.waiting_bytes -= batch.size
        batch.size = 0
        if places and self._silent:
            self._silent = False
            event(logger, logging.INFO, "Kafka confirms records again")
        for entry, placed in zip(batch.entries, places, strict=False):
            if not entry.future.done():
                entry.future.set_result(placed)

    def _fail(self, batch: Batch, why: str) -> None:
        for entry in batch.entries:
            if not entry.future.done():
                entry.future.set_exception(LogUnavailable(why))
        self._settle(batch, [])

    def _expire(self, topic: Topic, batch: Batch) -> None:
        """Its publishers wait no longer."""
        if not self._silent:
            self._silent = True
            event(logger, logging.WARNING, "Kafka does not confirm records in time", topic=topic.name)
        if batch.sent:
            for entry in batch.entries:
                if not entry.future.done():
                    entry.future.set_exception(LogUnavailable("Kafka did not confirm in time"))
            return
        batch.dropped = True
        if topic.open.get(batch.partition) is batch:
            del topic.open[batch.partition]
        self._fail(batch, "Kafka could not be reached in time; nothing was sent")

    # -- the producer ------------------------------------------------------------------------------------------------

    async def _connect(self) -> AIOKafkaProducer:
        producer = self._make()
        try:
            async with asyncio.timeout(self._timeout):
                await producer.start()
            # Of other topics than those it is told of and those it sends to, a client forgets who leads them, and a ping
            # would find the log unusable for ever.
            for name in self._topics:
                producer.client.add_topic(name)
        except BaseException:
            await private.stop_producer(producer, 1.0)
            raise
        return producer

    def _replace(self, producer: AIOKafkaProducer, error: KafkaError) -> None:
        if producer is self._producer and self._sound.is_set() and not self._closed:
            event(logger, logging.WARNING, "producer failed, a new one takes its place", error=repr(error))
            self._sound.clear()
            self._spawn(self._renew(producer))

    async def _renew(self, old: AIOKafkaProducer) -> None:
        while not self._closed:
            try:
                self._producer = await self._connect()
                break
            except (KafkaError, OSError, TimeoutError):
                await asyncio.sleep(_RETRY_S)
        self.replaced += 1
        self._sound.set()
        await private.stop_producer(old, self._timeout)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
