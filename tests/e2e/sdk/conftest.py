from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.envs import INSTALL_TIMEOUT
from tests.e2e.sdk.client import RELEASES, python
from tests.e2e.sdk.place import Place, place


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of each major may have to install it."""
    for item in items:
        if "e2e/sdk" in item.nodeid:
            item.add_marker(pytest.mark.timeout(INSTALL_TIMEOUT + 300))


@pytest.fixture(scope="module")
def litefuse_for_sdks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    for major in RELEASES:
        python(major)
    with place(tmp_path_factory.mktemp("sdk") / "data") as made:
        yield made
