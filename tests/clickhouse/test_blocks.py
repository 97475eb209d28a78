"""Results as streams: whole, closed early, and broken in the middle, which must never look like an end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from litefuse.clickhouse.client import Store
from litefuse.embedded import files
from litefuse.errors import StoreError, StoreUnavailable
from tests.processes import Litefuse, litefuse


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Litefuse]:
    with litefuse("clickhouse", data_dir=tmp_path / "data") as process:
        yield process


async def opened(engine: Litefuse) -> Store:
    return await Store.open(files.login_url(engine.data_dir))


async def test_all_rows_come_a_part_at_a_time(engine: Litefuse) -> None:
    store = await opened(engine)
    sizes, numbers = [], 0
    async for rows in store.blocks(
        "SELECT number, {x:String} FROM numbers(100000)", {"x": "'\\"}, settings={"max_block_size": "1000"}
    ):
        assert rows[0][1] == "'\\"
        sizes.append(len(rows))
        numbers += sum(row[0] for row in rows)
    assert numbers == 100_000 * 99_999 // 2
    assert max(sizes) <= 10_000
    await store.close()


async def read(
    store: Store, seen: list[int], sql: str, settings: dict[str, str], then: Callable[[], object] = lambda: None
) -> None:
    """Counts the rows of each part, and does something after the first."""
    async for rows in store.blocks(sql, settings=settings):
        seen.append(len(rows))
        if len(seen) == 1:
            then()


async def test_closed_early(engine: Litefuse) -> None:
    store = await opened(engine)
    async with contextlib.aclosing(store.blocks("SELECT number, repeat('x', 1000) FROM numbers(1000000)")) as blocks:
        async for rows in blocks:
            assert rows
            break
    assert await store.rows("SELECT 1") == [(1,)]
    await store.close()


async def test_an_error_behind_the_beginning_is_raised(engine: Litefuse) -> None:
    store = await opened(engine)
    seen: list[int] = []
    sql = "SELECT number, repeat('x', 1000), throwIf(number = 500000, 'in the middle') FROM numbers(1000000)"
    with pytest.raises(StoreError):
        await read(store, seen, sql, {"max_block_size": "1000", "max_threads": "1"})
    assert 0 < sum(seen) <= 500_000
    await store.close()


async def test_an_engine_that_dies_is_no_end(engine: Litefuse) -> None:
    store = await opened(engine)
    seen: list[int] = []
    sql = "SELECT number, repeat('x', 1000) FROM numbers(1000000)"
    with pytest.raises(StoreUnavailable):
        await read(store, seen, sql, {"max_block_size": "1000"}, engine.kill)
    assert 0 < sum(seen) < 1_000_000
    await store.close()
