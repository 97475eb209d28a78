from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from litefuse.clickhouse.client import Store
from tests.embedded.server import Server, with_tables


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded ClickHouse with our tables, for one module."""
    with with_tables(tmp_path_factory.mktemp("data") / "litefuse") as server:
        yield server


@pytest.fixture
async def store(server: Server) -> AsyncIterator[Store]:
    """Without spans and prices."""
    store = await Store.open(server.embedded.url)
    await store.command("TRUNCATE TABLE spans")
    await store.command("TRUNCATE TABLE prices")
    yield store
    await store.close()
