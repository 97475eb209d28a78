from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.processes import Litefuse, litefuse


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Litefuse]:
    with litefuse("up", data_dir=tmp_path_factory.mktemp("up") / "data") as process:
        yield process
