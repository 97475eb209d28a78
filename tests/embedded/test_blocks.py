"""`compress=1`: the frames are ClickHouse's, checked against those it wrote itself."""

from __future__ import annotations

import struct

import lz4.block
from clickhouse_cityhash.cityhash import CityHash128

from litefuse.embedded.blocks import pack
from tests.embedded.server import Server


def unpack(stream: bytes) -> bytes:
    """The data of a stream of frames, each with a right checksum."""
    data = b""
    while stream:
        high, low, method, size, plain = struct.unpack_from("<QQBII", stream)
        assert CityHash128(stream[16 : 16 + size]) == high << 64 | low
        assert method == 0x82
        data += lz4.block.decompress(stream[25 : 16 + size], uncompressed_size=plain)
        stream = stream[16 + size :]
    return data


def test_as_in_the_engines_own_files(server: Server) -> None:
    server.one(
        "CREATE TABLE wide (a UInt64 CODEC(LZ4)) ENGINE = MergeTree ORDER BY tuple() "
        "SETTINGS min_bytes_for_wide_part = 0, min_rows_for_wide_part = 0"
    )
    server.one("INSERT INTO wide SELECT number FROM numbers(1000)")
    (file,) = server.settings.data_dir.glob("clickhouse/store/*/*/all_1_1_0/a.bin")
    data = struct.pack("<1000Q", *range(1000))
    assert unpack(file.read_bytes()) == data
    assert unpack(pack(data)) == data


def test_there_and_back() -> None:
    for data in (b"", b"x", b"ab" * 1_000_000):
        assert unpack(pack(data)) == data


def test_answers(server: Server) -> None:
    short = server.ask("SELECT number FROM numbers(10)", "reader", compress="1")
    assert unpack(short.body) == b"".join(b"%d\n" % n for n in range(10))
    long = server.ask("SELECT number FROM numbers(1000000) FORMAT RowBinary", "reader", compress="1")
    assert unpack(long.body) == struct.pack("<1000000Q", *range(1_000_000))
    failed = server.ask("SELECT nope", "reader", compress="1")
    assert (failed.status, failed.code) == (404, 47)
    assert unpack(failed.body).startswith(b"Code: 47. ")
    assert server.ask("SELECT 1", None, compress="1").text.startswith("Code: 516. ")
