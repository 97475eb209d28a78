"""Listen, bound the connections, sweep out the late ones, and drain."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web

from litefuse.errors import ConfigError
from litefuse.http.connection import MAX_LINE, Connection
from litefuse.http.front import Front
from litefuse.http.routes import Role, common
from litefuse.settings import Settings

#: File descriptors kept back for the log, ClickHouse, and files.
_OTHER_FILES = 200


_MOST_CONNECTIONS = 10_000


def _connections() -> int:
    """As many as the process may have files for. The soft limit, often 1024, is raised as far as the hard one lets it:
    a thousand connections that do nothing should not keep the next client out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_CONNECTIONS + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (
        _MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(100, min(_MOST_CONNECTIONS, soft - _OTHER_FILES))
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, connections at once (one more is answered with 503 and closed), and bytes of a request line."""

    header_s: float = 15.0
    body_s: float = 60.0
    idle_s: float = 75.0
    connections: int = 10_000
    line: int = MAX_LINE

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        return cls(settings.header_timeout_s, settings.body_timeout_s, settings.idle_timeout_s, _connections())


class Server:
    """A listening server. `port` is the one it was given, or the one it picked for 0."""

    def __init__(self, runner: web.AppRunner, front: Front, listener: asyncio.Server, limits: Limits) -> None:
        self._runner = runner
        self._front = front
        self._listener = listener
        self._limits = limits
        self._sweep: asyncio.Task[None] | None = asyncio.create_task(self._close_late())
        self.port: int = listener.sockets[0].getsockname()[1]

    async def close(self, drain: float = 10.0) -> None:
        """Stop accepting, let requests that have begun finish for at most `drain` seconds, then close. Idempotent.

        Bodies go on being received meanwhile: a request whose headers are here is answered. Every answer closes its
        connection.
        """
        sweep, self._sweep = self._sweep, None
        if sweep is None:
            return
        self._front.draining = True
        self._listener.close()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + drain
        await asyncio.sleep(0)  # what the kernel has accepted already begins
        self._close_idle()
        while self._front.active and loop.time() < deadline:
            await asyncio.sleep(0.02)
            self._close_idle()
        sweep.cancel()
        await self._runner.cleanup()

    def _connections(self) -> list[Connection]:
        server = self._runner.server
        return cast(list[Connection], server.connections if server is not None else [])

    def _close_idle(self) -> None:
        for connection in self._connections():
            connection.close_if_idle()

    async def _close_late(self) -> None:
        every = min(1.0, self._limits.header_s / 4, self._limits.body_s / 4, self._limits.idle_s / 4)
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(every)
            now = loop.time()
            for connection in self._connections():
                connection.close_if_late(now)


async def serve(
    app: web.Application, host: str, port: int, limits: Limits | None = None, roles: Sequence[Role] = ()
) -> Server:
    """Serve `app`, with health, ready and metrics routes added. Raises ConfigError when the address cannot be had."""
    limits = limits or Limits()
    app.add_routes(common(roles))
    # Requests are drained by `Server.close`; what is left after that gets one second.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    manager = cast(Any, runner.server)
    front = Front(manager.request_handler)
    manager.request_handler = front
    loop = asyncio.get_running_loop()
    try:
        listener = await loop.create_server(lambda: Connection(manager, limits, loop), host or None, port, backlog=1024)
    except OSError as error:
        with contextlib.suppress(OSError):
            await runner.cleanup()
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return Server(runner, front, listener, limits)
