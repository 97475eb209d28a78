"""Senders that cost little: requests are bytes made beforehand, each connection has one on its way at a time."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from benchmarks.inputs import Body

PATH = "/api/public/otel/v1/traces"
_DEADLINE_S = 60.0


def request(body: Body, public_key: str, secret_key: str) -> bytes:
    """An HTTP request as an OTLP exporter sends it."""
    basic = base64.b64encode(f"{public_key}:{secret_key}".encode()).decode()
    head = [
        f"POST {PATH} HTTP/1.1",
        "Host: 127.0.0.1",
        "User-Agent: OTel-OTLP-Exporter-Python/1.45.2",
        "Accept: */*",
        "Connection: keep-alive",
        f"Content-Type: {body.content_type}",
        f"Authorization: Basic {basic}",
        f"Content-Length: {len(body.data)}",
    ]
    if body.encoding:
        head.append(f"Content-Encoding: {body.encoding}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body.data


class Failed(Exception):
    """A request was not answered with 200, or the answer says that spans were rejected."""


@dataclass
class Sent:
    """`seconds` are the times from a request's last byte to its answer; `failed` what the first failure was."""

    answered: int = 0
    seconds: list[float] = field(default_factory=list)
    failed: str = ""


class Sender(asyncio.Protocol):
    """One connection. It takes requests until there are none, or one fails. `due` says when the next may go (loop time);
    without it the next goes when the last is answered."""

    def __init__(self, requests: Iterator[bytes], sent: Sent, due: Callable[[], float] | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._requests = requests
        self._sent = sent
        self._due = due
        self._buffer = bytearray()
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _content_length(bytes(self._buffer[:head]))
        if len(self._buffer) < head + 4 + length:
            return
        answer = bytes(self._buffer)
        self._buffer.clear()
        # A success has an empty body, or {} in JSON; anything more is a rejection.
        if not answer.startswith(b"HTTP/1.1 200") or answer[head + 4 :] not in (b"", b"{}"):
            self._fail(answer[:500].decode(errors="replace"))
            return
        self._sent.answered += 1
        self._sent.seconds.append(time.perf_counter() - self._began)
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self._fail(f"connection lost: {error}")

    def _next(self) -> None:
        if self._due is None:
            self._send()
        else:
            self._loop.call_at(self._due(), self._send)

    def _send(self) -> None:
        data = next(self._requests, None)
        if data is None or self._sent.failed:
            self._end()
            return
        self._began = time.perf_counter()
        self._transport.write(data)

    def _fail(self, what: str) -> None:
        self._sent.failed = self._sent.failed or what
        self._end()

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        self._transport.close()


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def send(port: int, requests: Sequence[bytes] | Iterator[bytes], connections: int, rate: float = 0.0) -> Sent:
    """Send all requests over some connections, `rate` a second when it is given. Raises Failed, OSError, TimeoutError."""
    loop = asyncio.get_running_loop()
    source = iter(requests)
    sent = Sent()
    start = loop.time()
    number = 0

    def due() -> float:
        nonlocal number
        number += 1
        return start + (number - 1) / rate

    senders = [Sender(source, sent, due if rate else None) for _ in range(connections)]
    for sender in senders:
        await loop.create_connection(lambda sender=sender: sender, "127.0.0.1", port)  # type: ignore[misc]
    async with asyncio.timeout(_DEADLINE_S):
        await asyncio.gather(*(sender.done for sender in senders))
    if sent.failed:
        raise Failed(sent.failed)
    return sent
