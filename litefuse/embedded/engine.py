"""The embedded ClickHouse: chDB in threads (reliability section 1, "chDB as a server").

One request is one fresh chDB session (0.1 ms), so that no setting, database or temporary table of one reaches another.
Three pools of threads run them: one for inserts and the operator's queries, one for readers, one for the API, so that
none waits for the others. The event loop never calls the engine: it hands over a `Call` and reads the result from a pipe,
at the speed of whoever takes it. Memory is bounded by the pipe however large the result is.

    running = await engine.start(call)      raises SqlError (202) when too many wait already
    async for chunk in running: …           bytes in the format asked for
    stats = await running.finished()        raises SqlError (202 for a reader's that has waited too long)
    await running.stop()                    at any time: ends the query; idempotent
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from litefuse.clickhouse.asking import READS
from litefuse.clickhouse.sql import identifier, literal
from litefuse.embedded import gate, limits
from litefuse.embedded.config import connection_string
from litefuse.embedded.limits import Limits
from litefuse.embedded.running import Call, Pool, Running, Stats, ended
from litefuse.embedded.sqlerror import ABORTED, CANCELLED, FULL, SYNTAX, UNKNOWN_FORMAT, SqlError
from litefuse.embedded.statement import (
    Head,
    Kind,
    Statement,
    describe,
    one_statement,
    split_insert,
    with_infile,
    with_outfile,
)
from litefuse.embedded.writes import Writes

__all__ = ["Call", "Engine", "Running", "Stats"]

logger = logging.getLogger("litefuse.clickhouse")

#: Seconds that a reader's statement waits behind those that run. Then its sender is told what it waits for: without a word
#: it would look like a slow query. Inserts wait as long as their sender does.
_READER_WAIT_S = 10.0
#: The same for what the API reads: its clients are told to try again before they give up, which SDKs do after 5 s.
_API_WAIT_S = 3.0
#: Seconds for killed statements to end, when the engine is closed.
_KILL_S = 10.0
#: Statements whose check is remembered. The worker and ingest send the same ones again and again.
_CHECKED = 512
_CHECKED_BYTES = 16 * 1024
_BASE = b"SET " + b", ".join(name.encode() + b" = " + literal(value) for name, value in limits.BASE.items())

#: Names that chDB's Python layer takes for itself.
_NO_FORMATS = frozenset(("dataframe", "datastore", "arrowtable", "debug"))

#: One INSERT with data is one block, whatever it holds, hence atomic and told by one token. (Default: cut at 1 M rows
#: or 256 MiB.)
_ONE_BLOCK = {
    "async_insert": "0",
    "min_insert_block_size_rows": "1000000000",
    "min_insert_block_size_bytes": "1099511627776",
    "max_insert_block_size": "1000000000",
}


class Engine:
    """The engine on one directory, open. Made by `Engine.open` in a thread; one per process (chDB's rule)."""

    def __init__(self, connection: str, keep: Any, limit: Limits, writers: int, readers: int) -> None:
        self._connection = connection
        self._keep = keep
        self._limits = limit
        self._pools: dict[bool | str, Pool] = {
            False: Pool("litefuse-sql", writers, "of the operator", "LITEFUSE_INSERT_CONNECTIONS"),
            True: Pool("litefuse-reader", readers, "of readers", "LITEFUSE_SQL_CONNECTIONS", _READER_WAIT_S),
            READS: Pool("litefuse-api", readers, "of the API", "LITEFUSE_SQL_CONNECTIONS", _API_WAIT_S),
        }
        self._control = ThreadPoolExecutor(1, thread_name_prefix="litefuse-kill")
        self._checked: OrderedDict[tuple[bytes, bool], Statement] = OrderedDict()
        self._running: set[Running] = set()
        self._closing = False
        self._writes = Writes(lambda: _session(connection))

    @classmethod
    def open(
        cls, data: Path, limit: Limits | None = None, *, writers: int = 2, readers: int = 4, database: str = "litefuse"
    ) -> Engine:
        """Open or make the engine's directory and the database. Blocks (0.4 s). Raises SqlError, ImportError."""
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = connection_string(data)
        try:
            keep = _session(connection)
            keep.query(f"CREATE DATABASE IF NOT EXISTS {identifier(database)}")
        except RuntimeError as error:
            raise SqlError.of(error) from error
        return cls(connection, keep, limit or Limits(), writers, readers)

    async def start(self, call: Call) -> Running:
        """Give the statement to a thread. Raises SqlError when too many wait, or while closing."""
        if self._closing:
            raise SqlError(ABORTED, "The embedded ClickHouse is shutting down")
        workload = call.settings.get("workload")
        pool = self._pools[workload if workload == READS and not call.reader else call.reader]
        running = Running(call, pool, self._work, self._kill)
        self._running.add(running)
        running.on_end(lambda: self._running.discard(running))
        return running

    async def close(self, wait: float = 10.0) -> None:
        """Start nothing any more, give what runs `wait` seconds, kill the rest, and close the engine. Idempotent."""
        if self._closing:
            return
        self._closing = True
        if self._running:
            await ended(self._running, wait)
            stopping = [asyncio.create_task(running.stop()) for running in list(self._running)]
            if stopping and (await asyncio.wait(stopping, timeout=_KILL_S))[1]:
                # The engine looks at a kill between blocks of rows. It is left open rather than torn from under them.
                logger.warning("the embedded ClickHouse has statements that cannot be ended, leaving it open")
                for task in stopping:
                    task.cancel()
                return
        loop = asyncio.get_running_loop()
        for threads in (*(pool.threads for pool in self._pools.values()), self._control):
            await loop.run_in_executor(None, threads.shutdown)
        await loop.run_in_executor(None, self._keep.close)

    def _kill(self, tag: str) -> None:
        def kill() -> None:
            with contextlib.suppress(RuntimeError):  # the next round tries again
                self._keep.query(f"KILL QUERY WHERE endsWith(Settings['log_comment'], '{tag}') ASYNC")

        with contextlib.suppress(RuntimeError):  # shut down: nothing runs any more
            self._control.submit(kill)

    # -- in a thread ---------------------------------------------------------------------------------------------------

    def _work(self, running: Running, write: int) -> Stats:
        """Run one statement in a session of its own; its result goes into the pipe. Raises SqlError."""
        session = None
        try:
            if running.cancelled:
                raise SqlError(CANCELLED, "Query was cancelled")
            session = _session(self._connection)
            return self._run(session, running, write)
        except RuntimeError as error:  # ChdbError is one
            raise SqlError.of(error) from error
        except BrokenPipeError:
            raise SqlError(CANCELLED, "Query was cancelled: its result is not wanted any more") from None
        except OSError as error:  # the file in memory that an insert's data goes through
            raise SqlError(FULL, f"Cannot hold the data of the insert: {error.strerror}") from error
        finally:
            if session is not None:
                session.close()
            os.close(write)

    def _run(self, session: Any, running: Running, write: int) -> Stats:
        call = running.call
        if call.format.lower() in _NO_FORMATS:
            raise SqlError(UNKNOWN_FORMAT, f"Unknown format {call.format}")
        head = split_insert(call.text)
        statement = self._check(session, call, head)
        running.kind = statement.kind
        settings = self._settings(call, statement, running.tag)
        session.query(f"USE {identifier(call.database)}")
        session.query(b"SET " + b", ".join(name.encode() + b" = " + literal(v) for name, v in settings.items()))
        if running.cancelled:
            raise SqlError(CANCELLED, "Query was cancelled")
        if statement.kind is Kind.SELECT:
            running.format = statement.format or call.format
            text = with_outfile(call.text, statement, f"/dev/fd/{write}")
            return _stats(session.query(text, call.format, params=dict(call.parameters)))
        if call.reader:  # SHOW and the like
            stats, answer = _change(session, statement, head, call)
        else:
            with self._writes.watched():
                stats, answer = _change(session, statement, head, call)
        if answer:
            running.format = statement.format or call.format
            _write_all(write, answer)
        return stats

    def _settings(self, call: Call, statement: Statement, tag: str) -> dict[str, str]:
        if call.reader:
            own = limits.for_reader(call.settings, statement.settings, self._limits, tag)
        else:
            own = limits.for_operator(call.settings, tag, read_only=call.read_only)
        extra = _ONE_BLOCK if statement.kind is Kind.INSERT else {}
        return {**limits.BASE, **extra, **own}

    def _check(self, session: Any, call: Call, head: Head | None) -> Statement:
        """The statement as the engine's parser sees it. Raises SqlError when it is none, or several, or not allowed."""
        text = call.text if head is None else head.text + b" FORMAT " + head.format.encode()
        key = (text, call.reader)
        known = self._checked.get(key) if not call.parameters or not call.reader else None
        if known is not None:
            return known
        session.query(_BASE)
        canonical: bytes = session.query(
            b"SELECT formatQuerySingleLine(" + literal(text) + b")", "TabSeparatedRaw"
        ).bytes()
        statement = describe(canonical.rstrip(b"\n"))
        if (statement.kind is Kind.INSERT) != (head is not None):
            raise SqlError(SYNTAX, "Syntax error: cannot tell where the statement ends and its data begins")
        if call.reader:
            tree: bytes = session.query(
                b"EXPLAIN AST " + statement.canonical, "TabSeparatedRaw", params=dict(call.parameters)
            ).bytes()
            gate.check(statement.canonical, tree)
        if len(text) <= _CHECKED_BYTES and not (call.reader and call.parameters):
            self._checked[key] = statement
            while len(self._checked) > _CHECKED:
                self._checked.popitem(last=False)
        return statement


def _session(connection: str) -> Any:
    from chdb.session import Session

    make: Any = Session
    return make(connection)


def _change(session: Any, statement: Statement, head: Head | None, call: Call) -> tuple[Stats, bytes]:
    """Run what is no SELECT, and return its small result."""
    if statement.kind is Kind.INSERT:
        assert head is not None
        one_statement(call.text, head)
        return _insert(session, head, call), b""
    result = session.query(call.text, call.format, params=dict(call.parameters))
    return _stats(result), result.bytes() if result.size() else b""


def _insert(session: Any, head: Head, call: Call) -> Stats:
    """The data goes through a file in memory. Not behind the statement: chDB ends it at the first blank line in it. And not
    through chDB's streaming insert: that reports rows as written whose insert has failed in the end (a constraint, a full
    disk), which lost acknowledged spans."""
    with _file() as (file, path):
        for piece in (call.text[head.end :], *call.data):
            _write_all(file, piece)
        return _stats(session.query(with_infile(head, path), call.format, params=dict(call.parameters)))


@contextlib.contextmanager
def _file() -> Iterator[tuple[int, str]]:
    """A file that is gone when it is closed, and the path under which the engine opens it: in memory where the system has
    that (Linux), else a temporary one."""
    if sys.platform == "linux":
        handle = os.memfd_create("litefuse-insert")
        try:
            yield handle, f"/proc/self/fd/{handle}"
        finally:
            os.close(handle)
    else:
        with tempfile.NamedTemporaryFile(prefix="litefuse-insert-") as named:
            yield named.fileno(), named.name


def _write_all(write: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(write, view) :]


def _stats(result: Any) -> Stats:
    return Stats(
        read_rows=result.rows_read(),
        read_bytes=result.bytes_read(),
        written_rows=result.rows_written(),
        written_bytes=result.bytes_written(),
        seconds=result.elapsed(),
    )
