"""The corners of aiokafka that it does not offer in public, in one place; `tests/log/test_kafka*.py` cover each.
aiokafka is pinned to one minor version for this file's sake.

Why each is needed is said where it is. Everything here belongs to the clients' event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import OffsetAndMetadata


def generation(consumer: AIOKafkaConsumer) -> int:
    """The group generation this member is in; -1 when it is in none."""
    return int(consumer._coordinator.generation)


def raise_errors(consumer: AIOKafkaConsumer) -> None:
    """Raise what its background tasks have met, and let them go on. `getmany` does so too, but would wait without limit
    while no partition is assigned."""
    consumer._coordinator.check_errors()


def ended(consumer: AIOKafkaConsumer) -> bool:
    """Whether a background task has died of something unexpected: such a consumer never recovers. (A heartbeat that was
    refused for a reason aiokafka does not know ends the heartbeats, and nothing ever starts them again.)"""
    coordinator = consumer._coordinator
    if coordinator._coordination_task.done() or consumer._fetcher._fetch_task.done():
        return True
    tasks = (coordinator._heartbeat_task, coordinator._commit_refresh_task)
    return any(task is not None and task.done() and not task.cancelled() and task.exception() for task in tasks)


def polls(consumer: AIOKafkaConsumer) -> None:
    """Forget fetches that ended with an exception: aiokafka counts them as running for ever, and would never again see
    that a member has stopped polling (`max_poll_interval_ms`)."""
    consumer._subscription._fetch_count = 0


def position(consumer: AIOKafkaConsumer, tp: TopicPartition) -> int:
    """The next offset to be read, -1 while it is not known. The public method waits until it is."""
    subscription = consumer._subscription.subscription
    if subscription is None or subscription.assignment is None or tp not in subscription.assignment.tps:
        return -1
    state = subscription.assignment.state_value(tp)
    return int(state.position) if state.has_valid_position else -1


async def partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """All of the topic's, asked of the cluster now; none when there is no such topic. The public method answers from what
    the client happens to know."""
    cluster = await consumer._client.fetch_all_metadata()
    return [TopicPartition(topic, number) for number in sorted(cluster.partitions_for_topic(topic) or ())]


async def coordinator_known(consumer: AIOKafkaConsumer) -> None:
    """Wait, without limit, until the group's coordinator is known."""
    await consumer._coordinator.ensure_coordinator_known()


async def commit_once(consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int, metadata: str) -> None:
    """Send one commit with the member's generation of this very moment. The public `commit` repeats by itself, and with
    whatever generation the member has by then: it would commit for a partition that went to another member meanwhile."""
    await consumer._coordinator._do_commit_offsets(None, {tp: OffsetAndMetadata(offset, metadata)})


async def committed(consumer: AIOKafkaConsumer, tp: TopicPartition) -> OffsetAndMetadata | None:
    """The group's commit, with its metadata, which the public `committed` drops. Waits without limit."""
    offsets = await consumer._coordinator.fetch_committed_offsets([tp])
    return offsets.get(tp)


async def stop_consumer(consumer: AIOKafkaConsumer, timeout: float) -> None:
    """Leave the group and close, within `timeout` seconds; after that, drop the connections without good-bye."""
    if await _within(consumer.stop(), timeout):
        return
    tasks = [consumer._coordinator and consumer._coordinator._coordination_task]
    tasks += [consumer._fetcher and consumer._fetcher._fetch_task]
    for task in filter(None, tasks):
        task.cancel()
    await _within(consumer._client.close(), timeout)


async def stop_producer(producer: AIOKafkaProducer, timeout: float) -> None:
    """Flush and close, within `timeout` seconds; after that, what is not confirmed fails, its outcome unknown. (An
    idempotent producer repeats a batch for ever, so `stop` alone would not end while the broker is away.)"""
    if await _within(producer.stop(), timeout):
        return
    producer._message_accumulator.fail_all(KafkaConnectionError("the producer was closed"))
    if producer._sender.sender_task is not None:
        producer._sender.sender_task.cancel()
    await _within(producer.client.close(), timeout)


async def _within(work: Coroutine[Any, Any, object], timeout: float) -> bool:
    """Run it as a task of its own, so that a cancellation inside is not taken for ours. False when it did not succeed."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=timeout)
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=1.0)
    return task.done() and not task.cancelled() and task.exception() is None
