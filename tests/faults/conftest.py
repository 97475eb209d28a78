"""One broker and one ClickHouse for the outage tests. Their roles are each test's own, and end with it."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.faults.cluster import Cluster, cluster

_FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("faults")) as made:
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    return report


@pytest.fixture
def c(shared: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The shared broker and ClickHouse, whole. The test's roles end with it, and what they wrote is printed if it failed."""
    shared.broker.start()
    if not shared.clickhouse.alive():
        shared.clickhouse.start()
    yield shared
    if request.node.stash.get(_FAILED, True):
        print(shared.tails())
    shared.close_roles()
