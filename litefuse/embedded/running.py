"""One statement under way: it waits for a place, a thread runs it, the event loop reads its result from a pipe.

A place is a thread of its pool. Who waits is served in order, holds no thread and no descriptor, and can leave at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from litefuse.embedded.sqlerror import BUSY, CANCELLED, SqlError
from litefuse.embedded.statement import Kind

#: Statements that may wait for a place, per pool. More are refused, which a client takes for "try again".
_QUEUE = 64
#: Bytes that the pipe and the loop's buffer hold of a result.
_PIPE_BYTES = 1 << 20
_READ_BYTES = 256 * 1024
_F_SETPIPE_SZ = 1031  # Linux; more room means fewer wake-ups


@dataclass(frozen=True, slots=True)
class Call:
    """One statement. `data` is what follows it, for an insert: the pieces of a body, in order."""

    text: bytes
    data: Sequence[bytes] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    database: str = "litefuse"
    format: str = "TabSeparated"
    reader: bool = False
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Stats:
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    seconds: float = 0.0


class Pool:
    """Threads, and a bounded number of statements that wait for one, in order, for `wait` seconds (None: for ever)."""

    def __init__(self, name: str, size: int, whose: str, setting: str, wait: float | None = None) -> None:
        self.threads = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._size = size
        self._run = (
            f"{size} {'query' if size == 1 else 'queries'} {whose} {'is' if size == 1 else 'are'} running ({setting})"
        )
        self._wait = wait
        self._places = asyncio.Semaphore(size)
        self._taken = 0

    def enter(self) -> None:
        """Raises SqlError when too many wait already."""
        if self._taken >= self._size + _QUEUE:
            raise SqlError(
                BUSY, f"Too many simultaneous queries: {self._run} and {_QUEUE} wait already: try again later"
            )
        self._taken += 1

    def leave(self) -> None:
        self._taken -= 1

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a thread. Raises SqlError when none is free in time."""
        try:
            async with asyncio.timeout(self._wait):
                await self._places.acquire()
        except TimeoutError:
            raise SqlError(
                BUSY,
                f"Too many simultaneous queries: {self._run} and this one has waited {self._wait:g} s for a place: "
                "try again later",
            ) from None
        try:
            yield
        finally:
            self._places.release()


class Running:
    """A statement that runs or waits for its thread. Belongs to the event loop; `format` and `kind` are set by the thread
    before the first byte comes."""

    def __init__(
        self, call: Call, pool: Pool, work: Callable[[Running, int], Stats], kill: Callable[[str], None]
    ) -> None:
        """`work` runs it in a thread and closes the descriptor it writes the result to; `kill` ends what has this tag.
        Raises SqlError when too many wait already."""
        self.tag = f"litefuse:{uuid.uuid4().hex}"
        self.call = call
        self.format: str | None = None
        self.kind: Kind | None = None
        self._work = work
        self._kill = kill
        self._begun = False
        self._cancelled = threading.Event()
        self._reader = asyncio.StreamReader(limit=_READ_BYTES)
        self._transport: asyncio.BaseTransport | None = None
        pool.enter()
        self._done: asyncio.Task[Stats] = asyncio.create_task(self._live(pool))
        self._done.add_done_callback(lambda done: done.cancelled() or done.exception())  # looked at: no warning
        self.on_end(pool.leave)
        self.on_end(self._end_of_nothing)

    async def _live(self, pool: Pool) -> Stats:
        async with pool.place():
            self._begun = True
            return await self._run(pool.threads)

    async def _run(self, threads: ThreadPoolExecutor) -> Stats:
        loop = asyncio.get_running_loop()
        read, write = os.pipe()
        with contextlib.suppress(OSError):
            fcntl.fcntl(write, _F_SETPIPE_SZ, _PIPE_BYTES)
        try:
            # uvloop closes the descriptor, and then the file object too: its number may be a file by then that a thread of
            # the engine has just opened, and a part could not be written (errors 204 and 573), or worse.
            pipe = os.fdopen(read, "rb", 0, closefd=not type(loop).__module__.startswith("uvloop"))
            self._transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self._reader), pipe)
        except BaseException:
            os.close(write)
            raise
        return await loop.run_in_executor(threads, self._work, self, write)

    def on_end(self, call: Callable[[], object]) -> None:
        """Call this when it has ended, however it did."""
        self._done.add_done_callback(lambda _: call())

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def done(self) -> bool:
        return self._done.done()

    async def read(self, timeout: float | None = None) -> bytes | None:
        """The next bytes of the result, b"" at its end, None when there are none within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                return await self._reader.read(_READ_BYTES)
        except TimeoutError:
            return None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self.read():
            yield chunk

    async def finished(self) -> Stats:
        """Wait for the end. Whoever waits has read the result, or there is none. Raises SqlError."""
        await ended([self])
        self._close()
        if self._done.cancelled():
            raise SqlError(CANCELLED, "Query was cancelled")
        return self._done.result()

    async def stop(self) -> None:
        """End it: a statement that has not begun never does, one that runs is killed. Returns when its thread is free."""
        self._cancelled.set()
        if not self._begun:
            self._done.cancel()
            await ended([self])
        while not self._done.done():
            self._kill(self.tag)
            drain = asyncio.create_task(self._drain())  # a thread that waits for room in the pipe hears of nothing
            await asyncio.wait([self._done], timeout=0.1)
            drain.cancel()
            await asyncio.gather(drain, return_exceptions=True)
        self._close()

    async def _drain(self) -> None:
        with contextlib.suppress(RuntimeError):  # somebody else reads
            while await self._reader.read(_READ_BYTES):
                pass

    def _end_of_nothing(self) -> None:
        if self._transport is None:  # it never had a pipe, whose end the reader would see
            self._reader.feed_eof()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None


async def ended(running: Collection[Running], timeout: float | None = None) -> None:
    """Wait until all of them have ended, however they did, or for `timeout` seconds."""
    if running:
        await asyncio.wait([each._done for each in running], timeout=timeout)
