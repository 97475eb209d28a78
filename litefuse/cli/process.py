"""Composes a process of roles: dependencies, roles, servers, readiness, shutdown. `up` is all roles in one.

Start: dependencies are connected in the background, servers listen at once, `ready …` is printed when every part is
ready. Shutdown, each step with its share of LITEFUSE_DRAIN_TIMEOUT_S: stop intake and answer what was begun, drain the
workers and commit, let go of the log, of ClickHouse, and close the engine.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from litefuse.cli.calling import command
from litefuse.cli.late import LateLog, LateStore, address
from litefuse.cli.shutdown import Sequence, Signals
from litefuse.embedded.embedded import base_url
from litefuse.errors import ConfigError
from litefuse.settings import Settings
from litefuse.telemetry import logs, loop
from litefuse.telemetry.logs import event

if TYPE_CHECKING:
    from litefuse.clickhouse.client import Store
    from litefuse.embedded import Embedded
    from litefuse.http import Server

logger = logging.getLogger("litefuse.start")

#: Share of the drain's time that requests have; the worker has what is left.
_INTAKE_SHARE = 0.25
#: Seconds between two looks at readiness while starting, and until the reasons are told.
_LOOK_EVERY = 0.05
_TELL_AFTER = 3.0


class Part(Protocol):
    def ready(self) -> list[str]: ...


@dataclass
class Process:
    """`roles` of "ingest", "worker", "web". `prepare` runs with ClickHouse before anything else uses it; `announce` gets
    the process when it listens, before it is ready."""

    settings: Settings
    roles: frozenset[str]
    prepare: Callable[[Store], Awaitable[None]] | None = None
    engine: Callable[[Settings], Awaitable[Embedded]] | None = None
    announce: Callable[[Process], None] = lambda _: None
    port: int = 0
    otlp_port: int = 0
    sql_port: int = 0
    _parts: list[Part] = field(default_factory=list)
    _signals: Signals = field(default_factory=Signals)
    _failure: BaseException | None = None
    _failed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return base_url(self.settings.host, self.port)

    async def run(self) -> int:
        """Until a signal; 0. Raises ConfigError for what keeps it from starting at all."""
        logs.setup(self.settings.log_level, self.settings.log_format)
        self._signals.listen()
        stopping = Sequence(self._signals)
        watch = asyncio.create_task(loop.watch())
        try:
            if await self._until_signal(self._start(stopping)):
                self.announce(self)
                if await self._until_signal(self._until_ready()):
                    print(f"ready {self.url}", flush=True)
                    await self._until_signal(asyncio.Event().wait())
        finally:
            await stopping.run(self.settings.drain_timeout_s)
            watch.cancel()
        event(logger, logging.INFO, "stopped")
        return 0

    async def _until_signal(self, work: Coroutine[Any, Any, Any]) -> bool:
        """Do `work`; True when it is done, False when a signal came first. Raises its error, or that of a dependency
        which can never be used."""
        task = asyncio.create_task(work)
        others = [asyncio.create_task(self._signals.stop.wait()), asyncio.create_task(self._failed.wait())]
        await asyncio.wait({task, *others}, return_when=asyncio.FIRST_COMPLETED)
        done = task.done()
        for each in (task, *others):
            each.cancel()
        await asyncio.gather(task, *others, return_exceptions=True)
        if self._failure is not None:
            raise self._failure
        if done:
            task.result()
        return done and not self._signals.stop.is_set()

    def _watch(self, task: asyncio.Task[None]) -> None:
        """A dependency's task ends with an error only when trying on is of no use."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                self._failure = error
                self._failed.set()

        task.add_done_callback(ended)

    # -- start ---------------------------------------------------------------------------------------------------------

    async def _start(self, stopping: Sequence) -> None:
        settings = self.settings
        where = address(settings)
        engine: Embedded | None = None
        if self.engine is not None:
            engine = await self.engine(settings)
            stopping.push("engine", engine.close)
            url = engine.url
            self.sql_port = engine.port
            where = lambda: url  # noqa: E731 - the engine's own address, not one of an earlier run
        store = LateStore(where, self.prepare)
        self._parts.append(store)
        stopping.push("ClickHouse", store.close)
        self._watch(store.start())
        routes: list[Any] = []
        otlp_routes: list[Any] = []
        if self.roles:
            routes, otlp_routes = await self._start_roles(stopping, store)
        await self._listen(stopping, routes, otlp_routes)
        if engine is not None and "web" in self.roles:
            engine.announce(self.url)

    async def _start_roles(self, stopping: Sequence, store: LateStore) -> tuple[list[Any], list[Any]]:
        from litefuse.log import open_log

        settings = self.settings
        log = open_log(settings)
        late_log = LateLog(log)
        self._parts.append(late_log)
        stopping.push("log", late_log.close)
        self._watch(late_log.start())
        if self.engine is not None:
            # On one machine both are there at once, and the roles find them so at their first look.
            await self._quiet(late_log, store)
        routes: list[Any] = []
        otlp_routes: list[Any] = []
        if "worker" in self.roles:
            from worker.app import start_worker

            worker = await start_worker(settings, log, store)
            self._parts.append(worker)
            stopping.push("worker", worker.close)
        if "web" in self.roles:
            from web.app import start_web
            from web.page import Place

            elsewhere = Place("http://INGEST:3000", f"`{command()} keys create --project NAME` makes a key.")
            place = None if "ingest" in self.roles else elsewhere
            web = await start_web(settings, log, store, place, command())
            self._parts.append(web)
            stopping.push("web", web.close)
            routes += web.routes()
        if "ingest" in self.roles:
            from ingest.app import OTLP_PREFIX, PUBLIC_PREFIX, start_ingest

            ingest = await start_ingest(settings, log, store)
            self._parts.append(ingest)
            stopping.push("ingest", ingest.close)
            routes += ingest.routes(PUBLIC_PREFIX)
            otlp_routes = ingest.routes(OTLP_PREFIX)
        return routes, otlp_routes

    @staticmethod
    async def _quiet(*parts: Part) -> None:
        """Until none of the parts has a reason not to be ready, for a bounded time."""
        for _ in range(200):
            if not any(part.ready() for part in parts):
                return
            await asyncio.sleep(0.01)

    async def _listen(self, stopping: Sequence, routes: list[Any], otlp_routes: list[Any]) -> None:
        from aiohttp import web

        from litefuse.http import Limits, serve

        settings = self.settings
        servers: list[Server] = []

        async def close() -> None:
            drain = settings.drain_timeout_s * _INTAKE_SHARE
            await asyncio.gather(*(server.close(drain) for server in servers))

        stopping.push("intake", close)
        limits = Limits.of(settings)
        for port, table in ((settings.port, routes), (settings.otlp_port, otlp_routes)):
            if table is otlp_routes and (not otlp_routes or not port):
                continue
            app = web.Application(client_max_size=0)
            app.add_routes(table)
            servers.append(await serve(app, settings.host, port, limits, self._parts))
        self.port = servers[0].port
        self.otlp_port = servers[1].port if len(servers) > 1 else 0

    # -- ready ---------------------------------------------------------------------------------------------------------

    def reasons(self) -> list[str]:
        return [reason for part in self._parts for reason in part.ready()]

    async def _until_ready(self) -> None:
        waited = 0.0
        told: list[str] = []
        while reasons := self.reasons():
            if waited >= _TELL_AFTER and reasons != told:
                told = reasons
                event(logger, logging.WARNING, "not ready yet", reasons="; ".join(reasons))
            await asyncio.sleep(_LOOK_EVERY)
            waited += _LOOK_EVERY


def collect_rarely() -> None:
    """Records and what is made of them live until their block is committed, and hold no cycles. Looking through all of
    them for cycles after every 700 new objects, Python's default, took a sixth of a worker's time on small records."""
    gc.set_threshold(50_000, 20, 100)


def run(process: Process) -> int:
    """Run it on uvloop where there is one."""
    collect_rarely()
    try:
        import uvloop
    except ImportError:
        return asyncio.run(process.run())
    return uvloop.run(process.run())


def need_servers(role: str, settings: Settings) -> None:
    """A role of its own needs Kafka, and somewhere to find ClickHouse. Raises ConfigError with the sentence."""
    from litefuse.log import is_sqlite

    if is_sqlite(settings):
        raise ConfigError(
            f"litefuse {role} needs Kafka: LITEFUSE_LOG_URL=kafka://host:9092. The SQLite log belongs to one process, "
            "`litefuse up`, which has every role in it"
        )
    if not settings.clickhouse_url and not settings.data_dir.is_dir():
        raise ConfigError(
            f"litefuse {role} needs ClickHouse: LITEFUSE_CLICKHOUSE_URL=http://user:password@host:8123/litefuse, "
            f"or the data directory of a `litefuse clickhouse` ({settings.data_dir} is not there)"
        )
