"""Bodies of requests: received whole before anything runs, in pieces as they came, within bounds."""

from __future__ import annotations

import asyncio

import lz4.frame
from aiohttp import web

from litefuse.embedded.sqlerror import BUSY, TOO_LARGE, UNSUPPORTED, SqlError
from litefuse.otlp.inflate import BodyTooLarge, CorruptBody, UnsupportedEncoding, inflate

#: One body, before and after decompression, and all that are being received or inserted at once.
MAX_BODY = 300 << 20
MAX_ALL = 1 << 30
#: Larger ones are inflated off the event loop.
_INLINE = 64 * 1024
_CORRUPT = 354  # ClickHouse's code for what zlib cannot read


class Budget:
    """Bytes of all bodies now in memory."""

    def __init__(self, limit: int = MAX_ALL) -> None:
        self._limit = limit
        self.taken = 0

    def take(self, size: int) -> None:
        """Raises SqlError (503) when there is no room."""
        if self.taken + size > self._limit:
            raise SqlError(BUSY, "Too many bytes of inserts are being received at once, try again", 503)
        self.taken += size

    def give(self, size: int) -> None:
        self.taken -= size


class Body:
    """A body and the room it takes; `release` when it is no longer needed."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._size = 0
        self.pieces: list[bytes] = []

    def release(self) -> None:
        self._budget.give(self._size)
        self._size = 0
        self.pieces = []

    async def receive(self, request: web.BaseRequest, limit: int = MAX_BODY) -> None:
        """Read it to its end. Raises SqlError (413, 503), RequestError for a body that does not come."""
        if (request.content_length or 0) > limit:
            raise _too_large(limit)
        async for piece in request.content.iter_any():
            self._budget.take(len(piece))
            self._size += len(piece)
            if self._size > limit:
                raise _too_large(limit)
            self.pieces.append(piece)

    async def inflate(self, encoding: str, limit: int = MAX_BODY) -> None:
        """Undo its Content-Encoding. Raises SqlError."""
        if encoding.strip().lower() in ("", "identity"):
            return
        whole = b"".join(self.pieces)
        if len(whole) <= _INLINE:
            inflated = _inflated(whole, encoding, limit)
        else:
            inflated = await asyncio.get_running_loop().run_in_executor(None, _inflated, whole, encoding, limit)
        self._budget.take(len(inflated))
        self._budget.give(self._size)
        self._size = len(inflated)
        self.pieces = [inflated] if inflated else []


def _inflated(body: bytes, encoding: str, limit: int) -> bytes:
    try:
        if encoding.strip().lower() == "lz4":
            return _lz4(body, limit)
        return inflate(body, encoding, limit)
    except UnsupportedEncoding:
        raise SqlError(
            UNSUPPORTED, "Unknown Content-Encoding: gzip, deflate, zstd and lz4 are understood", 501
        ) from None
    except BodyTooLarge:
        raise _too_large(limit) from None
    except (CorruptBody, RuntimeError) as error:  # RuntimeError: lz4's
        raise SqlError(_CORRUPT, f"Cannot decompress the body: {error}", 400) from None


def _lz4(body: bytes, limit: int) -> bytes:
    """One or several LZ4 frames."""
    out: list[bytes] = []
    size = 0
    rest = body
    while rest:
        frame = lz4.frame.LZ4FrameDecompressor()
        data = rest
        while True:
            piece = frame.decompress(data, max_length=limit - size + 1)
            size += len(piece)
            out.append(piece)
            if size > limit:
                raise _too_large(limit)
            if frame.eof:
                break
            if frame.needs_input:
                raise SqlError(_CORRUPT, "Cannot decompress the body: lz4: truncated", 400)
            data = b""
        rest = frame.unused_data or b""
    return b"".join(out)


def _too_large(limit: int) -> SqlError:
    return SqlError(TOO_LARGE, f"The body is larger than {limit} bytes", 413)
