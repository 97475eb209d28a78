"""Read a request's body: no more than the limit and a chunk of it, whatever its headers say (reliability row 37)."""

from __future__ import annotations

from aiohttp import web

from ingest.inflight import Lease
from litefuse.errors import RequestError


async def read_body(request: web.Request, limit: int, lease: Lease) -> bytes:
    """The whole body as it came, still compressed. Every byte is taken from `lease` while it arrives, not before: a
    client that announces much and sends nothing holds nothing.

    Raises RequestError: 400 for broken framing, 408 (from the connection) when it is late, 413 as soon as it is known to be
    too large, 417, 503 from `lease`; ConnectionError when the client has gone. All but 503 for a body that is complete leave
    it unread, and end the connection.
    """
    length = request.content_length
    if length is not None and length > limit:
        raise _too_large(limit)
    if "Expect" in request.headers:
        await _say_continue(request)
    content = request.content
    if content.is_eof():  # all of it came with the headers
        body = content.read_nowait()
        if len(body) > limit:
            raise _too_large(limit)
        lease.add(len(body))
        return body
    chunks: list[bytes] = []
    size = 0
    while True:
        try:
            chunk = await content.readany()
        except web.RequestPayloadError as error:
            raise RequestError(400, "malformed HTTP body", close=True) from error
        if not chunk:
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        lease.add(len(chunk))
        chunks.append(chunk)


async def expect_later(_: web.Request) -> None:
    """An expect handler for aiohttp's router that says nothing yet: a request that is refused by its headers is refused
    before its body is sent. `read_body` says 100 when the time has come."""
    return None


async def _say_continue(request: web.Request) -> None:
    if request.headers["Expect"].lower() != "100-continue":
        raise RequestError(417, "Expect knows 100-continue only", close=True)
    if not request.content.is_eof():
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun


def _too_large(limit: int) -> RequestError:
    return RequestError(413, f"body is larger than {limit} bytes", close=True)
