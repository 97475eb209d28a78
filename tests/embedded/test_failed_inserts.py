"""An insert that fails says so. chDB's streaming insert reports the rows as written when it fails at the very end, and data
behind the statement ends at its first blank line; both lost rows that had been acknowledged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pyarrow as pa
import pytest

from litefuse.clickhouse.client import Store
from litefuse.embedded import open_embedded
from litefuse.errors import RowRefused
from litefuse.settings import Secret, Settings


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    embedded = await open_embedded(Settings(data_dir=tmp_path, clickhouse_port=0))
    store = await Store.open(Secret(embedded.url))
    await store.command("CREATE DATABASE IF NOT EXISTS litefuse")
    await store.command(
        "CREATE TABLE t (a String, CONSTRAINT no_x CHECK a != 'x') ENGINE = MergeTree ORDER BY a "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    yield store
    await store.close()
    await embedded.close()


async def insert(store: Store, values: list[str], token: str = "") -> None:
    batch = pa.record_batch({"a": pa.array(values)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    settings = {"insert_deduplication_token": token} if token else {}
    await store.insert_arrow("t", ["a"], sink.getvalue().to_pybytes(), settings=settings, timeout=30)


async def values(store: Store) -> list[str]:
    return [a for (a,) in await store.rows("SELECT a FROM t ORDER BY a")]


async def test_a_violated_constraint_is_reported_and_nothing_is_stored(store: Store) -> None:
    with pytest.raises(RowRefused) as refused:
        await insert(store, ["y", "x"])
    assert refused.value.code == 469
    assert await values(store) == []


async def test_blank_lines_in_the_data_end_nothing(store: Store) -> None:
    await insert(store, ["a\n\nb", "\n\n\n", "c"])
    assert await values(store) == ["\n\n\n", "a\n\nb", "c"]


async def test_settings_within_the_statement_count(store: Store) -> None:
    for _ in range(2):
        await store.command("INSERT INTO t (a) SETTINGS insert_deduplication_token = 'once' FORMAT TSV\nb\n")
    await insert(store, ["c"], "other")
    await insert(store, ["c"], "other")
    assert await values(store) == ["b", "c"]
