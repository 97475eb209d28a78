"""Dependencies that may not be there yet: a role starts without them, says so in its readiness, and goes on trying.

    store = LateStore(address, prepare)     every call raises StoreUnavailable until ClickHouse answered once
    waiting = LateLog(log)                  starts the log, again and again until that succeeds

An address in `<data-dir>/clickhouse.url` can change when `litefuse clickhouse` starts anew; it is read again then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from litefuse.clickhouse.client import Store
from litefuse.embedded import files
from litefuse.errors import ConfigError, LitefuseError, LogError, StoreError, StoreMisconfigured, StoreUnavailable
from litefuse.log.base import Log
from litefuse.settings import Secret, Settings
from litefuse.telemetry.logs import event

logger = logging.getLogger("litefuse.start")

#: Seconds between attempts: the first, and the longest.
_FIRST = 0.2
_LONGEST = 5.0
#: Seconds between looks at whether the address in the data directory has changed.
_LOOK_EVERY = 2.0


def address(settings: Settings) -> Callable[[], Secret]:
    """Where ClickHouse is: the setting, else what the data directory's file says at the time of the call."""
    if settings.clickhouse_url:
        return lambda: settings.clickhouse_url
    return lambda: files.login_url(settings.data_dir)


class LateStore:
    """What litefuse.clickhouse.client.Store has, from the moment it is made. `prepare` runs once, before the store is
    given to anybody: migrations, the first project. A ConfigError of it ends the process through `failed`."""

    def __init__(
        self,
        address: Callable[[], Secret],
        prepare: Callable[[Store], Awaitable[None]] | None = None,
    ) -> None:
        self._address = address
        self._prepare = prepare
        self._store: Store | None = None
        self._problem = "ClickHouse: not reached yet"
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Connect in the background. The task ends only by ConfigError, or by `close`."""
        self._task = asyncio.create_task(self._run(), name="clickhouse")
        return self._task

    def ready(self) -> list[str]:
        return [] if self._store is not None else [self._problem]

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        store, self._store = self._store, None
        if store is not None:
            await store.close()

    # -- what Store has ------------------------------------------------------------------------------------------------

    async def insert_arrow(
        self,
        table: str,
        columns: Sequence[str],
        body: bytes,
        *,
        settings: Mapping[str, str],
        timeout: float,
        query_id: str | None = None,
    ) -> None:
        await self._now().insert_arrow(table, columns, body, settings=settings, timeout=timeout, query_id=query_id)

    async def rows(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        timeout: float | None = 30.0,
    ) -> list[tuple[Any, ...]]:
        return await self._now().rows(sql, parameters, settings=settings, timeout=timeout)

    async def command(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        timeout: float | None = 30.0,
    ) -> Any:
        return await self._now().command(sql, parameters, settings=settings, timeout=timeout)

    # -- connecting ----------------------------------------------------------------------------------------------------

    def _now(self) -> Store:
        if self._store is None:
            raise StoreUnavailable(self._problem)
        return self._store

    async def _run(self) -> None:
        url = await self._connect()
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            with contextlib.suppress(StoreError):
                current = self._address()
                if current.reveal() != url.reveal():
                    url = await self._connect()

    async def _connect(self) -> Secret:
        """Until it has succeeded; the address that it was."""
        pause = _FIRST
        said = ""
        while True:
            try:
                url = self._address()
                fresh = await Store.open(url)
                try:
                    if self._prepare is not None:
                        await self._prepare(fresh)  # before any query: it may have to make the database
                    await fresh.ping()
                except BaseException:
                    await fresh.close()
                    raise
            except ConfigError:
                raise
            except (LitefuseError, OSError, TimeoutError) as error:
                self._problem = f"ClickHouse: {str(error) or 'no answer'}"
                if self._problem != said:  # the cause once, not once per attempt
                    said = self._problem
                    level = logging.ERROR if isinstance(error, StoreMisconfigured) else logging.WARNING
                    event(logger, level, "ClickHouse cannot be used yet, trying on", error=error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST)
                continue
            old, self._store = self._store, fresh
            if said or old is not None:
                event(logger, logging.INFO, "ClickHouse reached")
            if old is not None:
                await old.close()
            return url


class LateLog:
    """Starts a log in the background. Until then the log itself answers LogUnavailable."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._problem: str | None = "log: not reached yet"
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """The task ends when the log is started, or by ConfigError."""
        self._task = asyncio.create_task(self._run(), name="log")
        return self._task

    def ready(self) -> list[str]:
        return [] if self._problem is None else [self._problem]

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._log.close()

    async def _run(self) -> None:
        pause = _FIRST
        said = ""
        while True:
            try:
                await self._log.start()
            except (LogError, OSError, TimeoutError) as error:
                self._problem = f"log: {str(error) or 'no answer'}"
                if self._problem != said:
                    said = self._problem
                    event(logger, logging.WARNING, "the log cannot be used yet, trying on", error=error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST)
                continue
            if said:
                event(logger, logging.INFO, "log reached")
            self._problem = None
            return
