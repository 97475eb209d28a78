"""A running ingest over real sockets, with the real SQLite log or one that fails on purpose, and requests to it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import aiohttp
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ingest.app import OTLP_PREFIX, PUBLIC_PREFIX, Ingest, start_ingest
from litefuse.errors import LogError, RecordTooLarge, StoreError, StoreUnavailable
from litefuse.http import Limits, Server, serve
from litefuse.keys import hash_secret
from litefuse.log.base import TRACES, Headers, Log, Placed, Record
from litefuse.log.sqlite import SqliteLog
from litefuse.settings import Settings

PUBLIC, SECRET, PROJECT = "pk-lf-1", "sk-lf-1", "project-1"
PROTOBUF, JSON = "application/x-protobuf", "application/json"
NOW = 1_700_000_000_000_000_000


class Store:
    """The two tables of keys, in memory: a key store that can be down or slow. The real one is in tests/test_keys.py."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, int, str]] = {PUBLIC: (PROJECT, 0, SECRET)}
        #: Of keys that may not do everything.
        self.scopes: dict[str, str] = {}
        self.error: StoreError | None = None
        self.held: asyncio.Event | None = None
        self.reads = 0

    async def rows(
        self, sql: str, parameters: Any = None, *, settings: Any = None, timeout: float | None = 0
    ) -> list[tuple[Any, ...]]:
        self.reads += 1
        found = [
            (pk, pid, days, "salt", hash_secret("salt", sk), self.scopes.get(pk, "all"))
            for pk, (pid, days, sk) in self.keys.items()
        ]
        if self.held is not None:
            await self.held.wait()
        if self.error is not None:
            raise self.error
        return found

    async def command(
        self, sql: str, parameters: Any = None, *, settings: Any = None, timeout: float | None = 0
    ) -> Any:
        raise AssertionError("ingest writes nothing")

    async def insert_arrow(self, table: str, columns: Any, body: bytes, *, settings: Any, timeout: float) -> None:
        raise AssertionError("ingest writes nothing")

    def down(self) -> None:
        self.error = StoreUnavailable("connection refused")


@dataclass
class Published:
    value: bytes
    headers: dict[str, str]
    key: bytes | None


@dataclass
class FaultyLog:
    """Keeps records in memory, and fails as it is told: `error` is raised, `hold` makes publish wait, `limit` is the most it
    really takes, `said` what it claims to take."""

    error: LogError | None = None
    hold: asyncio.Event | None = None
    limit: int = 1 << 30
    said: int = 1 << 30
    records: list[Published] = field(default_factory=list)
    waiting: int = 0

    async def publish(self, topic: str, value: bytes, headers: Headers, key: bytes | None = None) -> Placed:
        assert topic == TRACES
        if self.error is not None:
            raise self.error
        if len(value) > self.limit:
            self.said = self.limit
            raise RecordTooLarge(len(value), self.limit)
        if self.hold is not None:
            self.waiting += 1
            try:
                await self.hold.wait()
            finally:
                self.waiting -= 1
        self.records.append(Published(value, {k: v.decode() for k, v in headers}, key))
        return Placed(0, len(self.records) - 1)

    def max_value_bytes(self, headers: Headers) -> int:
        return self.said

    async def ping(self) -> None:
        if self.error is not None:
            raise self.error


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Running:
    """`server` is the main port, `otlp` the OTLP port."""

    ingest: Ingest
    server: Server
    otlp: Server
    client: aiohttp.ClientSession
    log: Log
    store: Any

    async def post(
        self,
        body: Any = b"",
        headers: Mapping[str, str | None] | None = None,
        *,
        path: str = "/v1/traces",
        method: str = "POST",
        main: bool = False,
    ) -> Answer:
        """Good credentials and protobuf, unless `headers` says otherwise (None leaves a header out)."""
        merged: dict[str, str | None] = {"Authorization": basic(), "Content-Type": PROTOBUF, **(headers or {})}
        sent = {name: value for name, value in merged.items() if value is not None}
        port = self.server.port if main else self.otlp.port
        async with self.client.request(
            method,
            f"http://127.0.0.1:{port}{path}",
            data=body,
            headers=sent,
            skip_auto_headers=["Content-Type"],
            allow_redirects=False,
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def records(self) -> list[Record]:
        """What is in the SQLite log."""
        return [record async for record in self.log.read(TRACES)]


def basic(public: str = PUBLIC, secret: str = SECRET) -> str:
    return "Basic " + base64.b64encode(f"{public}:{secret}".encode()).decode()


@asynccontextmanager
async def running(
    where: Path | FaultyLog | Log, *, limits: Limits | None = None, store: Any = None, **settings: Any
) -> AsyncIterator[Running]:
    """`where`: a directory for a SQLite log, or a log. `store`: a `Store` of the above, or a real one."""
    made = Settings(**settings)
    log = cast(Log, SqliteLog(where / "log.db") if isinstance(where, Path) else where)
    if isinstance(where, Path):
        await log.start()
    store = store or Store()
    ingest = await start_ingest(made, log, store)
    servers = []
    try:
        for prefix in (PUBLIC_PREFIX, OTLP_PREFIX):
            app = web.Application()
            app.add_routes(ingest.routes(prefix))
            servers.append(await serve(app, "127.0.0.1", 0, limits or Limits.of(made), [ingest]))
        # Chunked bodies of a refused request stay unsent; the client must not wait for them.
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as client:
            yield Running(ingest, servers[0], servers[1], client, log, store)
    finally:
        for server in servers:
            await server.close(0.0)
        await ingest.close()
        if isinstance(where, Path):
            await log.close()


def request(
    *spans: Mapping[str, Any], resource: Mapping[str, str] | None = None, count: int = 0
) -> ExportTraceServiceRequest:
    """An export request of these spans (fields over good defaults), or of `count` good ones."""
    made = ExportTraceServiceRequest()
    resource_spans = made.resource_spans.add()
    for name, value in (resource or {"service.name": "shop"}).items():
        resource_spans.resource.attributes.add(key=name).value.string_value = value
    scope = resource_spans.scope_spans.add()
    scope.scope.name = "tests"
    for number, fields in enumerate(spans or [{}] * count):
        scope.spans.add(
            **{
                "trace_id": bytes([1]) * 16,
                "span_id": (number + 1).to_bytes(8, "big"),
                "name": f"span {number}",
                "start_time_unix_nano": NOW,
                "end_time_unix_nano": NOW + 1000,
                **fields,
            }
        )
    return made


def names(values: Sequence[bytes]) -> list[str]:
    """The names of all spans in these record values, uncompressed protobuf."""
    found = []
    for value in values:
        for resource in ExportTraceServiceRequest.FromString(value).resource_spans:
            found += [span.name for scope in resource.scope_spans for span in scope.spans]
    return found
