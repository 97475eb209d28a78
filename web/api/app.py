"""The public API as a part of the web role: start, readiness, routes, stop."""

from __future__ import annotations

from aiohttp import web

from litefuse.clickhouse.asking import Inserting
from litefuse.http.auth import Keys
from litefuse.keys import KeyStore
from litefuse.log.base import Log
from litefuse.settings import Settings
from web.api.ingestion_writer import IngestionWriter
from web.api.routes import ROUTES
from web.api.score_writer import ScoreWriter
from web.api.serve import handler
from web.api.services import Services
from web.api.trace_deleter import TraceDeleter


class Api:
    """Everything but the sockets. Belongs to one event loop."""

    def __init__(self, settings: Settings, log: Log, store: Inserting) -> None:
        self._keys = Keys(KeyStore(store), settings.key_refresh_s)
        self._services = Services(
            settings,
            store,
            log,
            ScoreWriter(store),
            TraceDeleter(store),
            IngestionWriter(store, log),
        )

    async def start(self) -> None:
        """Does not raise when ClickHouse is down: `ready` says so."""
        await self._keys.start()

    def ready(self) -> list[str]:
        """Why nobody can be let in."""
        return self._keys.ready()

    async def close(self) -> None:
        """Idempotent."""
        await self._services.ingestion_writer.close()
        await self._services.score_writer.close()
        await self._services.trace_deleter.close()
        await self._keys.close()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.route(route.method, route.pattern, handler(route, self._keys, self._services), name=None)
            for route in ROUTES
        ]
