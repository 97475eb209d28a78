"""The API over real sockets, on the embedded ClickHouse and the SQLite log, with keys of two projects; and requests to it."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web
from yarl import URL

from litefuse.clickhouse.client import Store
from litefuse.http import serve
from litefuse.keys import KeyStore, Pair, Scope
from litefuse.log import open_log
from litefuse.log.base import Log
from litefuse.settings import Secret, Settings
from tests.embedded.server import Server
from web.app import Web, start_web

#: Project → its key for everything. Spans of tests/web/queries/support.py are of project p unless they say otherwise.
PROJECTS = {"p": ("pk-lf-p", "sk-lf-p"), "other": ("pk-lf-other", "sk-lf-other")}
READ, INGEST = ("pk-lf-p-read", "sk-lf-p-read"), ("pk-lf-p-ingest", "sk-lf-p-ingest")
BASE = "/api/public"


def hex_id(n: int) -> str:
    """The id of trace n."""
    return f"{n:032x}"


def basic(pair: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(pair).encode()).decode()


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> list[dict[str, Any]]:
        """The rows of a list that has to have succeeded."""
        assert self.status == 200, self.body
        rows: list[dict[str, Any]] = self.json["data"]
        return rows


@dataclass
class Client:
    """Requests with the key of project p, unless told otherwise."""

    session: aiohttp.ClientSession
    url: str
    log: Log
    store: Store
    web: Web
    keys: tuple[str, str] | None = field(default=PROJECTS["p"])

    async def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | list[tuple[str, str]] | None = None,
        *,
        body: Any = None,
        keys: tuple[str, str] | str | None = "own",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """`path` is under /api/public; lists in `query` are repeated; `body` is sent as JSON, bytes as they are. `keys`: a
        pair, a public key alone (Bearer), or None for no key."""
        sent = dict(headers or {})
        chosen = self.keys if keys == "own" else keys
        if isinstance(chosen, tuple):
            sent["Authorization"] = basic(chosen)
        elif chosen is not None:
            sent["Authorization"] = f"Bearer {chosen}"
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        url = f"{self.url}{BASE}{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        async with self.session.request(method, URL(url, encoded=True), data=data, headers=sent) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def get(
        self, path: str, query: Mapping[str, Any] | list[tuple[str, str]] | None = None, **rest: Any
    ) -> Reply:
        return await self.call("GET", path, query, **rest)


@asynccontextmanager
async def api(server: Server, data_dir: Path, **settings: Any) -> AsyncIterator[Client]:
    """A running web role. `server` has our tables (tests/embedded/server.with_tables)."""
    chosen = Settings(data_dir=data_dir, key_refresh_s=0.5, **settings)
    log = open_log(chosen)
    await log.start()
    store = await Store.open(server.embedded.url)
    made = KeyStore(store)
    known = {key.public_key for key in await made.list()}
    wanted = [(project, pair, Scope.ALL) for project, pair in PROJECTS.items()]
    wanted += [("p", READ, Scope.READ), ("p", INGEST, Scope.INGEST)]
    for project, (public, secret), scope in wanted:
        if public not in known:
            await made.create(project, project_id=project, pair=Pair(public, Secret(secret)), scope=scope)
    role = await start_web(chosen, log, store)
    app = web.Application(client_max_size=0)
    app.add_routes(role.routes())
    listening = await serve(app, "127.0.0.1", 0, roles=[role])
    try:
        async with aiohttp.ClientSession(auto_decompress=True) as session:
            yield Client(session, f"http://127.0.0.1:{listening.port}", log, store, role)
    finally:
        await listening.close(1.0)
        await role.close()
        await store.close()
        await log.close()
