"""A member of a consumer group on Kafka.

Generations are what makes a worker safe (architecture section 6): partitions belong to this member from the moment its
`poll` has announced them until `on_revoked` has returned, with the generation they were given in; a commit is sent only
under that generation, so what belongs to another member by now is refused, here or by the broker.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from litefuse.errors import Fenced, LogUnavailable
from litefuse.log import kafka_private as private
from litefuse.log.base import Committed, Hooks, Partition, Record
from litefuse.log.kafka_connect import Cluster, said
from litefuse.log.kafka_records import record
from litefuse.telemetry import metrics as m
from litefuse.telemetry.logs import event

logger = logging.getLogger("litefuse.log.kafka")

#: A fetch that waits for one partition keeps the others of that broker waiting; this bounds it.
_FETCH_WAIT_MS = 100
#: What the client may hold beyond what was polled, per broker and per partition (compressed).
_FETCH_BYTES = 16 << 20
_PARTITION_BYTES = 4 << 20
_COMMIT_RETRY_S = 0.1
_STOP_S = 5.0
#: A poll that finds nothing ends by itself; only one that is held up is left to the next call.
_SLACK_S = 0.1
#: The broker's own bound (`offset.metadata.max.bytes`).
_MAX_METADATA = 4096
#: Records asked for at once: few enough that, if they are as large as the largest of late, they fit what is asked for.
_MOST_RECORDS = 500

_OVER = (UnknownMemberIdError, IllegalGenerationError, RebalanceInProgressError)


#: What one poll has read, and the positions behind it.
_Turn = tuple[dict[Partition, list[Record]], dict[Partition, int]]


@dataclass(frozen=True)
class Membership:
    group: str
    instance_id: str
    """Static membership; empty for none."""
    session_timeout: float
    """Seconds."""


class KafkaConsumer:
    """`litefuse.log.base.Consumer`. Recovers by itself from brokers that come and go; a client whose background task
    has died is replaced."""

    def __init__(self, cluster: Cluster, topic: str, membership: Membership, hooks: Hooks) -> None:
        self.topic = topic
        self._cluster = cluster
        self._membership = membership
        self._hooks = hooks
        self._client: AIOKafkaConsumer | None = None
        self._started = False
        self._settled = False  # no rebalance is under way
        self._given: dict[Partition, int] | None = None  # assigned, not announced yet
        self._owned: dict[Partition, int] = {}  # partition: generation
        self._changed = asyncio.Event()
        self._turn: asyncio.Task[_Turn] | None = None
        self._positions: dict[Partition, int] = {}  # behind what poll has handed out
        self._stale: set[Partition] = set()
        self._commits = asyncio.Lock()
        self._largest = 1 << 20

    async def start(self) -> None:
        """Connect; the group is joined in the background, and `poll` announces what this member is given. Raises
        LogUnavailable also while the topic is missing."""
        if self._client is None:
            await self._connect()
        self._started = True

    async def _connect(self) -> AIOKafkaConsumer:
        client = self._make()
        try:
            async with asyncio.timeout(self._cluster.timeout):
                await client.start()
                # Members that join before there is a topic are given nothing, and hear of it only with the next
                # metadata, a minute later.
                if not await private.partitions(client, self.topic):
                    raise LogUnavailable(f"there is no topic {self.topic} yet")
        except (KafkaError, OSError, TimeoutError) as error:
            await private.stop_consumer(client, _STOP_S)
            raise LogUnavailable(f"Kafka cannot be reached: {said(error)}") from error
        except BaseException:
            await private.stop_consumer(client, _STOP_S)
            raise
        client.subscribe([self.topic], listener=_Listener(self))
        self._client = client
        return client

    async def stop(self) -> None:
        self._started = False
        client, self._client = self._client, None
        await self._drop_turn()
        self._owned.clear()
        self._given = None
        self._settled = False
        if client is not None:
            await private.stop_consumer(client, _STOP_S)

    def assignment(self) -> frozenset[Partition]:
        return frozenset(self._owned)

    async def poll(self, *, timeout: float, max_bytes: int) -> Mapping[Partition, Sequence[Record]]:
        # A task of its own: a rebalance ends it before it could return records of the next generation, and when the
        # caller is cancelled, what it has read is there for the next poll.
        if self._turn is None:
            self._turn = asyncio.ensure_future(self._poll(timeout, max_bytes))
        turn = self._turn
        await asyncio.wait({turn}, timeout=timeout + _SLACK_S)
        if not turn.done():
            return {}
        self._turn = None
        stale, self._stale = self._stale, set()
        if turn.cancelled():
            return {}
        read, positions = turn.result()
        self._positions.update({p: at for p, at in positions.items() if p in self._owned and p not in stale})
        return {p: records for p, records in read.items() if p in self._owned and p not in stale}

    def position(self, partition: Partition) -> int:
        # Not the client's own: that runs ahead of a poll that has read and not returned yet, and a plan would count as read.
        self._own(partition)
        return self._positions.get(partition, -1)

    def seek(self, partition: Partition, offset: int) -> None:
        client = self._own(partition)
        if self._turn is not None and self._turn.done():
            self._stale.add(partition)  # read before, and not fetched by poll yet
        try:
            client.seek(_tp(partition), offset)
        except IllegalStateError as error:
            raise Fenced(str(error)) from error
        self._positions[partition] = offset

    def pause(self, partitions: frozenset[Partition]) -> None:
        if (client := self._client) is not None:
            client.pause(*({_tp(p) for p in partitions} & client.assignment()))

    def resume(self, partitions: frozenset[Partition]) -> None:
        if (client := self._client) is not None:
            client.resume(*({_tp(p) for p in partitions} & client.assignment()))

    async def committed(self, partition: Partition) -> Committed:
        if self._client is None:
            raise LogUnavailable("the consumer is not connected")
        try:
            async with asyncio.timeout(self._cluster.timeout):
                found = await private.committed(self._client, _tp(partition))
        except (KafkaError, OSError, TimeoutError) as error:
            raise LogUnavailable(f"the commit of {partition} cannot be read: {said(error)}") from error
        return Committed(found.offset, found.metadata) if found is not None else Committed(-1, "")

    async def commit(self, partition: Partition, offset: int, metadata: str = "") -> None:
        if offset < 0 or len(metadata.encode()) > _MAX_METADATA:
            raise ValueError(f"cannot commit offset {offset} with {len(metadata)} characters of metadata")
        client = self._own(partition)
        generation = self._owned[partition]
        last: BaseException | None = None
        try:
            async with asyncio.timeout(self._cluster.timeout), self._commits:
                while True:
                    await private.coordinator_known(client)
                    if self._owned.get(partition) != generation or private.generation(client) != generation:
                        raise Fenced(f"{partition} was given in generation {generation}, which is over")
                    try:
                        await private.commit_once(client, _tp(partition), offset, metadata)
                    except _OVER as error:
                        raise Fenced(f"{partition}: {said(error)}") from error
                    except KafkaError as error:
                        if not error.retriable:
                            raise
                        last = error
                        await asyncio.sleep(_COMMIT_RETRY_S)
                    else:
                        return
        except (KafkaError, OSError, TimeoutError) as error:
            raise LogUnavailable(f"the commit of {partition} was not confirmed: {said(last or error)}") from error

    # -- rebalances --------------------------------------------------------------------------------------------------

    async def revoked(self) -> None:
        """The group rebalances, or this member was thrown out. Heartbeats go on meanwhile, within the group's deadline."""
        self._settled = False
        self._given = None
        await self._drop_turn()
        if not self._owned:
            return
        try:
            async with asyncio.timeout(self._membership.session_timeout * 0.6):
                await self._hooks.on_revoked(frozenset(self._owned))
        except TimeoutError:
            event(
                logger, logging.WARNING, "partitions were given up unfinished, the deadline was over", topic=self.topic
            )
        finally:
            self._owned.clear()

    def assigned(self, partitions: frozenset[Partition]) -> None:
        assert self._client is not None
        self._given = dict.fromkeys(partitions, private.generation(self._client))
        self._settled = True
        self._changed.set()

    async def _announce(self, given: dict[Partition, int]) -> None:
        """Called within `poll`, so that an error reaches its caller, and the hook is called again then."""
        self._owned = dict(given)  # the hook may pause, seek, commit
        self._positions.clear()
        try:
            await self._hooks.on_assigned(frozenset(given))
        except BaseException:
            self._owned = {}
            raise
        self._given = None
        event(
            logger,
            logging.INFO,
            "partitions assigned",
            topic=self.topic,
            group=self._membership.group,
            partitions=sorted(p.number for p in given),
        )

    # -- reading -----------------------------------------------------------------------------------------------------

    async def _poll(self, timeout: float, max_bytes: int) -> _Turn:
        deadline = time.monotonic() + timeout
        if not self._started:
            raise LogUnavailable("the consumer is not connected")
        try:
            if self._client is not None and private.ended(self._client):
                await self._let_go(self._client)
            client = self._client or await self._connect()
            private.raise_errors(client)
            if not self._settled:  # aiokafka would wait for the next assignment, and return its records unannounced
                self._changed.clear()
                async with asyncio.timeout(timeout):
                    await self._changed.wait()
            if self._given is not None:
                await self._announce(self._given)
            read = await self._read(client, max(deadline - time.monotonic(), 0), max_bytes)
            return read, {p: private.position(client, _tp(p)) for p in self._owned}
        except TimeoutError:
            return {}, {}
        except KafkaError as error:
            raise LogUnavailable(f"Kafka cannot be read: {said(error)}") from error

    async def _read(self, client: AIOKafkaConsumer, timeout: float, max_bytes: int) -> dict[Partition, list[Record]]:
        read: dict[Partition, list[Record]] = {}
        size = 0
        deadline = time.monotonic() + timeout
        private.polls(client)
        while size < max_bytes:
            most = max(1, min(_MOST_RECORDS, (max_bytes - size) // self._largest))
            wait = 0 if read else max(0, int((deadline - time.monotonic()) * 1000))
            try:
                batches = await client.getmany(timeout_ms=wait, max_records=most)
            except (NoOffsetForPartitionError, OffsetOutOfRangeError) as error:
                if read:
                    break  # it comes again
                await self._to_earliest(client, error)
                continue
            except KafkaError:
                if read:
                    break
                raise
            if not batches:
                break
            largest = 1
            for tp, messages in batches.items():
                records = [record(message) for message in messages]
                read.setdefault(Partition(tp.topic, tp.partition), []).extend(records)
                sizes = [each.size for each in records]
                size += sum(sizes)
                largest = max(largest, *sizes)
            self._largest = max(largest, self._largest * 3 // 4)
        return read

    async def _to_earliest(self, client: AIOKafkaConsumer, error: KafkaError) -> None:
        """No commit yet: begin at the beginning. Out of range: the same, with an alarm; never silently at the end."""
        if isinstance(error, OffsetOutOfRangeError):
            tps: dict[TopicPartition, int] = error.args[0]
            for tp, offset in tps.items():
                event(
                    logger,
                    logging.ERROR,
                    "offset out of range, reading goes on at the earliest record",
                    topic=tp.topic,
                    partition=tp.partition,
                    group=self._membership.group,
                    offset=offset,
                )
                m.OFFSET_RESETS.inc()
        else:
            tps = {error.args[0]: -1}
        # Where the beginning is, the client finds out when it can; only the wait for it is bounded.
        async with asyncio.timeout(self._cluster.timeout):
            await client.seek_to_beginning(*tps)

    async def _let_go(self, client: AIOKafkaConsumer) -> None:
        """This client will never work again; nothing is committed under its generation any more."""
        event(logger, logging.ERROR, "the consumer's background task has ended, beginning anew", topic=self.topic)
        owned, self._owned = frozenset(self._owned), {}
        self._client = self._given = None
        self._settled = False
        await private.stop_consumer(client, _STOP_S)
        if owned:
            await self._hooks.on_revoked(owned)

    async def _drop_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None and turn is not asyncio.current_task():
            turn.cancel()
            await asyncio.wait({turn})

    def _make(self) -> AIOKafkaConsumer:
        session_ms = int(self._membership.session_timeout * 1000)
        return AIOKafkaConsumer(
            **self._cluster.client(),
            group_id=self._membership.group,
            group_instance_id=self._membership.instance_id or None,
            session_timeout_ms=session_ms,
            rebalance_timeout_ms=session_ms,
            # A rebalance is learned of by a heartbeat.
            heartbeat_interval_ms=min(session_ms // 6, 1000),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            fetch_max_bytes=_FETCH_BYTES,
            max_partition_fetch_bytes=_PARTITION_BYTES,
        )

    def _own(self, partition: Partition) -> AIOKafkaConsumer:
        if self._client is None or partition not in self._owned:
            raise Fenced(f"{partition.topic}/{partition.number} is not owned by this consumer")
        return self._client


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # untyped base
    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._consumer.revoked()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._consumer.assigned(frozenset(Partition(tp.topic, tp.partition) for tp in assigned))


def _tp(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)
