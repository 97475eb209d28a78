"""What the contract tests know of each log: how to open it, and how to look into it from outside."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from litefuse.errors import LogError
from litefuse.log.base import Consumer, Hooks, Log, Partition, Record
from litefuse.log.kafka import KafkaLog
from litefuse.log.sqlite import SqliteLog
from litefuse.settings import Secret, Settings

#: Seconds a test waits for something to happen, on a machine whose cores others use.
PATIENCE = 60.0


class Kit(Protocol):
    topic: str
    url: str

    def group(self, name: str = "g") -> str: ...

    def make(self, *, buffer_bytes: int = ..., timeout: float = ...) -> Log: ...

    async def open(self, **more: Any) -> Log: ...


@dataclass
class SqliteKit:
    path: Path
    opened: list[Log] = field(default_factory=list)
    topic: str = "traces.test"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def group(self, name: str = "g") -> str:
        return name

    def make(self, *, buffer_bytes: int = 128 << 20, timeout: float = 10.0, guest: bool = False) -> SqliteLog:
        topics = frozenset({self.topic})
        return SqliteLog(self.path, guest=guest, timeout=timeout, forget=topics, buffer_bytes=buffer_bytes)

    async def open(self, **more: Any) -> SqliteLog:
        log = self.make(**more)
        self.opened.append(log)
        await log.start()
        return log


@dataclass
class KafkaKit:
    bootstrap: str
    opened: list[Log] = field(default_factory=list)
    topic: str = field(default_factory=lambda: f"test.{uuid.uuid4().hex}")

    @property
    def url(self) -> str:
        return f"kafka://{self.bootstrap}"

    def group(self, name: str = "g") -> str:
        """No other test's: they share a broker."""
        return f"{self.topic}.{name}"

    def settings(self, **more: Any) -> Settings:
        values: dict[str, Any] = {"kafka_partitions": 1, "kafka_session_timeout_s": 6.0, "publish_timeout_s": 10.0}
        return Settings(log_url=Secret(self.url), **{**values, **more})

    def make(self, *, buffer_bytes: int = 128 << 20, timeout: float = 10.0, **more: Any) -> KafkaLog:
        settings = self.settings(kafka_buffer_bytes=buffer_bytes, publish_timeout_s=timeout, **more)
        return KafkaLog(settings, topics=(self.topic,))

    async def open(self, **more: Any) -> KafkaLog:
        log = self.make(**more)
        self.opened.append(log)
        await log.start()
        return log


async def close(kit: SqliteKit | KafkaKit) -> None:
    for log in reversed(kit.opened):
        await log.close()


async def until(what: Callable[[], Awaitable[object]], *, patience: float = PATIENCE) -> Any:
    """Call it until its answer is true; a log that fails meanwhile is no answer."""
    deadline = time.monotonic() + patience
    last: object = None
    while time.monotonic() < deadline:
        try:
            if answer := await what():
                return answer
        except LogError as error:
            last = error
        await asyncio.sleep(0.02)
    raise AssertionError(f"did not come about in {patience} s; last error: {last!r}")


class Member:
    """A consumer with its hooks written down, and everything it was given."""

    def __init__(self, log: Log, topic: str, group: str) -> None:
        self.given: list[frozenset[Partition]] = []
        self.taken: list[frozenset[Partition]] = []
        self.records: list[Record] = []
        self.on_taken: Callable[[frozenset[Partition]], Awaitable[None]] | None = None
        self.consumer: Consumer = log.consumer(topic, group, Hooks(self._given, self._taken))

    async def _given(self, partitions: frozenset[Partition]) -> None:
        self.given.append(partitions)

    async def _taken(self, partitions: frozenset[Partition]) -> None:
        self.taken.append(partitions)
        if self.on_taken is not None:
            await self.on_taken(partitions)

    async def poll(self, timeout: float = 0.2, max_bytes: int = 1 << 24) -> list[Record]:
        polled = await self.consumer.poll(timeout=timeout, max_bytes=max_bytes)
        new = [record for records in polled.values() for record in records]
        self.records += new
        return new

    async def until(self, what: Callable[[], bool], *, patience: float = PATIENCE) -> None:
        """Poll until it is so."""

        async def so() -> bool:
            if not what():
                await self.poll()
            return what()

        await until(so, patience=patience)

    async def join(self) -> Member:
        await self.consumer.start()
        await self.until(lambda: bool(self.consumer.assignment()))
        return self

    async def read(self, count: int) -> list[Record]:
        """Poll until there are as many records in all."""
        await self.until(lambda: len(self.records) >= count)
        return self.records

    @property
    def partition(self) -> Partition:
        (partition,) = self.consumer.assignment()
        return partition


class Child:
    """`tests.log.child` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)).decode().strip()

    async def ask(self, text: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")
        await self.process.stdin.drain()
        return await self.line()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def spawn(*arguments: str) -> AsyncIterator[Child]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.log.child", *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield Child(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
