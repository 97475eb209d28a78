from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.embedded.server import Server, with_tables
from tests.web.api.support import Client, api

# What they assert is shown with its values when it fails, as in a test module.
pytest.register_assert_rewrite(
    *(f"tests.web.api.{name}" for name in ("ingestion_support", "metric_support", "score_rows", "score_support"))
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded ClickHouse with our tables, for one module."""
    with with_tables(tmp_path_factory.mktemp("data") / "litefuse") as server:
        yield server


@pytest.fixture
async def client(server: Server, tmp_path: Path) -> AsyncIterator[Client]:
    async with api(server, tmp_path) as client:
        yield client
