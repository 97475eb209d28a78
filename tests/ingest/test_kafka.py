"""Ingest over a real Apache Kafka broker: what arrives in the topic, and what the topic does not take."""

from __future__ import annotations

import gzip
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from litefuse.log import open_log
from litefuse.log.base import TRACES, Record
from litefuse.settings import Secret, Settings
from tests.ingest.support import PROJECT, Running, names, request, running
from tests.servers.kafka import KafkaServer

MIB = 1 << 20


@asynccontextmanager
async def over(kafka: KafkaServer) -> AsyncIterator[Running]:
    log = open_log(Settings(log_url=Secret(f"kafka://{kafka.bootstrap}")))
    await log.start()
    try:
        async with running(log) as to:
            yield to
    finally:
        await log.close()


async def new(to: Running, marker: str) -> list[Record]:
    """Records whose resource carries the marker: the broker is shared with other tests."""
    return [record for record in await to.records() if marker.encode() in record.value]


async def test_records_and_headers(kafka: KafkaServer) -> None:
    marker = f"run-{os.urandom(8).hex()}"
    body = request({}, {}, resource={"run": marker}).SerializeToString()
    async with over(kafka) as to:
        assert (await to.post(body)).status == 200
        (record,) = await new(to, marker)
    assert (record.topic, record.value, record.key) == (TRACES, body, bytes([1]) * 16)
    assert record.header("project_id") == PROJECT
    assert record.header("content_encoding") is None


async def test_a_body_larger_than_the_topic_takes_is_split(kafka: KafkaServer) -> None:
    marker = f"run-{os.urandom(8).hex()}"
    spans = [{"name": letter * (5 * MIB)} for letter in "abc"]
    message = request(*spans, {"name": "z" * (9 * MIB)}, {"name": "last"}, resource={"run": marker})
    async with over(kafka) as to:
        answer = await to.post(message.SerializeToString())
        records = await new(to, marker)
        compressed = gzip.compress(message.SerializeToString(), 1)
        assert (await to.post(compressed, {"Content-Encoding": "gzip"})).body == b""  # it fits as it is
    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert (answer.status, partial.rejected_spans) == (200, 1)
    assert "span is larger than the log takes" in partial.error_message
    assert f"span 3 ({9 * MIB}" not in partial.error_message  # with its resource it is larger than its name
    assert "span 3 (943" in partial.error_message
    assert sorted(name[:4] for name in names([record.value for record in records])) == ["aaaa", "bbbb", "cccc", "last"]
    assert len(records) == 3
    assert all(len(record.value) <= 8 * MIB for record in records)
