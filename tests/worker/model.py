"""A log partition and a ClickHouse that fail as the real ones do, for tests that drive the real pipeline to every corner.

`Store` follows what was found on the real engine: a token is written down before the part is in place (so it can hide a
loss), an error may come after everything was stored, an insert whose sender has died may land later.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from litefuse.errors import Fenced, LogUnavailable, RowRefused, StoreTooBig, StoreUnavailable
from litefuse.log.base import DEAD, TRACES, Committed, Consumer, Headers, Hooks, Partition, Placed, Position, Record

PARTITION = Partition(TRACES, 0)
WEEK_NS = 7 * 86_400 * 10**9
START_NS = 1_732_000_000 * 10**9
RECEIVED_NS = START_NS + 60 * WEEK_NS


class Crash(Exception):
    """The worker's process dies here."""


def record(offset: int, spans: Sequence[tuple[int, int]], project: str = "p", received: int = 0) -> Record:
    """A record of spans given as (number, week): the number becomes the span's id and name."""
    request = ExportTraceServiceRequest()
    scope_spans = request.resource_spans.add().scope_spans.add()
    for number, week in spans:
        scope_spans.spans.add(
            trace_id=(number + 1).to_bytes(16, "big"),
            span_id=(number + 1).to_bytes(8, "big"),
            name=str(number),
            start_time_unix_nano=START_NS + week * WEEK_NS,
            end_time_unix_nano=START_NS + week * WEEK_NS + 1000,
        )
    headers = (("project_id", project.encode()), ("received_at", str(received or RECEIVED_NS).encode()))
    return Record(TRACES, 0, offset, START_NS, None, request.SerializeToString(), headers)


@dataclass
class Trouble:
    """Chances of what goes wrong at each call; `spans` that ClickHouse refuses; how many rows its memory takes."""

    random: random.Random
    crash: float = 0.0
    error_before: float = 0.0
    error_after: float = 0.0
    token_without_part: float = 0.0
    lands_later: float = 0.0
    refused: frozenset[int] = frozenset()
    rows_that_fit: int = 10**9

    def hits(self, chance: float) -> bool:
        return self.random.random() < chance


@dataclass
class Store:
    trouble: Trouble
    stored: list[tuple[str, int, int, int]] = field(default_factory=list)
    """(table partition, offset, place in record, span number)"""
    received: dict[tuple[str, int, int, int], int] = field(default_factory=dict)
    """When a stored row came in, where that is not RECEIVED_NS."""
    tokens: set[str] = field(default_factory=set)
    on_the_way: list[tuple[str, list[tuple[str, int, int, int]]]] = field(default_factory=list)
    inserts: list[str] = field(default_factory=list)
    looks: int = 0

    async def insert_arrow(
        self, table: str, columns: Sequence[str], body: bytes, *, settings: Mapping[str, str], timeout: float
    ) -> None:
        await asyncio.sleep(0)
        token = settings["insert_deduplication_token"]
        self.inserts.append(token)
        spans = pa.ipc.open_stream(body).read_all().to_pylist()
        table_partition = token.split("/")[3]
        rows = [(table_partition, s["log_offset"], s["log_row"], int(s["name"])) for s in spans]
        for row, s in zip(rows, spans, strict=True):
            self.received[row] = s["received_at"].value
        trouble = self.trouble
        refused = any(number in trouble.refused for *_, number in rows)
        too_big = len(rows) > trouble.rows_that_fit
        if trouble.hits(trouble.crash):
            if not refused and not too_big:
                if trouble.hits(trouble.lands_later):
                    self.on_the_way.append((token, rows))
                elif trouble.hits(0.5):
                    self.land(token, rows)
            raise Crash
        if trouble.hits(trouble.error_before):
            raise StoreUnavailable("connection reset")
        if refused:
            raise RowRefused("no such value", 117)
        if too_big:
            raise StoreTooBig("memory limit", 241)
        if trouble.hits(trouble.token_without_part):
            self.tokens.add(token)
            raise StoreUnavailable("server went away")
        self.land(token, rows)
        if trouble.hits(trouble.error_after):
            raise StoreUnavailable("timeout")

    def land(self, token: str, rows: list[tuple[str, int, int, int]]) -> None:
        if token not in self.tokens:
            self.tokens.add(token)
            self.stored += rows

    async def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float | None = None
    ) -> list[tuple[Any, ...]]:
        await asyncio.sleep(0)
        if "FROM prices" in sql:
            return []
        assert parameters is not None
        p = parameters
        if "max(log_offset)" in sql:
            return [(max((offset + 1 for _, offset, _, _ in self.stored), default=0),)]
        self.looks += 1
        if self.trouble.hits(self.trouble.error_before):
            raise StoreUnavailable("connection reset")
        found = [
            (offset, row)
            for partition, offset, row, number in self.stored
            if partition == p["table_partition"]
            and p["first"] <= offset < p["end"]
            and p["low"] <= row < p["high"]
            and p["since"] <= self.received.get((partition, offset, row, number), RECEIVED_NS) <= p["until"]
        ]
        return list(found) if sql.startswith("SELECT log_offset, log_row") else [(len(found),)]

    def counts(self) -> Counter[int]:
        return Counter(number for *_, number in self.stored)


