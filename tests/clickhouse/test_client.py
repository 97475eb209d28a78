"""The client against the embedded engine, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from litefuse.clickhouse.client import Store
from litefuse.clickhouse.url import with_login
from litefuse.embedded import Embedded, open_embedded
from litefuse.errors import RowRefused, StoreError, StoreMisconfigured, StoreTooBig, StoreUnavailable
from litefuse.settings import Secret, Settings

PASSWORD = "a-password-nobody-prints"


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Embedded]:
    embedded = await open_embedded(Settings(data_dir=tmp_path / "data", clickhouse_port=0))
    yield embedded
    await embedded.close(1.0)


@pytest.fixture
async def store(embedded: Embedded) -> AsyncIterator[Store]:
    store = await Store.open(embedded.url)
    await store.command("CREATE TABLE t (a UInt64, CONSTRAINT small CHECK a < 10) ENGINE = MergeTree ORDER BY a")
    yield store
    await store.close()


def arrow(*values: int) -> bytes:
    batch = pa.record_batch({"a": pa.array(values, pa.uint64())})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    body: bytes = sink.getvalue().to_pybytes()
    return body


# -- against the real engine -------------------------------------------------------------------------------------------


async def test_rows_raw_and_command(store: Store) -> None:
    await store.insert_arrow("t", ["a"], arrow(1, 2), settings={}, timeout=10)
    assert await store.rows("SELECT a FROM t WHERE a = {a:UInt64}", {"a": 2}) == [(2,)]
    assert await store.rows("SELECT a FROM t WHERE 0") == []
    assert await store.raw("SELECT a FROM t ORDER BY a", "JSONEachRow") == b'{"a":1}\n{"a":2}\n'
    assert await store.command("SELECT count() FROM t") == 2
    when = await store.rows("SELECT toDateTime64('2026-01-02 03:04:05.123456789', 9, 'UTC')")
    assert when == [(datetime(2026, 1, 2, 3, 4, 5, 123456),)]
    assert await store.rows("SELECT getSetting('max_threads')", settings={"max_threads": "1"}) == [(1,)]
    hard = "it's \\ {x} \t\n é \x00"
    assert await store.rows("SELECT {x:String}, {y:Array(String)}", {"x": hard, "y": [hard]}) == [(hard, [hard])]


async def test_many_at_once(store: Store) -> None:
    found = await asyncio.gather(*(store.rows("SELECT {n:UInt64}", {"n": n}) for n in range(60)))
    assert found == [[(n,)] for n in range(60)]


@pytest.mark.parametrize(
    ("sql", "kind", "code"),
    [
        ("SELECT * FROM nope", StoreMisconfigured, 60),
        ("SELECT nope FROM t", StoreMisconfigured, 47),
        ("SELEC", StoreMisconfigured, 62),
        ("SELECT toUInt8('x')", RowRefused, 6),
        ("SELECT throwIf(1)", RowRefused, 395),
        ("SELECT sleep(3) SETTINGS max_execution_time = 0.1", StoreUnavailable, 159),
        ("SELECT groupArray(number) FROM numbers(100000000) SETTINGS max_memory_usage = 10000000", StoreTooBig, 241),
        ("SELECT throwIf(number > 5000000) FROM numbers(10000000)", RowRefused, 395),
    ],
)
async def test_errors_of_queries(store: Store, sql: str, kind: type[StoreError], code: int) -> None:
    with pytest.raises(kind) as raised:
        await store.rows(sql)
    assert type(raised.value) is kind
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("table", "columns", "body", "kind", "code"),
    [
        ("t", ["a"], arrow(1, 11), RowRefused, 469),
        ("t", ["a"], arrow(1)[:40], RowRefused, 33),
        ("t", ["b"], arrow(1), StoreMisconfigured, 16),
        ("nope", ["a"], arrow(1), StoreMisconfigured, 60),
    ],
)
async def test_errors_of_inserts(
    store: Store, table: str, columns: list[str], body: bytes, kind: type[StoreError], code: int
) -> None:
    with pytest.raises(kind) as raised:
        await store.insert_arrow(table, columns, body, settings={}, timeout=10)
    assert raised.value.code == code
    assert await store.rows("SELECT count() FROM t") == [(0,)]


async def test_a_wrong_password_and_a_missing_database(embedded: Embedded) -> None:
    base = f"http://127.0.0.1:{embedded.port}"
    wrong = await Store.open(with_login(base, "litefuse", PASSWORD))
    with pytest.raises(StoreMisconfigured) as raised:
        await wrong.ping()
    assert raised.value.code == 516
    assert PASSWORD not in str(raised.value)
    await wrong.close()
    missing = await Store.open(Secret(embedded.url.reveal().removesuffix("/litefuse") + "/nope"))
    with pytest.raises(StoreMisconfigured) as raised:
        await missing.ping()
    assert raised.value.code == 81
    await missing.command("CREATE DATABASE nope", in_database=False)
    await missing.ping()
    await missing.close()


async def test_it_comes_back_with_the_server(tmp_path: Path) -> None:
    """A store opened before there is anything to connect to works once there is, and again after a restart."""
    first = await open_embedded(Settings(data_dir=tmp_path / "data", clickhouse_port=0))
    url, port = first.url, first.port
    store = await Store.open(url)
    try:
        assert await store.rows("SELECT 1") == [(1,)]
        await first.close()
        with pytest.raises(StoreUnavailable):
            await store.rows("SELECT 1")
        second = await open_embedded(Settings(data_dir=tmp_path / "data", clickhouse_port=port))
        try:
            assert await store.rows("SELECT 1") == [(1,)]
        finally:
            await second.close()
    finally:
        await store.close()
    with pytest.raises(StoreUnavailable):
        await store.rows("SELECT 1")


# -- against servers that misbehave ------------------------------------------------------------------------------------

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[Secret]:
    """A raw TCP server, as the URL of a login."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield with_login(f"http://127.0.0.1:{port}", "litefuse", PASSWORD)
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()


