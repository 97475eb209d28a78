"""The log in one SQLite file, for one process on one machine (architecture sections 1 and 6).

The *owner* (`litefuse up`) holds a lock beside the file, and alone consumes. A *guest* (`litefuse dead`, `status`) may read
and publish beside it: the owner's consumer finds what a guest wrote within `sqlite_consumer.LOOK_S` seconds. Every topic
has one partition. Records of the topics in `forget` are deleted once every group has committed them; others stay.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from litefuse.errors import ConfigError, LogFull, LogUnavailable, RecordTooLarge
from litefuse.log import sqlite_file as sql
from litefuse.log.base import TRACES, Headers, Hooks, Partition, Placed, Position, Record
from litefuse.log.sqlite_consumer import SqliteConsumer
from litefuse.log.sqlite_writer import Commit, Probe, Put, Writer

#: Bytes that may wait for their fsync; beyond it LogFull.
BUFFER_BYTES = 128 << 20
#: Largest value. Far below SQLite's own limit (1 GB): a record is read, decoded and buffered as a whole.
MAX_VALUE_BYTES = 64 << 20
_HEADER_BYTES = 1 << 20
_PAGE_BYTES = 4 << 20
_PING_S = 2.0

P = ParamSpec("P")
T = TypeVar("T")


class Space:
    """Whether the disk has room for more: looked at once a second at most."""

    def __init__(self, directory: Path, keep_free: int) -> None:
        self._directory = directory
        self._keep_free = keep_free
        self._free = keep_free
        self._looked = float("-inf")

    def check(self) -> None:
        """Raises LogUnavailable when less than `keep_free` bytes are free."""
        now = time.monotonic()
        if now - self._looked >= 1.0:
            self._looked = now
            try:
                found = os.statvfs(self._directory)
            except OSError as error:
                raise LogUnavailable(f"the disk of {self._directory} cannot be asked: {error.strerror}") from error
            self._free = found.f_bavail * found.f_frsize
        if self._free < self._keep_free:
            raise LogUnavailable(
                f"{self._free >> 20} MiB are free on the disk of {self._directory}, {self._keep_free >> 20} MiB are kept free "
                "for ClickHouse to go on with what was taken"
            )


class SqliteLog:
    """`litefuse.log.base.Log`. `timeout` is the publish deadline in seconds."""

    def __init__(
        self,
        path: Path,
        *,
        guest: bool = False,
        timeout: float = 10.0,
        forget: frozenset[str] = frozenset({TRACES}),
        buffer_bytes: int = BUFFER_BYTES,
        keep_free: int = 0,
    ) -> None:
        self.path = path
        self.guest = guest
        self._forget = forget
        self._timeout = timeout
        self._buffer_bytes = buffer_bytes
        self._space = Space(path.parent, keep_free)
        self._consumers: list[SqliteConsumer] = []
        self._writer = Writer(path, timeout, forget, self._written)
        self._reader: sqlite3.Connection | None = None
        self._threads = ThreadPoolExecutor(1, "litefuse-log-read")
        self._lock: int | None = None
        self._started = False

    async def start(self) -> None:
        """Open the file, making it when there is none. Raises ConfigError when another process owns it or the path cannot
        be used, LogUnavailable when the disk fails."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.guest and self._lock is None:
                self._lock = self._own()
        except OSError as error:
            raise ConfigError(f"log_url: cannot use {self.path}: {error.strerror}") from error
        await self._writer.start()
        self._started = True

    async def close(self) -> None:
        if self._started:
            self._started = False
            for consumer in list(self._consumers):
                await consumer.stop()
            await self._writer.close(self._timeout)
        self._threads.shutdown(wait=True)
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def publish(self, topic: str, value: bytes, headers: Headers, key: bytes | None = None) -> Placed:
        row = (key, sql.pack_headers(headers), value)
        if len(value) > MAX_VALUE_BYTES or len(row[1]) > _HEADER_BYTES:
            raise RecordTooLarge(len(value), self.max_value_bytes(headers))
        size = len(value) + len(row[1]) + 200
        if self._writer.waiting_bytes and self._writer.waiting_bytes + size > self._buffer_bytes:
            raise LogFull(f"{self._writer.waiting_bytes} bytes wait to be written")
        self._check()
        if topic in self._forget:
            self._space.check()
        put = Put(topic, row, headers, size, time.monotonic(), asyncio.get_running_loop().create_future())
        self._writer.put(put)
        return await put.future

    def max_value_bytes(self, headers: Headers) -> int:
        return MAX_VALUE_BYTES if len(sql.pack_headers(headers)) <= _HEADER_BYTES else 0

    def consumer(self, topic: str, group: str, hooks: Hooks | None = None) -> SqliteConsumer:
        """Raises ConfigError for a guest, and for a second consumer of a group on a topic: there is one partition."""
        if self.guest:
            raise ConfigError(
                "the SQLite log is consumed by the process that owns it alone; roles of their own need Kafka"
            )
        if any(c.topic == topic and c.group == group for c in self._consumers):
            raise ConfigError(f"group {group} already has its consumer on {topic}")
        consumer = SqliteConsumer(self, topic, group, hooks or Hooks())
        self.remember(consumer)
        return consumer

    async def read(self, topic: str) -> AsyncIterator[Record]:
        at, end = 0, -1
        while end < 0 or at < end:
            page = await self.run(sql.page, topic, at, _PAGE_BYTES)
            end = page.next if end < 0 else end
            for record in page.records:
                if record.offset >= end:
                    return
                yield record
            if not page.records:
                return
            at = page.records[-1].offset + 1

    async def fetch(self, topic: str, partition: int, offset: int) -> Record | None:
        if partition != 0 or offset < 0:
            return None
        page = await self.run(sql.page, topic, offset, 1)
        return page.records[0] if page.records and page.records[0].offset == offset else None

    async def positions(self, topic: str, group: str) -> Mapping[Partition, Position]:
        position = await self.run(sql.position, topic, group)
        return {Partition(topic, 0): position or Position(-1, 0, None)}

    async def ping(self) -> None:
        self._check()
        probe = Probe(time.monotonic(), asyncio.get_running_loop().create_future())
        self._writer.put(probe)
        try:
            async with asyncio.timeout(_PING_S):
                await probe.future
        except TimeoutError as error:
            raise LogUnavailable(f"the disk has not answered for {_PING_S:.0f} s") from error

    # -- for the consumer --------------------------------------------------------------------------------------------

    async def commit(self, topic: str, group: str, offset: int, metadata: str) -> None:
        self._check()
        item = Commit(topic, group, offset, metadata, time.monotonic(), asyncio.get_running_loop().create_future())
        self._writer.put(item)
        await item.future

    def remember(self, consumer: SqliteConsumer) -> None:
        """Tell it of what is written."""
        self.forget(consumer)
        self._consumers.append(consumer)

    def forget(self, consumer: SqliteConsumer) -> None:
        self._consumers = [c for c in self._consumers if c is not consumer]

    async def run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call it with the reading connection, in the reading thread. Raises LogUnavailable."""
        self._check()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, lambda: function(self._connection(), *args, **kwargs)
            )
        except sqlite3.Error as error:
            raise LogUnavailable(f"the log cannot be read: {error}") from error

    @property
    def groups(self) -> int:
        """Transactions with an fsync so far."""
        return self._writer.groups

    # -- inside ------------------------------------------------------------------------------------------------------

    def _connection(self) -> sqlite3.Connection:
        if self._reader is None:
            self._reader = sql.connect_reader(self.path)
        return self._reader

    def _written(self, topic: str, puts: Sequence[Put], at: int) -> None:
        for consumer in self._consumers:
            if consumer.topic == topic:
                consumer.written(puts, at)

    def _check(self) -> None:
        if not self._started:
            raise LogUnavailable("the log is not open")

    def _own(self) -> int:
        """The lock that makes us the owner; it goes with the process, however that ends."""
        path = self.path.with_name(self.path.name + ".lock")
        lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise ConfigError(
                f"log_url: the log {self.path} belongs to another running process; stop it, or choose another data_dir"
            ) from error
        return lock
