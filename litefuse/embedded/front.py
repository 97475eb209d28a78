"""ClickHouse's HTTP interface in front of the engine: one port for the worker, for people's SQL tools and for curl.

    front = await serve(engine, host, port, passwords)
    front.port
    await front.close()

Each request: log in, receive the body whole, run one statement, answer. An answer that fits into a buffer has its status
from the outcome; a longer one is streamed, and an error behind its beginning is written into it as ClickHouse does, and the
connection is broken off. A client that goes away ends its SELECT; an insert or DDL statement runs to its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
import uuid
from typing import Any, cast

from aiohttp import web

from litefuse.embedded import blocks, limits, protocol
from litefuse.embedded.body import Body, Budget
from litefuse.embedded.engine import Call, Engine, Running, Stats
from litefuse.embedded.protocol import Login, Passwords
from litefuse.embedded.sqlerror import ACCESS_DENIED, AUTHENTICATION, BUSY, SYNTAX, UNKNOWN, SqlError
from litefuse.embedded.statement import MAX_HEAD, Kind, split_insert
from litefuse.errors import ConfigError, RequestError
from litefuse.http.connection import Connection
from litefuse.http.server import Limits, Server
from litefuse.telemetry import metrics as m

logger = logging.getLogger("litefuse.clickhouse")

#: Bytes of a result that are kept back for a clean status: by default, and when the client asks to wait for the end.
_BUFFER = 64 * 1024
_BUFFER_WAIT = 16 << 20
#: Bytes of a statement, by login (reader?).
_MAX_TEXT = {False: 16 << 20, True: 1 << 20}
#: How often a statement without output looks whether its client is still there.
_LOOK_S = 0.25
_LIMITS = Limits(header_s=15.0, body_s=300.0, idle_s=75.0, connections=1000, line=1 << 20)
_FORM_BYTES = 16 << 20
_QUERY_ID = re.compile(r"[\x21-\x7e]{1,200}")


class Front:
    """The listening server. `close` is idempotent."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.port = server.port

    async def close(self, drain: float = 10.0) -> None:
        await self._server.close(drain)


async def serve(engine: Engine, host: str, port: int, passwords: Passwords) -> Front:
    """Listen; port 0 picks a free one. Raises ConfigError when the address cannot be had."""
    handler = _Handler(engine, passwords)
    manager = web.Server(cast(Any, handler), request_factory=handler.request)
    runner = web.ServerRunner(manager, shutdown_timeout=1.0)
    await runner.setup()
    loop = asyncio.get_running_loop()
    try:
        listener = await loop.create_server(lambda: Connection(manager, _LIMITS, loop), host or None, port, backlog=128)
    except OSError as error:
        await runner.cleanup()
        raise ConfigError(
            f"LITEFUSE_CLICKHOUSE_PORT: cannot listen on {host}:{port}: {error.strerror or error}"
        ) from error
    return Front(Server(cast(Any, runner), cast(Any, handler), listener, _LIMITS))


class _Handler:
    """Answers requests. `active` and `draining` are what litefuse.http's server drains by."""

    def __init__(self, engine: Engine, passwords: Passwords) -> None:
        self._engine = engine
        self._passwords = passwords
        self._budget = Budget()
        self.active = 0
        self.draining = False

    def request(self, message: Any, payload: Any, connection: Any, writer: Any, task: Any) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        return web.BaseRequest(message, payload, connection, writer, task, loop, client_max_size=_FORM_BYTES)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.active += 1
        try:
            response = await self._route(request)
            if self.draining and not response.prepared:
                response.force_close()
            return response
        finally:
            self.active -= 1

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path in ("/ping", "/replicas_status") or (path == "/" and request.method == "GET" and not request.query):
            return web.Response(text="Ok.\n")
        if path != "/":
            return web.Response(
                status=404, text=f"There is no handle {path[:200]}\n\nUse / or /ping for health checks.\n"
            )
        if request.method not in ("GET", "POST", "HEAD", "PUT"):
            return web.Response(status=405, text="GET and POST are served here\n", headers={"Allow": "GET, POST"})
        return await self._query(request)

    async def _query(self, request: web.BaseRequest) -> web.StreamResponse:
        parameters = dict(request.query)
        query_id = parameters.get("query_id", "")
        if not _QUERY_ID.fullmatch(query_id):
            query_id = str(uuid.uuid4())
        labels = {"X-ClickHouse-Query-Id": query_id, "X-ClickHouse-Timezone": "UTC"}
        packed = parameters.get("compress") in ("1", "true")
        body = Body(self._budget)
        login: Login | None = None
        result = "error"
        try:
            login = self._passwords.login(*protocol.credentials(request.headers, parameters))
            call = await self._call(request, parameters, login, body)
            wait = parameters.get("wait_end_of_query") in ("1", "true")
            answer = await self._run(request, call, labels, wait=wait, packed=packed)
            result = "ok"
            return answer
        except SqlError as error:
            if error.code in (AUTHENTICATION, ACCESS_DENIED):
                result = "denied"
            elif error.code == BUSY:
                result = "busy"
            return _failed(error, labels, packed=packed)
        except RequestError as error:
            response = web.Response(status=error.status, text=f"{error}\n")
            if error.close:
                response.force_close()
            return response
        except ConnectionError:
            # The client is gone. aiohttp would log whatever is raised here as an error of ours; nobody sees this answer.
            gone = web.Response(status=499)
            gone.force_close()
            return gone
        except Exception:  # a bug; the client gets a sentence, and the trace is logged once
            logger.exception("request failed")
            return _failed(SqlError(UNKNOWN, "Internal error of the embedded ClickHouse's front"), labels)
        finally:
            body.release()
            m.SQL_QUERIES.labels(login=login.user if login is not None else "none", result=result).inc()

    # -- from HTTP to a statement --------------------------------------------------------------------------------------

    async def _call(self, request: web.BaseRequest, parameters: dict[str, str], login: Login, body: Body) -> Call:
        query = parameters.get("query", "")
        if request.content_type == "multipart/form-data":
            query, parameters = await _form(request, query, parameters)
        else:
            await body.receive(request)
            await body.inflate(request.headers.get("Content-Encoding", ""))
        if parameters.get("decompress") in ("1", "true"):
            raise SqlError(48, "decompress=1 is not supported: compress with Content-Encoding: lz4, zstd or gzip")
        text, rest = protocol.text_and_data(query, body.pieces, MAX_HEAD)
        if rest and split_insert(text) is None:
            text, rest = b"".join((text, *rest)), []
        if not rest and len(text) > _MAX_TEXT[login.reader] and split_insert(text) is None:
            raise SqlError(SYNTAX, f"Max query size exceeded ({_MAX_TEXT[login.reader]} bytes)", 413)
        headers = request.headers
        return Call(
            text=text,
            data=rest,
            parameters={name[6:]: value for name, value in parameters.items() if name.startswith("param_")},
            settings=limits.sent(parameters, reader=login.reader),
            database=parameters.get("database") or headers.get("X-ClickHouse-Database") or "litefuse",
            format=parameters.get("default_format") or headers.get("X-ClickHouse-Format") or protocol.DEFAULT_FORMAT,
            reader=login.reader,
            read_only=request.method in ("GET", "HEAD"),
        )

    # -- from the result to HTTP ---------------------------------------------------------------------------------------

    async def _run(
        self, request: web.BaseRequest, call: Call, labels: dict[str, str], *, wait: bool, packed: bool
    ) -> web.StreamResponse:
        running = await self._engine.start(call)
        try:
            begun: list[bytes] = []
            size = 0
            room = _BUFFER_WAIT if wait else _BUFFER
            while size <= room:
                chunk = await running.read(_LOOK_S)
                if chunk is None:
                    _still_there(request)
                    continue
                if not chunk:
                    stats = await running.finished()
                    whole = b"".join(begun)
                    return _answer(blocks.pack(whole) if packed else whole, running, stats, labels)
                begun.append(chunk)
                size += len(chunk)
            return await _stream(request, begun, running, labels, packed=packed)
        finally:
            # When the client is gone, or at a shutdown: what changes something and has begun runs to its end.
            if not running.done and running.kind in (Kind.INSERT, Kind.OTHER):
                await _quietly(running)
            await running.stop()


