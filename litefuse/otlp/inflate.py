"""Content-Encoding undone, within bounds (architecture section 4, reliability row 36).

`inflate` holds at most `limit` bytes and one chunk while it inflates, and as much again for the moment in which the
chunks become one body. It takes a body for complete only when the encoding says so: a truncated stream and bytes behind
its end are corrupt, never a shorter body. Encodings are undone once: a gzip file within gzip stays one.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import ClassVar, Protocol

from litefuse.otlp import BodyError as BodyError
from litefuse.reasons import Reason

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError
else:
    from backports.zstd import ZstdDecompressor, ZstdError

#: Bytes that go into a decompressor at once, and that come out of it at once.
_STEP_IN = 64 * 1024
_STEP_OUT = 1024 * 1024
#: gzip members or zstd frames in one body. Each costs some microseconds however little it holds, so this bounds the time
#: that a body of empty ones takes.
MAX_MEMBERS = 10_000


class UnsupportedEncoding(BodyError):
    """The encoding is none of identity, gzip, deflate, zstd."""

    status: ClassVar[int] = 415
    reason: ClassVar[Reason] = Reason.BAD_ENCODING


class CorruptBody(BodyError):
    """The body is not what its encoding says, is truncated, or has bytes behind its end."""

    reason: ClassVar[Reason] = Reason.BAD_ENCODING


class BodyTooLarge(BodyError):
    """The inflated body exceeds the limit."""

    status: ClassVar[int] = 413
    reason: ClassVar[Reason] = Reason.BAD_ENCODING


class _Stream(Protocol):
    """One gzip member, zlib stream or zstd frame."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def feed(self, data: memoryview | bytes, room: int) -> tuple[bytes, bool]:
        """At most `room` bytes of output, and whether there may be more without new input."""


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._raw = zlib.decompressobj(wbits)

    def feed(self, data: memoryview | bytes, room: int) -> tuple[bytes, bool]:
        out = self._raw.decompress(self._raw.unconsumed_tail or data, room)
        return out, bool(self._raw.unconsumed_tail) or len(out) == room

    @property
    def eof(self) -> bool:
        return self._raw.eof

    @property
    def unused_data(self) -> bytes:
        return self._raw.unused_data


class _Zstd:
    def __init__(self) -> None:
        self._raw = ZstdDecompressor()

    def feed(self, data: memoryview | bytes, room: int) -> tuple[bytes, bool]:
        out = self._raw.decompress(data, room)
        return out, not self._raw.eof and not self._raw.needs_input

    @property
    def eof(self) -> bool:
        return self._raw.eof

    @property
    def unused_data(self) -> bytes:
        return self._raw.unused_data


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding, at most `limit` bytes. Pure; may take 10 ms a MiB, so large bodies belong
    in a thread (the libraries let go of the GIL). Raises UnsupportedEncoding, CorruptBody, BodyTooLarge."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        if len(body) > limit:
            raise BodyTooLarge(_too_large(limit))
        return body
    if name in ("gzip", "x-gzip"):
        return _run(body, limit, "gzip", lambda: _Zlib(31), many=True)
    if name == "zstd":
        return _run(body, limit, "zstd", _Zstd, many=True)
    if name == "deflate":
        # RFC 9110 means zlib's format; some clients send the bare one. Two bytes mostly tell, the checksum surely does.
        if len(body) >= 2 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0:
            try:
                return _run(body, limit, "deflate", lambda: _Zlib(15), many=False)
            except CorruptBody as error:
                try:
                    return _run(body, limit, "deflate", lambda: _Zlib(-15), many=False)
                except CorruptBody:
                    raise error from None
        return _run(body, limit, "deflate", lambda: _Zlib(-15), many=False)
    raise UnsupportedEncoding("Content-Encoding is none of gzip, deflate, zstd, identity")


def _run(body: bytes, limit: int, name: str, make: Callable[[], _Stream], *, many: bool) -> bytes:
    whole = memoryview(body)
    chunks: list[bytes] = []
    at = size = members = 0
    while at < len(whole) or not members:
        members += 1
        if members > (MAX_MEMBERS if many else 1):
            raise CorruptBody(f"{name}: more than {MAX_MEMBERS} members" if many else f"{name}: bytes behind the end")
        stream = make()
        while not stream.eof:
            data: memoryview | bytes = whole[at : at + _STEP_IN]
            if not data:
                raise CorruptBody(f"{name}: truncated")
            at += len(data)
            more = True
            while more and not stream.eof:
                try:
                    # One byte more than there is room for shows that there is too much.
                    out, more = stream.feed(data, min(_STEP_OUT, limit - size + 1))
                except (zlib.error, ZstdError) as error:
                    raise CorruptBody(f"{name}: {error}") from None
                data = b""
                size += len(out)
                if size > limit:
                    raise BodyTooLarge(_too_large(limit))
                chunks.append(out)
        at -= len(stream.unused_data)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(limit: int) -> str:
    return f"body is larger than {limit} bytes after decompression"
