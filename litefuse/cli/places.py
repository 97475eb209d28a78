"""Where commands find log and ClickHouse: beside a running process if there is one, else opened for the moment."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from litefuse.cli.calling import command
from litefuse.cli.query import Reader
from litefuse.embedded import files
from litefuse.errors import ConfigError, StoreUnavailable
from litefuse.settings import Secret, Settings
from litefuse.telemetry import logs

if TYPE_CHECKING:
    from litefuse.clickhouse.client import Store
    from litefuse.embedded import Embedded
    from litefuse.log.base import Log

#: Seconds that a process which has just begun to start has for writing down its address.
_STARTING_S = 15.0
#: What `litefuse sql` sets on a server, where its login may be allowed to write.
_READING = {"readonly": "2", "final": "1"}


@dataclass(frozen=True, slots=True)
class Login:
    """Where to read, and what goes with each query there if the login may set it."""

    url: Secret
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Opened:
    """`own`: the engine was opened by this command, so nobody else has brought its schema up to date."""

    store: Store
    own: bool


@contextlib.asynccontextmanager
async def opened_log(settings: Settings) -> AsyncIterator[Log]:
    """The log, as a guest. Raises ConfigError when there is none, LogUnavailable when it does not answer."""
    from litefuse.log import is_sqlite, open_log

    _quiet(settings)
    log = open_log(settings, guest=True)
    if is_sqlite(settings):
        path = getattr(log, "path", None)
        if path is not None and not path.exists():
            raise ConfigError(
                f"no log at {path.absolute()}: `{command()} up` makes it; --data-dir and --log-url say where it is"
            )
    await log.start()
    try:
        yield log
    finally:
        await log.close()


@contextlib.asynccontextmanager
async def opened_store(settings: Settings, *, make: bool = False) -> AsyncIterator[Opened]:
    """ClickHouse as the operator. `make`: an empty data directory will do. Raises ConfigError, StoreError."""
    from litefuse.clickhouse.client import Store

    _quiet(settings)
    async with contextlib.AsyncExitStack() as stack:
        url = settings.clickhouse_url
        own = not url and not await running(settings)
        if own:
            url = (await _engine(settings, stack, make)).url
        elif not url:
            url = files.login_url(settings.data_dir)
        store = await Store.open(url)
        stack.push_async_callback(store.close)
        yield Opened(store, own)


@contextlib.asynccontextmanager
async def opened_reader(settings: Settings) -> AsyncIterator[Reader]:
    """ClickHouse for people's SQL: the embedded engine's `reader`; on a server the login of LITEFUSE_CLICKHOUSE_URL,
    for reading only. Raises ConfigError, StoreError."""
    _quiet(settings)
    async with contextlib.AsyncExitStack() as stack:
        login = await reader_login(settings)
        if login is None:
            login = Login((await _engine(settings, stack, False)).reader_url, {})
        yield Reader(login.url, dict(login.settings))


async def reader_login(settings: Settings) -> Login | None:
    """The login of `opened_reader`; None when no process has the engine open. Raises ConfigError, StoreError."""
    if settings.clickhouse_url:
        return Login(settings.clickhouse_url, _READING)
    if await running(settings):
        return Login(files.login_url(settings.data_dir, files.READER), {})
    return None


@contextlib.contextmanager
def reader_beside(settings: Settings) -> Iterator[Reader]:
    """`opened_reader` for a caller without an event loop: engine and front run in a thread's loop, the main thread is
    free to be interrupted while it reads a line or a result."""
    opened: concurrent.futures.Future[Reader] = concurrent.futures.Future()
    loop = asyncio.new_event_loop()

    async def hold() -> None:
        async with opened_reader(settings) as reader:
            opened.set_result(reader)
            await asyncio.Event().wait()

    holding = loop.create_task(hold())

    def run() -> None:
        asyncio.set_event_loop(loop)
        with contextlib.closing(loop):
            try:
                loop.run_until_complete(holding)
            except asyncio.CancelledError:
                opened.cancel()
            except BaseException as error:
                if opened.done():
                    raise
                opened.set_exception(error)
            finally:
                loop.run_until_complete(loop.shutdown_default_executor())

    thread = threading.Thread(target=run, name="reader")
    thread.start()
    try:
        yield opened.result()
    finally:
        with contextlib.suppress(RuntimeError):  # the loop is closed: opening has failed
            loop.call_soon_threadsafe(holding.cancel)
        thread.join()


async def running(settings: Settings) -> bool:
    """Whether a process has the engine of this data directory open; waits until one that starts serves it."""
    deadline = time.monotonic() + _STARTING_S
    while (owner := files.owner(settings.data_dir)) is not None:
        if owner.url:
            return True
        if time.monotonic() > deadline:
            raise StoreUnavailable(f"process {owner.pid} has {settings.data_dir} open and does not serve it; try again")
        await asyncio.sleep(0.1)
    return False


async def _engine(settings: Settings, stack: contextlib.AsyncExitStack, make: bool) -> Embedded:
    """The engine, opened for the moment on a free port: nobody has to know it."""
    if not make and not (settings.data_dir / files.DATA).is_dir():
        raise ConfigError(
            f"no ClickHouse: {settings.data_dir.absolute()} has no database (`{command()} up` makes it; --data-dir says where "
            "it is), and LITEFUSE_CLICKHOUSE_URL is not set"
        )
    from litefuse.embedded import open_embedded

    embedded = await open_embedded(replace(settings, clickhouse_port=0))
    stack.push_async_callback(embedded.close)
    return embedded


def _quiet(settings: Settings) -> None:
    """A tool's output is its own: only errors are logged beside it, unless more is asked for."""
    logs.setup("error" if settings.log_level == "info" else settings.log_level, settings.log_format)
