from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from litefuse.clickhouse.client import Store
from schemas.runner import migrate
from tests.embedded.server import Server, running


async def _migrated(server: Server) -> None:
    store = await Store.open(server.embedded.url)
    await migrate(store)
    await store.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded ClickHouse with our tables, for one module."""
    with running(tmp_path_factory.mktemp("data") / "litefuse") as server:
        asyncio.run(_migrated(server))
        yield server


@pytest.fixture
async def store(server: Server) -> AsyncIterator[Store]:
    """Without spans and prices."""
    store = await Store.open(server.embedded.url)
    await store.command("TRUNCATE TABLE spans")
    await store.command("TRUNCATE TABLE prices")
    yield store
    await store.close()
