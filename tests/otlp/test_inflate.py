"""Content-Encoding (reliability row 36): complete, corrupt, truncated, bombs, many members."""

from __future__ import annotations

import contextlib
import gzip
import random
import sys
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from litefuse.otlp import BodyError
from litefuse.otlp.inflate import MAX_MEMBERS, BodyTooLarge, CorruptBody, UnsupportedEncoding, inflate

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMIT = 1 << 26
BODY = random.Random(0).randbytes(50_000) + b"the same again. " * 200_000


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def zstd_with_checksum(body: bytes) -> bytes:
    return zstd.compress(body, options={zstd.CompressionParameter.checksum_flag: 1})


PACK: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "zstd": ("zstd", zstd_with_checksum),
}


@pytest.fixture(params=PACK)
def packed(request: pytest.FixtureRequest) -> tuple[str, Callable[[bytes], bytes]]:
    return PACK[request.param]


@pytest.mark.parametrize("body", [b"", b"x", BODY], ids=["empty", "one byte", "large"])
def test_gives_the_body_back(packed: tuple[str, Callable[[bytes], bytes]], body: bytes) -> None:
    encoding, pack = packed
    assert inflate(pack(body), encoding, LIMIT) == body
    assert inflate(pack(body), f" {encoding.upper()} ", LIMIT) == body


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
def test_identity(encoding: str) -> None:
    assert inflate(BODY, encoding, len(BODY)) is BODY
    with pytest.raises(BodyTooLarge):
        inflate(BODY, encoding, len(BODY) - 1)


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "gzip;q=1", "snappy", "\x00"])
def test_other_encodings_are_not_supported(encoding: str) -> None:
    with pytest.raises(UnsupportedEncoding) as caught:
        inflate(b"x", encoding, LIMIT)
    assert caught.value.status == 415


def test_the_limit_is_exact(packed: tuple[str, Callable[[bytes], bytes]]) -> None:
    encoding, pack = packed
    assert inflate(pack(BODY), encoding, len(BODY)) == BODY
    with pytest.raises(BodyTooLarge) as caught:
        inflate(pack(BODY), encoding, len(BODY) - 1)
    assert caught.value.status == 413


def test_truncated_is_corrupt(packed: tuple[str, Callable[[bytes], bytes]]) -> None:
    encoding, pack = packed
    body = pack(BODY)
    for end in [*range(0, 30), len(body) // 2, *range(len(body) - 30, len(body))]:
        with pytest.raises(CorruptBody):
            inflate(body[:end], encoding, LIMIT)


@pytest.mark.parametrize("tail", [b"x", b"\0", b"\0" * 100, b"{}", b"\x1f\x8b"])
def test_bytes_behind_the_end_are_corrupt(packed: tuple[str, Callable[[bytes], bytes]], tail: bytes) -> None:
    encoding, pack = packed
    with pytest.raises(CorruptBody) as caught:
        inflate(pack(BODY) + tail, encoding, LIMIT)
    assert caught.value.status == 400


def test_a_changed_byte_is_noticed_by_the_checksum() -> None:
    for encoding, pack in (PACK["gzip"], PACK["zlib"], PACK["zstd"]):
        body = bytearray(pack(BODY))
        body[len(body) // 2] ^= 1
        with pytest.raises(CorruptBody):
            inflate(bytes(body), encoding, LIMIT)


def test_random_bytes_are_corrupt_or_short() -> None:
    rng = random.Random(1)
    for encoding, pack in PACK.values():
        whole = pack(b"some text, some text, some text")
        for _ in range(500):
            body = bytearray(whole)
            body[rng.randrange(len(body))] = rng.randrange(256)
            with contextlib.suppress(BodyError):
                assert len(inflate(bytes(body), encoding, 1000)) <= 1000


def test_gzip_within_gzip_is_undone_once() -> None:
    inner = gzip.compress(BODY)
    assert inflate(gzip.compress(inner), "gzip", LIMIT) == inner


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_members_are_joined_and_bounded_together(name: str) -> None:
    encoding, pack = PACK[name]
    assert inflate(pack(b"abc") * 2000, encoding, 6000) == b"abc" * 2000
    with pytest.raises(BodyTooLarge):
        inflate(pack(b"abc") * 2000, encoding, 5999)
    empty = pack(b"")
    assert inflate(empty * MAX_MEMBERS, encoding, LIMIT) == b""
    with pytest.raises(CorruptBody):
        inflate(empty * (MAX_MEMBERS + 1), encoding, LIMIT)


def test_skippable_zstd_frames_are_bounded_too() -> None:
    frame = b"\x50\x2a\x4d\x18\x00\x00\x00\x00"
    assert inflate(frame + zstd.compress(b"abc") + frame, "zstd", LIMIT) == b"abc"
    with pytest.raises(CorruptBody):
        inflate(frame * (MAX_MEMBERS + 1), "zstd", LIMIT)


def test_a_bomb_takes_no_more_than_the_limit_and_a_chunk(packed: tuple[str, Callable[[bytes], bytes]]) -> None:
    encoding, pack = packed
    bomb = pack(bytes(1 << 27))
    limit = 1 << 22
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            inflate(bomb, encoding, limit)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit + (3 << 20)
