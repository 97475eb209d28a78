"""The embedded ClickHouse for tests: open in a thread with a loop of its own, so that plain blocking clients can ask it.

chDB opens one directory per process at a time: fixtures that hold it are of module scope at most.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from litefuse.clickhouse.client import Store
from litefuse.embedded import Embedded, open_embedded
from litefuse.settings import Settings
from schemas.runner import migrate


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def code(self) -> int:
        """ClickHouse's error code, 0 for none."""
        return int(self.headers.get("X-ClickHouse-Exception-Code", 0))


class Server:
    """An open engine and what a test needs of it."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop, embedded: Embedded) -> None:
        self.settings = settings
        self.loop = loop
        self.embedded = embedded
        self.port = embedded.port

    def password(self, login: str) -> str:
        names = {"litefuse": "clickhouse.password", "reader": "clickhouse.reader.password"}
        return (self.settings.data_dir / names[login]).read_text().strip()

    def basic(self, login: str) -> str:
        return "Basic " + base64.b64encode(f"{login}:{self.password(login)}".encode()).decode()

    def ask(
        self,
        sql: str | bytes = b"",
        login: str | None = "litefuse",
        *,
        method: str = "POST",
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        **parameters: str,
    ) -> Answer:
        """One request on a connection of its own. `login` None: no credentials but those given."""
        sent = dict(headers or {})
        if login is not None:
            sent["Authorization"] = self.basic(login)
        url = f"{path}?{urlencode(parameters)}" if parameters else path
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            body = sql.encode() if isinstance(sql, str) else sql
            connection.request(method, url, body=None if method == "GET" else body, headers=sent)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def one(self, sql: str, login: str = "litefuse", **parameters: str) -> str:
        """The text of a successful answer, without its last line break."""
        answer = self.ask(sql, login, headers=None, **parameters)
        assert answer.status == 200, answer.text
        return answer.text.rstrip("\n")


@contextlib.contextmanager
def running(data_dir: Path, **settings: Any) -> Iterator[Server]:
    """Open, and close at the end whatever happens."""
    chosen = Settings(data_dir=data_dir, clickhouse_port=0, **settings)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="embedded", daemon=True)
    thread.start()
    try:
        embedded = asyncio.run_coroutine_threadsafe(open_embedded(chosen), loop).result(60)
        try:
            yield Server(chosen, loop, embedded)
        finally:
            asyncio.run_coroutine_threadsafe(embedded.close(5.0), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextlib.contextmanager
def with_tables(data_dir: Path) -> Iterator[Server]:
    """The same with our tables."""

    async def migrated(url: str) -> None:
        store = await Store.open(url)
        await migrate(store)
        await store.close()

    with running(data_dir) as server:
        asyncio.run(migrated(server.embedded.url))
        yield server
