"""A proxy between a worker and ClickHouse that fails the way networks do. Runs in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from enum import Enum

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "host", "content-length", "content-encoding")


class Mode(Enum):
    PASS = "pass"
    """Everything goes through."""
    SILENT = "silent"
    """Connections and requests are taken, nothing is passed on, nothing ever answers."""
    LOSE_ACKS = "lose acks"
    """An insert goes through and is done; its 200 is replaced by a broken connection."""
    WRONG_PASSWORD = "wrong password"
    """Everything goes through with another password than the client's."""


class Proxy:
    """`with Proxy(port) as proxy:` forwards HTTP to that port of the loopback address, `proxy.mode` can change at any
    time. `inserts` counts deduplication tokens as they were seen, so a token that was repeated is seen more than once;
    `lost` counts answers that were thrown away."""

    def __init__(self, target: int) -> None:
        self._target = f"http://127.0.0.1:{target}"
        self.mode = Mode.PASS
        self.inserts: Counter[str] = Counter()
        self.lost = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._stopping: asyncio.Event = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        assert self._up.wait(10), "the proxy did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(20)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        application = web.Application(client_max_size=1 << 30)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(application, auto_decompress=False, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        async with aiohttp.ClientSession(auto_decompress=False) as self._session:
            self._up.set()
            await self._stopping.wait()
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        data = await request.read()
        token = request.query.get("insert_deduplication_token")
        if token:
            self.inserts[token] += 1
        if self.mode is Mode.SILENT:
            await self._stopping.wait()
            return self._cut(request)
        headers = CIMultiDict((k, v) for k, v in request.headers.items() if k.lower() not in ("host", "content-length"))
        if self.mode is Mode.WRONG_PASSWORD:
            for name in ("Authorization", "X-ClickHouse-User", "X-ClickHouse-Key"):
                headers.popall(name, None)
            headers["Authorization"] = aiohttp.encode_basic_auth("litefuse", "wrong")
        try:
            async with self._session.request(
                request.method, self._target + request.raw_path, data=data, headers=headers
            ) as answer:
                body = await answer.read()
                if token and answer.status == 200 and self.mode is Mode.LOSE_ACKS:
                    self.lost += 1
                    return self._cut(request)
                passed = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP[:-1]}
                return web.Response(status=answer.status, body=body, headers=passed)
        except aiohttp.ClientError:
            return self._cut(request)

    def _cut(self, request: web.Request) -> web.StreamResponse:
        """Break the client's connection instead of answering."""
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
