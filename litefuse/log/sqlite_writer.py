"""The SQLite log's one writer: a thread with group commit (architecture section 6).

Everything that is queued while the last fsync runs goes into the next transaction: many requests, one fsync, and no
delay that was put there. Deleting what was worked on happens between groups, in slices of a few milliseconds.

`Writer`'s methods belong to the event loop; names that begin with `_t_` run in the thread.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from litefuse.errors import ConfigError, LogUnavailable
from litefuse.log import sqlite_file as sql
from litefuse.log.base import Headers, Placed
from litefuse.telemetry.logs import event

logger = logging.getLogger("litefuse.log.sqlite")

#: A transaction takes no more than this, so that the first of a burst need not wait for the last.
_GROUP_BYTES = 16 << 20
_GROUP_ITEMS = 4096
#: Groups that may pass before a slice of deleting gets its turn although more is queued: else a log that is always
#: busy grows for ever.
_PATIENCE = 16
#: Seconds a slice of deleting should take, and the records it starts with.
_SLICE_S = 0.005
_SLICE_RECORDS = 64
#: The file is cut down when more than this is free and more than half of it.
_SHRINK_BYTES = 64 << 20
_SHRINK_PAGES = 512
#: Seconds between two looks at how much is free.
_SHRINK_EVERY_S = 5.0

#: While something waits, seconds between two looks at whether it has waited too long.
_SWEEP_S = 0.005
#: A busy event loop lets go of the GIL only for moments, and takes it back before the writer's thread is awake: seen, for
#: ten seconds on end. So when something has waited for the first of these, the loop holds still for the second, in
#: which a whole group gets through.
_LATE_S = 0.015
_GIVE_WAY_S = 0.0003


@dataclass(slots=True)
class Put:
    """A record on its way, `since` when (monotonic seconds)."""

    topic: str
    row: sql.Row
    headers: Headers
    size: int
    since: float
    future: asyncio.Future[Placed]
    offset: int = -1


@dataclass(slots=True)
class Commit:
    topic: str
    group: str
    offset: int
    metadata: str
    since: float
    future: asyncio.Future[None]
    size: int = 0


@dataclass(slots=True)
class Probe:
    """Waits for a turn of the writer; after a failure, for a write that works."""

    since: float
    future: asyncio.Future[None]
    size: int = 0


Item = Put | Commit | Probe
#: Called in the loop with the records of one topic that have just become durable, and when they arrived (Unix ns).
Written = Callable[[str, Sequence[Put], int], None]


@dataclass
class Writer:
    path: Path
    timeout: float
    """Seconds that publishers wait."""
    forget: frozenset[str]
    written: Written
    waiting_bytes: int = 0
    groups: int = 0
    """Transactions with an fsync so far, for tests and measurements."""
    _queue: deque[Item] = field(default_factory=deque)
    _pending: deque[Item] = field(default_factory=deque)
    _wake: threading.Event = field(default_factory=threading.Event)
    _idle: bool = False
    _closing: bool = False
    _failed: bool = False
    _ended: bool = False
    _sweeper: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Open the file. Raises ConfigError, LogUnavailable."""
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._t_run, args=(opened,), name="litefuse-log", daemon=True)
        self._thread.start()
        await opened

    def put(self, item: Item) -> None:
        """Queue it. Its future is set when it is durable, or with LogUnavailable after `timeout`."""
        if self._closing or self._ended:
            raise LogUnavailable("the log is closed")
        self.waiting_bytes += item.size
        self._queue.append(item)
        self._pending.append(item)
        if self._idle:
            self._wake.set()
        if self._sweeper is None:
            self._sweep()

    async def close(self, timeout: float) -> None:
        """Write what is queued, then end. After `timeout` seconds a stuck thread is left behind (it is a daemon)."""
        self._closing = True
        self._wake.set()
        await self._loop.run_in_executor(None, self._thread.join, timeout)
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        self._expire(float("inf"))

    # -- in the loop -------------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        now = time.monotonic()
        self._expire(now)
        if self._pending and now - self._pending[0].since > _LATE_S:
            time.sleep(_GIVE_WAY_S)
        self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep) if self._pending else None

    def _expire(self, now: float) -> None:
        while self._pending and (self._pending[0].future.done() or self._pending[0].since + self.timeout <= now):
            future = self._pending.popleft().future
            if not future.done():
                future.set_exception(LogUnavailable("the log did not confirm in time"))

    def _settle(self, group: Sequence[Item], at: int, error: BaseException | None) -> None:
        puts: dict[str, list[Put]] = {}
        for item in group:
            self.waiting_bytes -= item.size
            if isinstance(item, Put) and item.offset >= 0:
                puts.setdefault(item.topic, []).append(item)
            if item.future.done():
                continue
            if error is not None:
                item.future.set_exception(LogUnavailable(f"the log cannot be written: {error}"))
            elif isinstance(item, Put):
                item.future.set_result(Placed(0, item.offset))
            else:
                item.future.set_result(None)
        while self._pending and self._pending[0].future.done():
            self._pending.popleft()
        for topic, records in puts.items():
            self.written(topic, records, at)

    def _end(self) -> None:
        self._ended = True
        self._settle([*self._queue], 0, RuntimeError("its writer has ended"))
        self._queue.clear()

    # -- in the thread -----------------------------------------------------------------------------------------------

    def _t_run(self, opened: asyncio.Future[None]) -> None:
        try:
            connection: sqlite3.Connection | None = sql.connect(self.path)
        except (sqlite3.Error, OSError, ConfigError) as error:
            known = error if isinstance(error, ConfigError) else LogUnavailable(f"cannot open {self.path}: {error}")
            self._t_call(opened.set_exception, known)
            return
        self._t_call(opened.set_result, None)
        trims = dict.fromkeys(self.forget, _SLICE_RECORDS)
        shrink_at = 0.0
        patience = _PATIENCE
        try:
            while True:
                if group := self._t_take():
                    connection = self._t_write(connection, group)
                    trims |= dict.fromkeys((i.topic for i in group if isinstance(i, Commit)), _SLICE_RECORDS)
                    patience -= 1
                    if patience and self._queue:
                        continue
                elif self._closing:
                    return
                patience = _PATIENCE
                if connection is None:
                    trims.clear()  # the next commit brings them back
                elif trims or time.monotonic() >= shrink_at:
                    try:
                        if self._t_tidy(connection, trims):
                            continue
                    except sqlite3.Error as error:
                        event(logger, logging.WARNING, "the log could not be tidied", path=self.path, error=error)
                        connection.close()
                        connection = None
                        continue
                    shrink_at = time.monotonic() + _SHRINK_EVERY_S
                self._t_wait(None if connection is None else _SHRINK_EVERY_S)
        finally:
            if connection is not None:
                connection.close()
            self._t_call(self._end)

    def _t_take(self) -> list[Item]:
        group: list[Item] = []
        size = 0
        while self._queue and size < _GROUP_BYTES and len(group) < _GROUP_ITEMS:
            group.append(self._queue.popleft())
            size += group[-1].size
        return group

    def _t_wait(self, timeout: float | None) -> None:
        self._idle = True
        if not self._queue and not self._closing:  # whoever queues after this look sees that we are idle
            self._wake.wait(timeout)
        self._idle = False
        self._wake.clear()

    def _t_write(self, connection: sqlite3.Connection | None, group: list[Item]) -> sqlite3.Connection | None:
        """One transaction, one fsync. Returns the connection to go on with: a fresh one after an error."""
        at = time.time_ns()
        error: BaseException | None = None
        work = [item for item in group if not item.future.done()]  # given up while it was queued: nothing is stored
        try:
            if connection is None:
                connection = sql.connect(self.path)
            if any(not isinstance(item, Probe) for item in work):
                self._t_transact(connection, work, at)
                self.groups += 1
            elif work and self._failed:
                with sql.transaction(connection):
                    connection.execute(f"PRAGMA user_version = {sql.VERSION}")
        except (sqlite3.Error, OSError, ConfigError) as failure:
            error = failure
            for item in work:
                if isinstance(item, Put):
                    item.offset = -1
            if connection is not None:
                connection.close()
                connection = None
        self._t_report(error)
        self._t_call(self._settle, group, at, error)
        return connection

    def _t_transact(self, connection: sqlite3.Connection, work: list[Item], at: int) -> None:
        puts: dict[str, list[Put]] = {}
        with sql.transaction(connection):
            for item in work:
                if isinstance(item, Put):
                    puts.setdefault(item.topic, []).append(item)
                elif isinstance(item, Commit):
                    topic = sql.ensure_topic(connection, item.topic)
                    sql.commit(connection, topic, item.group, item.offset, item.metadata)
            for name, items in puts.items():
                first = sql.append(connection, sql.ensure_topic(connection, name), at, [item.row for item in items])
                for i, item in enumerate(items):
                    item.offset = first + i

    def _t_tidy(self, connection: sqlite3.Connection, trims: dict[str, int]) -> bool:
        """One slice of deleting or shrinking; True when there is more. Needs no fsync: it may as well be undone."""
        connection.execute("PRAGMA synchronous = NORMAL")
        more = self._t_slice(connection, trims)
        connection.execute("PRAGMA synchronous = FULL")
        return more

    def _t_slice(self, connection: sqlite3.Connection, trims: dict[str, int]) -> bool:
        for name, count in list(trims.items()):
            started = time.monotonic()
            if self._t_trim(connection, name, count):
                fast = time.monotonic() - started < _SLICE_S
                trims[name] = min(count * 2, 1 << 16) if fast else max(count // 2, 1)
                return True
            del trims[name]
        free, size = sql.free_bytes(connection)
        if free > _SHRINK_BYTES and free > size // 2:
            sql.shrink(connection, _SHRINK_PAGES)
            return True
        return False

    def _t_trim(self, connection: sqlite3.Connection, name: str, count: int) -> bool:
        topic = sql.topic_of(connection, name) if name in self.forget else None
        if topic is None:
            return False
        with sql.transaction(connection):
            return sql.trim(connection, topic.id, count)

    def _t_report(self, error: BaseException | None) -> None:
        if error is not None and not self._failed:
            event(logger, logging.ERROR, "the log cannot be written", path=self.path, error=error)
        elif error is None and self._failed:
            event(logger, logging.INFO, "the log can be written again", path=self.path)
        self._failed = error is not None

    def _t_call(self, function: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop is closed: nobody waits any more
            event(logger, logging.DEBUG, "the event loop was closed before the log")
