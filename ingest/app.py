"""Routes, start and stop of the ingest role."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from ingest.body import expect_later
from ingest.inflight import Budget
from ingest.traces import Traces
from litefuse.errors import LogError
from litefuse.http.auth import Keys
from litefuse.http.status import error
from litefuse.keys import KeyStore, Store
from litefuse.log.base import Log
from litefuse.settings import Settings
from litefuse.telemetry import metrics as m
from litefuse.telemetry.logs import event

logger = logging.getLogger("litefuse.ingest")

#: Where OTLP lies on the main port, and on the port that is for OTLP alone.
PUBLIC_PREFIX = "/api/public/otel"
OTLP_PREFIX = ""
#: Seconds between two looks whether the log can be written: when it could, and when it could not.
_PING_EVERY_S = 2.0
_PING_AGAIN_S = 0.25
_PING_S = 5.0


class Ingest:
    """Everything but the sockets: `routes` go into an application that `litefuse.http.serve` serves."""

    def __init__(self, settings: Settings, log: Log, store: Store) -> None:
        self._log = log
        self._keys = Keys(KeyStore(store), settings.key_refresh_s)
        self._budget = Budget(settings.inflight_bytes)
        self._traces = Traces(settings, log, self._keys, self._budget)
        self._watch: asyncio.Task[None] | None = None
        self._log_down: str | None = None

    async def start(self) -> None:
        """Read the keys and begin to watch the log. What is down is waited for in the background: `ready` names it."""
        await self._keys.start()
        self._watch = asyncio.create_task(self._watch_log())
        m.INFLIGHT_BYTES.set_function(lambda: float(self._budget.used))

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """The OTLP routes under `prefix`."""
        return [
            web.post(f"{prefix}/v1/traces", self._traces.post, name="traces", expect_handler=expect_later),
            web.post(f"{prefix}/v1/logs", _not_yet("logs"), name="logs", expect_handler=expect_later),
            web.post(f"{prefix}/v1/metrics", _not_yet("metrics"), name="metrics", expect_handler=expect_later),
        ]

    def ready(self) -> list[str]:
        """Why spans cannot be accepted now. ClickHouse being down is no reason once the keys were read: that is what
        the log is for."""
        reasons = self._keys.ready()
        if self._log_down is not None:
            reasons.append(self._log_down)
        return reasons

    async def close(self) -> None:
        """Let go; call it when the servers are drained. Idempotent."""
        watch, self._watch = self._watch, None
        if watch is None:
            return
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await self._keys.close()
        await self._traces.close()
        m.INFLIGHT_BYTES.set_function(lambda: 0.0)

    async def _watch_log(self) -> None:
        while True:
            down = None
            try:
                async with asyncio.timeout(_PING_S):
                    await self._log.ping()
            except (LogError, OSError, TimeoutError) as failure:
                down = f"the log cannot be written: {failure or 'no answer'}"
            if (down is None) != (self._log_down is None):
                level, text = (logging.INFO, "log back") if down is None else (logging.WARNING, "log down")
                event(logger, level, text, error=down)
            self._log_down = down
            await asyncio.sleep(_PING_EVERY_S if down is None else _PING_AGAIN_S)


async def start_ingest(settings: Settings, log: Log, store: Store) -> Ingest:
    """A running ingest, without sockets."""
    ingest = Ingest(settings, log, store)
    await ingest.start()
    return ingest


def _not_yet(signal: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """501, and what to do about it. A client that asks for 100-continue is answered before it sends its body."""
    text = (
        f"{signal} are not supported yet, only traces are: send {signal} elsewhere, or turn their exporter off "
        f"(OTEL_{signal.upper()}_EXPORTER=none)"
    )

    async def answer(request: web.Request) -> web.StreamResponse:
        response = error(501, text, request.headers.get("Content-Type"))
        if "Expect" in request.headers:
            response.force_close()
        return response

    return answer
