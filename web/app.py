"""The web role: the public API and a landing page; health, ready and metrics come from litefuse.http."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from aiohttp import web

from litefuse import __version__
from litefuse.clickhouse.asking import Inserting
from litefuse.errors import StoreError
from litefuse.log.base import Log
from litefuse.settings import Settings
from litefuse.telemetry.logs import event
from web import page
from web.api.app import Api
from web.state import RECENT_S, Cached, take

logger = logging.getLogger("litefuse.web")

#: Seconds between two looks at whether ClickHouse answers, and what it has for one.
_LOOK_EVERY = 2.0
_LOOK_TIMEOUT = 5.0
_NOT_ASKED = "ClickHouse: not asked yet"


class Web:
    """Serves the page from `routes`. `store` may be a store that is not there yet: it is asked again and again."""

    def __init__(
        self, settings: Settings, log: Log, store: Inserting, place: page.Place | None = None, command: str = "litefuse"
    ) -> None:
        self._store = store
        self._api = Api(settings, log, store)
        self._place = place
        self._command = command
        known_dead: dict[int, int] = {}
        self._state = Cached(lambda: take(log, store, settings.kafka_group, known_dead))
        self._problem: str | None = _NOT_ASKED
        self._task: asyncio.Task[None] | None = None
        self._fallback = f"http://{settings.host}:{settings.port}"

    async def start(self) -> None:
        await self._api.start()
        self._task = asyncio.create_task(self._watch())

    def ready(self) -> list[str]:
        return [*([] if self._problem is None else [self._problem]), *self._api.ready()]

    async def examine(self, *, database: bool, events: bool) -> list[str]:
        """For health. What is known of the database is a few seconds old, what is known of events too: nobody needs a key to
        ask."""
        found = [self._problem] if database and self._problem is not None else []
        if events:
            count = (await self._state.get()).recent
            if count == 0:
                found.append(f"no spans within {RECENT_S // 60} minutes")
            elif count is None and not found:
                found.append(self._problem or "ClickHouse: no answer")
        return found

    async def close(self) -> None:
        """Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._api.close()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._landing, name="page"),
            web.get("/favicon.ico", self._icon),
            *(web.get(f"/static/{name}", self._static) for name in page.STATIC_TYPES),
            *self._api.routes(),
        ]

    async def _landing(self, request: web.Request) -> web.Response:
        state = await self._state.get()
        proto = request.headers.get("X-Forwarded-Proto")
        seen = page.base_url(request.headers.get("Host"), proto, self._fallback)
        if self._place is None:
            place = page.Place(
                seen,
                "The keys of the first project are in project.env in the data directory; "
                f"`{self._command} keys create` makes more.",
            )
        elif proto is not None:  # a proxy, which sends to ingest what is sent (docs/operate.md)
            place = page.Place(seen, self._place.keys)
        else:
            place = self._place
        return web.Response(
            text=page.render(state, self.ready(), place, __version__, self._command),
            content_type="text/html",
            charset="utf-8",
            headers=page.HEADERS,
        )

    async def _static(self, request: web.Request) -> web.Response:
        name = request.path.rpartition("/")[2]
        return web.Response(body=page.static(name), content_type=page.STATIC_TYPES[name], headers=page.STATIC_HEADERS)

    async def _icon(self, _: web.Request) -> web.Response:
        return web.Response(
            body=page.static("icon.svg"), content_type=page.STATIC_TYPES["icon.svg"], headers=page.STATIC_HEADERS
        )

    async def _watch(self) -> None:
        while True:
            problem = None
            try:
                await self._store.rows("SELECT 1", timeout=_LOOK_TIMEOUT)
            except (StoreError, OSError, TimeoutError) as error:
                problem = f"ClickHouse: {str(error) or 'no answer'}"
            if problem is not None and self._problem is None:
                event(logger, logging.WARNING, "ClickHouse does not answer", error=problem)
            elif problem is None and self._problem is not None:
                # At a start that is what everybody expects.
                level = logging.DEBUG if self._problem == _NOT_ASKED else logging.INFO
                event(logger, level, "ClickHouse answers")
            self._problem = problem
            await asyncio.sleep(_LOOK_EVERY)


async def start_web(
    settings: Settings, log: Log, store: Inserting, place: page.Place | None = None, command: str = "litefuse"
) -> Web:
    """A running web role. `place` names where ingest is when that is not this process, `command` how `litefuse` is called
    from a shell here."""
    made = Web(settings, log, store, place, command)
    await made.start()
    return made
