"""A ClickHouse that answers every insert with success and keeps nothing: `python -m benchmarks.sink URL`.

What is not an insert goes to the ClickHouse at URL, so that a client finds the server it expects. Prints its port; ends
when its standard input does.
"""

from __future__ import annotations

import asyncio
import re
import sys
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

_HOP_BY_HOP = frozenset(("connection", "transfer-encoding", "content-length", "content-encoding", "host"))
_INSERT = re.compile(rb"\s*INSERT INTO [`\w.]*spans\b", re.IGNORECASE)


async def serve(upstream: str) -> None:
    """Until standard input ends."""
    parts = urlsplit(upstream)
    base = f"{parts.scheme}://{parts.hostname}:{parts.port}"
    async with aiohttp.ClientSession() as client:

        async def answer(request: web.Request) -> web.StreamResponse:
            # The statement is a parameter of the URL, or the beginning of the body.
            query = request.query.get("query", "").encode()
            swallow = _INSERT.match(query) is not None
            kept: list[bytes] = []
            async for chunk in request.content.iter_any():
                if not swallow and not kept and not query:
                    swallow = _INSERT.match(chunk) is not None
                if not swallow:
                    kept.append(chunk)
            if swallow:
                return web.Response(headers={"X-ClickHouse-Summary": "{}"})
            headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
            async with client.request(
                request.method, f"{base}{request.rel_url}", data=b"".join(kept), headers=headers
            ) as reply:
                back = {k: v for k, v in reply.headers.items() if k.lower() not in _HOP_BY_HOP}
                return web.Response(status=reply.status, headers=back, body=await reply.read())

        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None, auto_decompress=False)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