async def _quietly(running: Running) -> None:
    with contextlib.suppress(SqlError):
        async for _ in running:
            pass
        await running.finished()


def _still_there(request: web.BaseRequest) -> None:
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client is gone")


async def _form(request: web.BaseRequest, query: str, parameters: dict[str, str]) -> tuple[str, dict[str, str]]:
    """multipart/form-data, as clients send long parameters: fields `query` and `param_…`. Raises SqlError."""
    try:
        fields = await request.post()
    except web.HTTPRequestEntityTooLarge:
        raise SqlError(SYNTAX, f"The form is larger than {_FORM_BYTES} bytes", 413) from None
    except ValueError as error:
        raise SqlError(SYNTAX, f"Malformed form: {error}", 400) from None
    merged = dict(parameters)
    for name, value in fields.items():
        if not isinstance(value, str):
            raise SqlError(48, "External data is not supported by the embedded ClickHouse")
        if name == "query":
            query += value
        else:
            merged[name] = value
    return query, merged


#: Statuses whose body the JDBC driver takes for compressed when it has asked for that.
_PACKED_ERRORS = frozenset((400, 404, 500))


def _failed(error: SqlError, labels: dict[str, str], *, packed: bool = False) -> web.Response:
    headers = {**labels, "X-ClickHouse-Exception-Code": str(error.code)}
    if error.status == 503:
        headers["Retry-After"] = "1"
    body = f"{error.text}\n".encode()
    if packed and error.status in _PACKED_ERRORS:
        body = blocks.pack(body)
    return web.Response(
        status=error.status, body=body, headers={**headers, "Content-Type": "text/plain; charset=UTF-8"}
    )


def _answer(body: bytes, running: Running, stats: Stats, labels: dict[str, str]) -> web.Response:
    headers = {**labels, "X-ClickHouse-Summary": protocol.summary(stats, len(body))}
    if running.format is None:
        return web.Response(body=body, headers={**headers, "Content-Type": "text/plain; charset=UTF-8"})
    headers["X-ClickHouse-Format"] = running.format
    return web.Response(body=body, headers={**headers, "Content-Type": protocol.content_type(running.format)})


async def _stream(
    request: web.BaseRequest, begun: list[bytes], running: Running, labels: dict[str, str], *, packed: bool
) -> web.StreamResponse:
    pack = blocks.pack if packed else bytes
    fmt = running.format or protocol.DEFAULT_FORMAT
    tag = secrets.token_hex(8)
    response = web.StreamResponse(
        headers={
            **labels,
            "X-ClickHouse-Format": fmt,
            "X-ClickHouse-Exception-Tag": tag,
            "Content-Type": protocol.content_type(fmt),
        }
    )
    response.enable_chunked_encoding()
    await response.prepare(request)
    for chunk in begun:
        await response.write(pack(chunk))
    begun.clear()
    async for chunk in running:
        await response.write(pack(chunk))
    try:
        await running.finished()
    except SqlError as error:
        await response.write(pack(protocol.exception_block(error, tag)))
        if request.transport is not None:
            request.transport.close()  # without the last chunk: nobody takes this for a complete answer
        return response
    await response.write_eof()
    return response
