"""The server every role uses: deadlines, bounds, error bodies, drain; over real sockets (reliability rows 38 and 39)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from google.rpc import status_pb2

from litefuse.errors import ConfigError, RequestError
from litefuse.http import Limits, Server, serve
from litefuse.http.status import status_body
from tests.waiting import until

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SHORT = Limits(header_s=0.3, body_s=0.4, idle_s=0.5, connections=50)
LONG = Limits(connections=50)


class Red:
    """A role that is not ready."""

    def __init__(self, *reasons: str) -> None:
        self.reasons = list(reasons)

    def ready(self) -> list[str]:
        return self.reasons


@asynccontextmanager
async def running(limits: Limits = LONG, roles: tuple[Red, ...] = (), **handlers: Handler) -> AsyncIterator[Server]:
    app = web.Application()
    for name, handler in handlers.items():
        for place in PLACES:
            app.router.add_route("POST", place + name, handler)
    server = await serve(app, "127.0.0.1", 0, limits, roles)
    try:
        yield server
    finally:
        await server.close(0.0)


class Peer:
    """A bare connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, server: Server) -> Peer:
        return cls(*await asyncio.open_connection("127.0.0.1", server.port))

    def send(self, text: str | bytes) -> None:
        self.writer.write(text.encode() if isinstance(text, str) else text)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(20):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split()[1]), headers, body

    async def closed(self) -> bytes:
        """What still came before the server closed the connection."""
        async with asyncio.timeout(20):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def get(self, path: str, *headers: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        self.send("\r\n".join((f"{method} {path} HTTP/1.1", "Host: x", *headers, "", "")))
        return await self.answer()

    def close(self) -> None:
        self.writer.close()


#: Errors of the API have its shape, those of OTLP are a Status.
PLACES = ("/api/public/", "/v1/")


async def echo(request: web.Request) -> web.StreamResponse:
    return web.Response(body=await request.read())


async def test_health_ready_and_metrics() -> None:
    role = Red()
    async with running(roles=(role, Red())) as server:
        peer = await Peer.to(server)
        status, headers, body = await peer.get("/api/public/health")
        assert (status, json.loads(body)["status"], headers["content-type"]) == (200, "OK", "application/json")
        status, _, body = await peer.get("/api/public/ready")
        assert (status, json.loads(body)["reasons"]) == (200, [])
        role.reasons.append("the log cannot be written: no broker")
        status, _, body = await peer.get("/api/public/ready")
        assert (status, json.loads(body)["reasons"]) == (503, ["the log cannot be written: no broker"])
        assert (await peer.get("/api/public/health"))[0] == 200
        status, headers, body = await peer.get("/metrics")
        assert status == 200
        assert headers["content-type"].startswith("text/plain")
        assert b'litefuse_requests_total{route="ready",status="503"}' in body
        peer.close()


async def test_errors_of_the_router_are_statuses_in_the_requests_encoding_or_have_the_shape_of_the_api() -> None:
    async with running(echo=echo) as server:
        peer = await Peer.to(server)
        status, headers, body = await peer.get("/nowhere")
        assert (status, headers["content-type"]) == (404, "application/json")
        assert json.loads(body) == {"code": 5, "message": "no such route: /nowhere"}
        status, headers, body = await peer.get("/nowhere", "Content-Type: application/x-protobuf; x=y")
        assert (status, headers["content-type"]) == (404, "application/x-protobuf")
        assert status_pb2.Status.FromString(body) == status_pb2.Status(code=5, message="no such route: /nowhere")
        status, headers, body = await peer.get("/api/public/echo")
        assert (status, headers["allow"]) == (405, "POST")
        assert json.loads(body) == {"message": "Method not allowed", "error": "MethodNotAllowedError"}
        status, headers, body = await peer.get("/api/public/nowhere")
        assert (status, headers["content-type"]) == (404, "application/json")
        assert json.loads(body) == {
            "message": "no such route: /api/public/nowhere",
            "error": "LangfuseNotFoundError",
        }
        peer.close()


@pytest.mark.parametrize("message", ["", "plain", "zwölf ☃", "x" * 300, "\ud800"])
def test_status_bytes_are_what_protobuf_reads(message: str) -> None:
    parsed = status_pb2.Status.FromString(status_body(503, message, "application/x-protobuf"))
    clean = message.encode("utf-8", "replace").decode()
    assert parsed == status_pb2.Status(code=14, message=clean)
    assert json.loads(status_body(503, message, "application/json")) == {"code": 14, "message": clean}


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("/v1/", {"code": 13, "message": "internal error"}),
        ("/api/public/", {"message": "Internal Server Error", "error": "InternalServerError"}),
    ],
)
async def test_a_bug_is_500_and_logged_once(place: str, told: object, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_: web.Request) -> web.StreamResponse:
        raise KeyError("a bug")

    async with running(broken=broken) as server:
        peer = await Peer.to(server)
        with caplog.at_level(logging.ERROR):
            peer.send(f"POST {place}broken HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            status, headers, body = await peer.answer()
        assert (status, json.loads(body)) == (500, told)
        assert headers["connection"] == "close"
        assert [r.message for r in caplog.records] == ["request failed"]
        assert caplog.records[0].exc_info is not None


async def test_refusals_carry_their_headers() -> None:
    async def busy(_: web.Request) -> web.StreamResponse:
        raise RequestError(503, "later", retry_after=7)

    async with running(busy=busy) as server:
        peer = await Peer.to(server)
        for place, told in (
            ("/v1/", {"code": 14, "message": "later"}),
            ("/api/public/", {"message": "later", "error": "ServiceUnavailableError"}),
        ):
            peer.send(f"POST {place}busy HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            status, headers, body = await peer.answer()
            assert (status, headers["retry-after"], json.loads(body)) == (503, "7", told)
        peer.close()


async def test_cors() -> None:
    async with running(echo=echo) as server:
        peer = await Peer.to(server)
        status, headers, body = await peer.get(
            "/api/public/echo",
            "Origin: https://app.example.com",
            "Access-Control-Request-Method: POST",
            "Access-Control-Request-Headers: authorization,content-encoding,x-own",
            method="OPTIONS",
        )
        assert (status, body, headers["access-control-allow-origin"]) == (204, b"", "*")
        assert "POST" in headers["access-control-allow-methods"]
        assert headers["access-control-allow-headers"] == "authorization,content-encoding,x-own"
        assert "access-control-allow-credentials" not in headers
        status, headers, _ = await peer.get("/api/public/nowhere", "Origin: https://app.example.com")
        assert (status, headers["access-control-allow-origin"]) == (404, "*")
        status, headers, _ = await peer.get("/page", "Origin: https://app.example.com")
        assert "access-control-allow-origin" not in headers
        status, headers, _ = await peer.get("/v1/traces", "Access-Control-Request-Headers: a\x01b", method="OPTIONS")
        assert status in (204, 400)
        peer.close()


async def test_leading_slashes_are_one() -> None:
    async with running() as server:
        peer = await Peer.to(server)
        assert (await peer.get("//api/public/health?x=1"))[0] == 200
        peer.close()


async def test_idle_connections_are_closed() -> None:
    async with running(SHORT) as server:
        silent, kept = await Peer.to(server), await Peer.to(server)
        assert (await kept.get("/api/public/health"))[0] == 200
        assert await silent.closed() == b""
        assert await kept.closed() == b""


async def test_slow_headers_are_closed_also_on_a_kept_connection() -> None:
    limits = Limits(header_s=0.3, body_s=30, idle_s=30, connections=50)
    async with running(limits) as server:
        first, later = await Peer.to(server), await Peer.to(server)
        assert (await later.get("/api/public/health"))[0] == 200
        first.send("GET /api/public/health HTTP/1.1\r\nHost: x\r\n")
        later.send("GET /api/public/hea")
        assert await first.closed() == b""
        assert await later.closed() == b""


async def test_a_request_sent_byte_by_byte_within_the_deadline_is_answered() -> None:
    limits = Limits(header_s=15, body_s=15, idle_s=15, connections=50)
    async with running(limits, echo=echo) as server:
        peer = await Peer.to(server)
        for _ in range(2):
            for byte in b"POST /api/public/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello":
                peer.send(bytes((byte,)))
                await asyncio.sleep(0)
            assert (await peer.answer())[2] == b"hello"
        peer.close()


async def test_a_slow_body_is_408() -> None:
    limits = Limits(header_s=30, body_s=0.3, idle_s=30, connections=50)
    async with running(limits, echo=echo) as server:
        peer = await Peer.to(server)
        peer.send("POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhel")
        status, headers, body = await peer.answer()
        assert (status, headers["connection"]) == (408, "close")
        assert json.loads(body) == {"code": 4, "message": "the body did not arrive within 0.3 seconds"}
        assert await peer.closed() == b""


async def test_a_reader_that_takes_nothing_is_closed() -> None:
    begun = asyncio.Event()
    ended = asyncio.Event()

    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        begun.set()
        try:
            while True:
                await response.write(bytes(1 << 20))
        finally:
            ended.set()

    async with running(SHORT, flood=flood) as server:
        peer = await Peer.to(server)
        peer.send("POST /api/public/flood HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        async with asyncio.timeout(20):
            await begun.wait()
            await ended.wait()
        peer.close()


async def test_connections_are_bounded() -> None:
    async with running(Limits(connections=3)) as server:
        peers = [await Peer.to(server) for _ in range(3)]
        for peer in peers:
            assert (await peer.get("/api/public/health"))[0] == 200
        status, headers, body = await (refused := await Peer.to(server)).answer()
        assert (status, headers["retry-after"], json.loads(body)["code"]) == (503, "5", 14)
        assert await refused.closed() == b""
        peers[0].close()
        await peers[0].closed()

        await until(lambda: len(server._connections()) == 2)
        peers.append(await Peer.to(server))
        assert (await peers[-1].get("/api/public/health"))[0] == 200
        for peer in peers[1:]:
            peer.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(500)) + b"\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello, this is TLS\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
        (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic c2VjcmV0\x00\r\n\r\n", 400),
    ],
    ids=["header", "path", "headers", "tls", "both", "two lengths", "negative", "nul"],
)
async def test_malformed_http(sent: bytes, status: int, caplog: pytest.LogCaptureFixture) -> None:
    async with running() as server:
        peer = await Peer.to(server)
        with caplog.at_level(logging.DEBUG):
            peer.send(sent)
            got, headers, body = await peer.answer()
        assert got == status
        assert headers.get("connection", "close") == "close"
        assert await peer.closed() == b""
        # a Status for exporters, and an error of the public API: whose route it was nobody knows
        told = json.loads(body)
        assert (told["code"], told["error"]) == (3, "InvalidRequestError")
        assert told["message"]
        assert "c2VjcmV0" not in caplog.text
        assert b"c2VjcmV0" not in body
        peer.close()


async def test_a_megabyte_of_header_is_cut_off() -> None:
    async with running() as server:
        peer = await Peer.to(server)
        peer.send(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + bytes(1_000_000))
        answer = await peer.closed()  # nothing when the system resets the connection before we read
        assert answer == b"" or answer.split(b" ")[1] in (b"400", b"431")


async def test_pipelined_requests_are_all_answered_in_order() -> None:
    async with running(echo=echo) as server:
        peer = await Peer.to(server)
        for i in range(1000):
            text = f"{i:04}"
            peer.send(f"POST /api/public/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{text}")
        for i in range(1000):
            assert (await peer.answer())[2] == f"{i:04}".encode()
        peer.close()


async def test_close_finishes_what_has_begun() -> None:
    release = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        await release.wait()
        return web.Response(body=body)

    app = web.Application()
    app.router.add_post("/api/public/slow", slow)
    server = await serve(app, "127.0.0.1", 0, LONG)
    idle, busy, half = await Peer.to(server), await Peer.to(server), await Peer.to(server)
    assert (await idle.get("/api/public/health"))[0] == 200
    head = "POST /api/public/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
    busy.send(head + "hello")
    half.send(head + "he")  # its body goes on after the drain has begun
    front = server._front
    await until(lambda: front.active == 2)
    closing = asyncio.create_task(server.close(20.0))
    assert await idle.closed() == b""
    with pytest.raises(OSError):  # noqa: PT011 - refused or reset, by the system's choice
        await Peer.to(server)
    half.send("llo")
    release.set()
    for peer in (busy, half):
        status, headers, body = await peer.answer()
        assert (status, headers["connection"], body) == (200, "close", b"hello")
    await closing
    await server.close()


async def test_close_does_not_wait_longer_than_it_may() -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    app = web.Application()
    app.router.add_post("/api/public/never", never)
    server = await serve(app, "127.0.0.1", 0, LONG)
    peer = await Peer.to(server)
    peer.send("POST /api/public/never HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    await until(lambda: server._front.active == 1)
    async with asyncio.timeout(20):
        await server.close(0.1)
        assert await peer.closed() == b""


async def test_a_port_that_is_taken_is_a_sentence() -> None:
    async with running() as server:
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{server.port}"):
            await serve(web.Application(), "127.0.0.1", server.port)
