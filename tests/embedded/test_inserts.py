"""One INSERT is one block, tokens hold, and data is data whatever it looks like (architecture section 6)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import pyarrow as pa
import pytest

from litefuse.clickhouse.client import Store
from litefuse.errors import RowRefused
from tests.embedded.server import Server


def arrow(rows: int, width: int = 10, batch: int | None = None, first: int = 0) -> bytes:
    """An Arrow stream of columns `a` and `s`, in one record batch or in several of `batch` rows."""
    table = pa.table({"a": pa.array(range(first, first + rows), pa.uint64()), "s": pa.array(["x" * width] * rows)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table, max_chunksize=batch)
    body: bytes = sink.getvalue().to_pybytes()
    return body


@pytest.fixture
def table(server: Server) -> Iterator[str]:
    server.one(
        "CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a PARTITION BY intDiv(a, 10000000) "
        "SETTINGS non_replicated_deduplication_window = 1000, old_parts_lifetime = 0"
    )
    server.one("SYSTEM STOP MERGES t")
    yield "t"
    server.one("DROP TABLE t SYNC")


@pytest.fixture
async def store(server: Server) -> AsyncIterator[Store]:
    store = await Store.open(server.embedded.url)
    yield store
    await store.close()


async def insert(store: Store, body: bytes, token: str = "", **settings: str) -> None:
    if token:
        settings["insert_deduplication_token"] = token
    await store.insert_arrow("t", ["a", "s"], body, settings=settings, timeout=60)


async def parts(store: Store) -> list[int]:
    rows = await store.rows("SELECT rows FROM system.parts WHERE table = 't' AND active ORDER BY min_block_number")
    return [count for (count,) in rows]


@pytest.mark.parametrize(
    ("rows", "width", "batch"),
    [(1, 10, None), (1000, 10, None), (1_500_000, 4, None), (1_500_000, 4, 65_536), (80_000, 3_300, 5_000)],
)
async def test_one_insert_is_one_block(store: Store, table: str, rows: int, width: int, batch: int | None) -> None:
    """Beyond a million rows and beyond 256 MiB too, where ClickHouse would cut by itself."""
    await insert(store, arrow(rows, width, batch))
    assert await parts(store) == [rows]


async def test_the_workers_settings_keep_it_one_block(store: Store, table: str) -> None:
    from worker.write import INSERT_SETTINGS

    await insert(store, arrow(100_000, 100, 1_000), "token", **INSERT_SETTINGS)
    assert await parts(store) == [100_000]


async def test_the_same_token_inserts_once(store: Store, table: str) -> None:
    for token in ("one", "one", "two"):
        await insert(store, arrow(10), token)
    assert await parts(store) == [10, 10]


async def test_the_same_token_at_once_inserts_once(store: Store, table: str) -> None:
    await asyncio.gather(*(insert(store, arrow(1000), "one") for _ in range(8)))
    assert sum(await parts(store)) == 1000


async def test_many_at_once(store: Store, table: str) -> None:
    await asyncio.gather(*(insert(store, arrow(100, first=i * 100), str(i)) for i in range(20)))
    assert sorted(await parts(store)) == [100] * 20
    assert await store.rows("SELECT uniqExact(a) FROM t") == [(2000,)]


async def test_too_many_partitions_stores_nothing(store: Store, table: str) -> None:
    body = b"".join((arrow(2, first=9_999_999),))
    with pytest.raises(RowRefused) as refused:
        await insert(store, body, max_partitions_per_insert_block="1")
    assert refused.value.code == 252
    assert await parts(store) == []


async def test_a_cut_body_stores_nothing(store: Store, table: str) -> None:
    body = arrow(100_000, 10, 10_000)
    for cut in (body[: len(body) // 2], body[:100], b"nonsense", b""):
        with pytest.raises(RowRefused):
            await insert(store, cut)
    assert await parts(store) == []


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        (b"INSERT INTO t VALUES (1, 'a'), (2, 'b')", "1a2b"),
        (b"INSERT INTO t VALUES (1, 'a;\n\n\nDROP TABLE t'), (2, 'b');", "1a;\n\n\nDROP TABLE t2b"),
        (b"insert into t (s, a) values ('FORMAT', 1)", "1FORMAT"),
        (b"/* VALUES */ INSERT INTO litefuse.t (`a`, `s`) -- FORMAT CSV\n VALUES (1, concat('x', 'y'))", "1xy"),
        (b'INSERT INTO TABLE t FORMAT CSV\n1,"a\n\nb;"\n2,c\n', "1a\n\nb;2c"),
        (b"INSERT INTO t FORMAT `CSV`\n1,a\n2,b\n", "1a2b"),
        (b"INSERT INTO t FORMAT TSV 1\tSELECT 1; SELECT 2\n\n", None),
        (b'INSERT INTO t (a) FORMAT JSONEachRow\n{"a": 1}\n\n\n{"a": 2}\n', "12"),
        (b'INSERT INTO t (a) SETTINGS async_insert = 0 FORMAT JSONEachRow {"a": 1}', "1"),
        (b"INSERT INTO FUNCTION null('a UInt8') VALUES (1)", ""),
        (b"INSERT INTO t SELECT number, 'x;\n\ny' FROM numbers(2)", "0x;\n\ny1x;\n\ny"),
        (b"INSERT INTO t (a) WITH 5 AS x SELECT x", "5"),
        (b"INSERT INTO t VALUES", ""),
    ],
)
def test_statements_and_data_in_one_text(server: Server, table: str, sql: bytes, rows: str | None) -> None:
    answer = server.ask(sql)
    assert (answer.status == 200) == (rows is not None), answer.text
    found = server.ask("SELECT a, s FROM t ORDER BY a FORMAT JSONCompactEachRow").text
    assert "".join(f"{a}{s}" for a, s in map(json.loads, found.splitlines())) == (rows or "")


def test_statement_in_the_url_and_data_in_the_body(server: Server, table: str) -> None:
    assert server.ask(b"1,a\n\n2,b\n", query="INSERT INTO t FORMAT CSV").status == 400  # a blank line is a row in CSV
    assert server.ask(b"1,a\n2,b\n", query="INSERT INTO t FORMAT CSV").status == 200
    assert server.ask(b"VALUES (3, 'c')", query="INSERT INTO t").status == 200
    assert server.ask(arrow(5, first=10), query="INSERT INTO t (a, s) FORMAT ArrowStream").status == 200
    assert server.one("SELECT count() FROM t") == "8"


def test_what_was_written_is_told(server: Server, table: str) -> None:
    answer = server.ask(arrow(5), query="INSERT INTO t FORMAT ArrowStream")
    assert '"written_rows": "5"' in answer.headers["X-ClickHouse-Summary"]
    assert answer.body == b""
