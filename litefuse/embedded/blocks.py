"""ClickHouse's own compressed stream (`compress=1`), which its JDBC driver, and so DBeaver, asks for by default.

A frame is 16 bytes of CityHash128 (version 1.0.2) over the rest, a byte for the method, the sizes of the frame without its
hash and of the data as UInt32, and the data in LZ4's block format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import lz4.block
from clickhouse_cityhash.cityhash import CityHash128

_LZ4 = 0x82
_HEADER = struct.Struct("<BII")
_MASK = (1 << 64) - 1
#: Bytes of data in a frame.
_FRAME = 256 * 1024


def frames(data: bytes) -> Iterator[bytes]:
    """The data in frames, nothing for no data."""
    for at in range(0, len(data), _FRAME):
        yield _frame(data[at : at + _FRAME])


def pack(data: bytes) -> bytes:
    return b"".join(frames(data))


def _frame(data: bytes) -> bytes:
    packed: bytes = lz4.block.compress(data, store_size=False)
    body = _HEADER.pack(_LZ4, _HEADER.size + len(packed), len(data)) + packed
    number: int = CityHash128(body)
    return struct.pack("<QQ", number >> 64, number & _MASK) + body
