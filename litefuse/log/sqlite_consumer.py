"""The consumer of the SQLite log: the only member of its group, owner of the only partition.

It reads the newest records from memory (`sqlite_tail`), all others from the file, in the log's reading thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from litefuse.errors import Fenced
from litefuse.log import sqlite_file as sql
from litefuse.log.base import Committed, Hooks, Partition, Record
from litefuse.log.sqlite_tail import Tail
from litefuse.log.sqlite_writer import Put
from litefuse.telemetry import metrics as m
from litefuse.telemetry.logs import event

if TYPE_CHECKING:
    from litefuse.log.sqlite import SqliteLog

logger = logging.getLogger("litefuse.log.sqlite")

#: Seconds after which the file is looked at again for what other processes wrote.
LOOK_S = 0.15
_TAIL_BYTES = 32 << 20
#: The same bound as Kafka's (`offset.metadata.max.bytes`).
_MAX_METADATA = 4096


class SqliteConsumer:
    """`litefuse.log.base.Consumer`."""

    def __init__(self, log: SqliteLog, topic: str, group: str, hooks: Hooks) -> None:
        self.topic = topic
        self.group = group
        self._log = log
        self._hooks = hooks
        self._partition = Partition(topic, 0)
        self._tail = Tail(_TAIL_BYTES)
        self._news = asyncio.Event()
        self._position = -1
        self._end = 0  # the offset up to which the log is known to go
        self._looked = float("-inf")  # loop time of the last look into the file
        self._paused = False
        self._joined = False
        self._started = False

    async def start(self) -> None:
        committed = await self.committed(self._partition)
        page = await self._log.run(sql.page, self.topic, max(committed.offset, 0), 1)
        self._position = committed.offset if committed.offset >= 0 else page.first
        self._log.remember(self)
        self._started = True

    async def stop(self) -> None:
        self._started = False
        self._joined = False
        self._news.set()
        self._log.forget(self)

    def assignment(self) -> frozenset[Partition]:
        return frozenset({self._partition}) if self._joined else frozenset()

    async def poll(self, *, timeout: float, max_bytes: int) -> Mapping[Partition, Sequence[Record]]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        if self._started and not self._joined:
            await self._join()
        while True:
            self._news.clear()
            if self._started and not self._paused:
                records = self._tail.take(self._position, max_bytes)
                if not records and (self._position != self._end or loop.time() - self._looked >= LOOK_S):
                    records = await self._look(max_bytes)
                if records:
                    self._position = records[-1].offset + 1
                    return {self._partition: records}
            wait = min(deadline - loop.time(), LOOK_S)
            if wait <= 0:
                return {}
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
            except TimeoutError:
                continue

    def position(self, partition: Partition) -> int:
        self._own(partition)
        return self._position

    def seek(self, partition: Partition, offset: int) -> None:
        self._own(partition)
        self._position = offset
        self._news.set()

    def pause(self, partitions: frozenset[Partition]) -> None:
        self._paused |= self._partition in partitions

    def resume(self, partitions: frozenset[Partition]) -> None:
        self._paused &= self._partition not in partitions
        self._news.set()

    async def committed(self, partition: Partition) -> Committed:
        return await self._log.run(sql.committed, partition.topic, self.group)

    async def commit(self, partition: Partition, offset: int, metadata: str = "") -> None:
        self._own(partition)
        if offset < 0 or len(metadata.encode()) > _MAX_METADATA:
            raise ValueError(f"cannot commit offset {offset} with {len(metadata)} characters of metadata")
        await self._log.commit(self.topic, self.group, offset, metadata)

    def written(self, puts: Sequence[Put], at: int) -> None:
        """The log's writer: these are durable now."""
        for put in puts:
            self._tail.append(Record(self.topic, 0, put.offset, at, put.row[0], put.row[2], tuple(put.headers)))
        self._end = max(self._end, puts[-1].offset + 1)
        self._news.set()

    async def _join(self) -> None:
        self._joined = True  # the hook may pause and seek
        try:
            await self._hooks.on_assigned(self.assignment())
        except BaseException:
            self._joined = False  # the next poll calls it again
            raise

    async def _look(self, max_bytes: int) -> list[Record]:
        """What the file has at our position. Sets `_end`."""
        position = self._position
        page = await self._log.run(sql.page, self.topic, position, max_bytes)
        self._looked = asyncio.get_running_loop().time()
        self._end = max(page.next, self._end)
        if position != self._position or self._paused or not self._started:
            return []  # moved meanwhile
        if not page.first <= position <= page.next:
            event(
                logger,
                logging.ERROR,
                "offset out of range, reading goes on at the earliest record",
                topic=self.topic,
                group=self.group,
                offset=position,
                first=page.first,
                end=page.next,
            )
            m.OFFSET_RESETS.inc()
            self._position = page.first
            self._end = page.next
            return await self._look(max_bytes)
        return page.records

    def _own(self, partition: Partition) -> None:
        if partition not in self.assignment():
            raise Fenced(f"{partition.topic}/{partition.number} is not owned by this consumer")
