from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.embedded.server import Server, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded ClickHouse on an empty directory, for one module."""
    with running(tmp_path_factory.mktemp("data") / "litefuse") as server:
        yield server
