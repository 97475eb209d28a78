"""Kafka's messages as records of the log."""

from __future__ import annotations

from aiokafka.structs import ConsumerRecord

from litefuse.log.base import Record


def record(message: ConsumerRecord) -> Record:
    """Other producers' messages may lack a value or a header's value: they count as empty. Kafka's time is in ms."""
    headers = message.headers
    if any(value is None for _, value in headers):
        headers = tuple((name, value or b"") for name, value in headers)
    return Record(
        message.topic,
        message.partition,
        message.offset,
        max(message.timestamp, 0) * 1_000_000,
        message.key,
        message.value if message.value is not None else b"",
        headers,
    )
