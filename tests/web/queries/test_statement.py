"""Values of a statement as its parameters."""

from __future__ import annotations

import pytest

from litefuse.clickhouse.client import Store
from tests.embedded.server import Server
from tests.web.queries.support import MONDAY, Span, insert
from web.queries import observation_pages, traces
from web.queries.conditions import Condition
from web.queries.merge import Filter
from web.queries.statement import Values

#: http_max_field_value_size of a server.
MOST = 128 * 1024
LONG = [f"{'ü' * 390}{n:010d}{'é' * 400}" for n in range(400)]


@pytest.mark.parametrize("texts", [[], ["a"], ["a", "a"], ["it's \\ \t"], LONG, [str(n) for n in range(30_000)]])
def test_no_parameter_is_longer_than_a_server_takes(texts: list[str]) -> None:
    values = Values()
    sql = values.texts(texts)
    assert [text for part in values.parameters.values() for text in part] == texts
    assert all(f"{{{name}:Array(String)}}" in sql for name in values.parameters)
    assert all(len(repr(part).encode()) < MOST for part in values.parameters.values())


async def test_pages_of_long_ids(server: Server, store: Store) -> None:
    insert(server, [Span(id_, id_, MONDAY + n, project="long", name="long") for n, id_ in enumerate(LONG)])
    page = await observation_pages.newest(store, "long", limit=1000, names=("input",))
    assert [row["id"] for row in page.observations] == LONG[::-1]
    assert [trace.id for trace in (await traces.newest(store, "long", limit=1000)).traces] == LONG[::-1]
    for operator, found in (("any of", LONG[::-1]), ("none of", [])):
        filter_ = Filter(conditions=[Condition("id", operator, LONG)])
        assert [trace.id for trace in (await traces.newest(store, "long", filter_, 1000)).traces] == found