async def read_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Request line and body (with Content-Length)."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lengths = [line.split(":")[1] for line in head.splitlines() if line.lower().startswith("content-length:")]
    return head.splitlines()[0], await reader.readexactly(int(lengths[0]) if lengths else 0)


class Proxy:
    """Passes requests on to the engine, and lets a test do something else with inserts."""

    def __init__(self, embedded: Embedded) -> None:
        self._port = embedded.port
        self.inserts = 0
        self.reset_after_body = False
        self.swallow_answer = False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                text = head.decode()
                length = next(
                    (int(s.split(":")[1]) for s in text.splitlines() if s.lower().startswith("content-length:")), 0
                )
                body = await reader.readexactly(length)
                insert = "INSERT" in text.splitlines()[0]
                self.inserts += insert
                if insert and self.reset_after_body:
                    return
                up_writer.write(head + body)
                answer = await up_reader.readuntil(b"\r\n\r\n")
                size = next(
                    int(s.split(b":")[1]) for s in answer.splitlines() if s.lower().startswith(b"content-length:")
                )
                answer += await up_reader.readexactly(size)
                if insert and self.swallow_answer:
                    return
                writer.write(answer)
                await writer.drain()
        finally:
            up_writer.close()


@pytest.mark.parametrize("stored", [False, True], ids=["reset before it is stored", "answer lost"])
async def test_an_insert_goes_over_the_wire_once(embedded: Embedded, store: Store, stored: bool) -> None:
    """The library sends the body of bytes again when a kept connection is reset. Whether to repeat is the worker's to say:
    it looks first, and it commits its plan anew when that is old."""
    proxy = Proxy(embedded)
    async with listening(proxy) as url:
        through = await Store.open(Secret(url.reveal().replace(PASSWORD, store.address.password.reveal())))
        await through.insert_arrow("t", ["a"], arrow(1), settings={}, timeout=10)
        assert proxy.inserts == 1
        proxy.reset_after_body = not stored
        proxy.swallow_answer = stored
        with pytest.raises(StoreUnavailable):
            await through.insert_arrow("t", ["a"], arrow(2), settings={}, timeout=10)
        assert proxy.inserts == 2
        assert await store.rows("SELECT count() FROM t") == [(2 if stored else 1,)]
        proxy.reset_after_body = proxy.swallow_answer = False
        await through.insert_arrow("t", ["a"], arrow(3), settings={}, timeout=10)
        assert proxy.inserts == 3
        await through.close()


async def test_nothing_listens(unused_tcp_port: int) -> None:
    store = await Store.open(with_login(f"http://127.0.0.1:{unused_tcp_port}", "litefuse", PASSWORD))
    with pytest.raises(StoreUnavailable) as raised:
        await store.ping()
    assert PASSWORD not in str(raised.value)
    await store.close()


async def test_a_server_that_never_answers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with listening(silent) as url:
        store = await Store.open(url)
        with pytest.raises(StoreUnavailable, match=r"no answer within 0\.2 s"):
            await store.insert_arrow("t", ["a"], arrow(1), settings={}, timeout=0.2)
        await store.close()
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind"),
    [
        (429, "", "slow down", StoreUnavailable),
        (502, "", "<html>bad gateway</html>", StoreUnavailable),
        (503, "", "", StoreUnavailable),
        (504, "", "", StoreUnavailable),
        (500, "", "who knows", StoreUnavailable),
        (401, "", "a proxy's own", StoreMisconfigured),
        (404, "", "nothing here", StoreMisconfigured),
        (500, "X-ClickHouse-Exception-Code: 241\r\n", "Code: 241. DB::Exception: Memory limit", StoreTooBig),
        (
            500,
            "X-ClickHouse-Exception-Code: 252\r\n",
            "Code: 252. DB::Exception: Too many parts (300)",
            StoreUnavailable,
        ),
        (
            500,
            "X-ClickHouse-Exception-Code: 252\r\n",
            "Code: 252. DB::Exception: Too many partitions for single INSERT block (more than 100)",
            RowRefused,
        ),
        (200, "X-ClickHouse-Exception-Code: 243\r\n", "Code: 243. DB::Exception: No space", StoreUnavailable),
    ],
)
async def test_answers_without_sense(status: int, headers: str, body: str, kind: type[StoreError]) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(f"HTTP/1.1 {status} X\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            await writer.drain()

    async with listening(answer) as url:
        store = await Store.open(url)
        with pytest.raises(kind) as raised:
            await store.ping()
        assert type(raised.value) is kind
        assert PASSWORD not in str(raised.value)
        await store.close()


async def test_an_answer_that_breaks_off(embedded: Embedded, store: Store) -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        await writer.drain()

    async with listening(half) as url:
        broken = await Store.open(url)
        with pytest.raises(StoreUnavailable):
            await broken.ping()
        await broken.close()