@dataclass
class OnePartitionLog:
    """The log and the one consumer of it; what is committed outlives a crash of the worker."""

    trouble: Trouble
    committed_now: Committed = Committed(-1, "")
    commits: list[Committed] = field(default_factory=list)
    dead: list[Record] = field(default_factory=list)
    fenced: bool = False

    async def commit(self, partition: Partition, offset: int, metadata: str = "") -> None:
        await asyncio.sleep(0)
        if self.fenced:
            raise Fenced("another generation")
        if self.trouble.hits(self.trouble.crash):
            if self.trouble.hits(0.5):
                self._set(offset, metadata)
            raise Crash
        if self.trouble.hits(self.trouble.error_before):
            raise LogUnavailable("no answer")
        self._set(offset, metadata)

    def _set(self, offset: int, metadata: str) -> None:
        assert offset >= self.committed_now.offset, "a commit went back"
        self.committed_now = Committed(offset, metadata)
        self.commits.append(self.committed_now)

    async def publish(self, topic: str, value: bytes, headers: Headers, key: bytes | None = None) -> Placed:
        assert topic == DEAD
        if self.trouble.hits(self.trouble.error_before):
            raise LogUnavailable("no answer")
        self.dead.append(Record(topic, 0, len(self.dead), 0, key, value, tuple(headers)))
        return Placed(0, len(self.dead) - 1)

    # The rest of the protocols, which the write stage does not use.

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def close(self) -> None: ...
    async def ping(self) -> None: ...

    def assignment(self) -> frozenset[Partition]:
        return frozenset((PARTITION,))

    async def poll(self, *, timeout: float, max_bytes: int) -> Mapping[Partition, Sequence[Record]]:
        raise NotImplementedError

    def position(self, partition: Partition) -> int:
        raise NotImplementedError

    def seek(self, partition: Partition, offset: int) -> None: ...
    def pause(self, partitions: frozenset[Partition]) -> None: ...
    def resume(self, partitions: frozenset[Partition]) -> None: ...

    async def committed(self, partition: Partition) -> Committed:
        return self.committed_now

    def max_value_bytes(self, headers: Headers) -> int:
        raise NotImplementedError

    def consumer(self, topic: str, group: str, hooks: Hooks | None = None) -> Consumer:
        raise NotImplementedError

    def read(self, topic: str) -> AsyncIterator[Record]:
        raise NotImplementedError

    async def fetch(self, topic: str, partition: int, offset: int) -> Record | None:
        raise NotImplementedError

    async def positions(self, topic: str, group: str) -> Mapping[Partition, Position]:
        raise NotImplementedError

    def dead_numbers(self) -> set[int]:
        """Numbers of the spans that were buried."""
        numbers = set()
        for letter in self.dead:
            request = ExportTraceServiceRequest.FromString(letter.value)
            numbers |= {int(span.name) for rs in request.resource_spans for ss in rs.scope_spans for span in ss.spans}
        return numbers
