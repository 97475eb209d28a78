"""Where commands find log and ClickHouse: beside a running process if there is one, else opened for the moment.

`<data-dir>/clickhouse.url` may be left over from a process that was killed, and its port may be another program's by now. So
the address is tried first, and what does not answer to the password in it is not ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from litefuse.cli.query import QueryFailed, Reader
from litefuse.errors import ConfigError, StoreUnavailable
from litefuse.settings import Secret, Settings
from litefuse.telemetry import logs

if TYPE_CHECKING:
    from litefuse.clickhouse.client import Store
    from litefuse.embedded import Embedded
    from litefuse.log.base import Log

URL_FILE = "clickhouse.url"
READER_PASSWORD_FILE = "clickhouse.reader.password"
#: What `litefuse sql` sets on a server, where its login may be allowed to write.
_READING = {"readonly": "2", "final": "1"}


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
            raise ConfigError(f"no log at {path}: `litefuse up` makes it; --data-dir and --log-url say where it is")
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
        url, own = settings.clickhouse_url, False
        if not url:
            found = await running(settings)
            own = found is None
            url = found or Secret((await _engine(settings, stack, make)).url)
        store = await Store.open(url)
        stack.push_async_callback(store.close)
        yield Opened(store, own)


@contextlib.asynccontextmanager
async def opened_reader(settings: Settings) -> AsyncIterator[Reader]:
    """ClickHouse for people's SQL: the embedded engine's `reader`; on a server the login of LITEFUSE_CLICKHOUSE_URL,
    for reading only. Raises ConfigError, StoreError."""
    _quiet(settings)
    async with contextlib.AsyncExitStack() as stack:
        if settings.clickhouse_url:
            yield Reader(settings.clickhouse_url, dict(_READING))
            return
        found = await running(settings)
        if found is not None:
            yield Reader(_as_reader(found, settings))
        else:
            yield Reader(Secret((await _engine(settings, stack, False)).reader_url))


async def running(settings: Settings) -> Secret | None:
    """The operator's address of the engine that runs on this data directory; None when none answers there."""
    try:
        url = read_address(settings)
        await asyncio.to_thread(Reader(url).run, "SELECT 1", "TSV", io.BytesIO())
    except (StoreUnavailable, QueryFailed):
        return None
    return url


def read_address(settings: Settings) -> Secret:
    """What `<data-dir>/clickhouse.url` says now. Raises StoreUnavailable when it is not there."""
    path = settings.data_dir / URL_FILE
    try:
        text = path.read_text("utf-8").strip()
    except FileNotFoundError:
        raise StoreUnavailable(
            f"no ClickHouse: LITEFUSE_CLICKHOUSE_URL is not set, and {path} is not there "
            "(`litefuse up` and `litefuse clickhouse` write it while they run)"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreUnavailable(f"{path}: {error}") from error
    if not text:
        raise StoreUnavailable(f"{path} is empty")
    return Secret(text)


def _as_reader(url: Secret, settings: Settings) -> Secret:
    path = settings.data_dir / READER_PASSWORD_FILE
    try:
        password = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    parts = urlsplit(url.reveal())
    host = parts.netloc.rpartition("@")[2]
    return Secret(parts._replace(netloc=f"reader:{quote(password, safe='')}@{host}").geturl())


async def _engine(settings: Settings, stack: contextlib.AsyncExitStack, make: bool) -> Embedded:
    """The engine, opened for the moment on a free port: nobody has to know it."""
    if not make and not (settings.data_dir / "clickhouse").is_dir():
        raise ConfigError(
            f"no ClickHouse: {settings.data_dir} has no database (`litefuse up` makes it; --data-dir says where it is), "
            "and LITEFUSE_CLICKHOUSE_URL is not set"
        )
    from litefuse.cli.up import engine

    open_embedded = engine()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    embedded = await open_embedded(replace(settings, clickhouse_port=0))
    stack.push_async_callback(embedded.close)
    return embedded


def _quiet(settings: Settings) -> None:
    """A tool's output is its own: only errors are logged beside it, unless more is asked for."""
    logs.setup("error" if settings.log_level == "info" else settings.log_level, settings.log_format)
