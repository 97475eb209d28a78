from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from litefuse import deletion
from litefuse.clickhouse.client import Store
from litefuse.deletion import TABLES
from litefuse.keys import KeyStore
from tests.deletion.support import T1, T2, T3
from tests.embedded.server import Server, with_tables
from tests.web.queries.support import MONDAY, Span, insert

WEEK = 7 * 86400 * 1_000_000_000

#: Of each trace a score and its observation's, and two events: one of the trace, which names it as its object alone. And a
#: score of a session. Each twice.
SAID = (
    "INSERT INTO scores (project_id, id, trace_id, observation_id, version) "
    "SELECT {p:String}, concat(t, o), t, o, v FROM (SELECT arrayJoin({t:Array(String)}) AS t, arrayJoin(['', 'o']) AS o, "
    "arrayJoin([1, 2]) AS v) SETTINGS optimize_on_insert = 0",
    "INSERT INTO scores (project_id, id, session_id, version) SELECT {p:String}, 'of a session', 's', arrayJoin([1, 2]) "
    "SETTINGS optimize_on_insert = 0",
    "INSERT INTO ingestion_events (project_id, kind, object_id, event_id, trace_id, received_at) "
    "SELECT {p:String}, k, if(k = 'trace', t, 'o'), t, if(k = 'trace', '', t), v FROM (SELECT arrayJoin({t:Array(String)}) "
    "AS t, arrayJoin(['trace', 'observation']) AS k, arrayJoin([1, 2]) AS v) SETTINGS optimize_on_insert = 0",
    # An observation whose id is that of a trace belongs to another trace.
    "INSERT INTO ingestion_events (project_id, kind, object_id, event_id, trace_id) "
    "SELECT {p:String}, 'observation', t, t, 'another' FROM (SELECT arrayJoin({t:Array(String)}) AS t)",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with with_tables(tmp_path_factory.mktemp("data") / "litefuse") as server:
        yield server


@pytest.fixture
async def store(server: Server) -> AsyncIterator[Store]:
    """With the same three traces in two projects, in two partitions, with copies."""
    store = await Store.open(server.embedded.url)
    for table in TABLES:
        await store.command(f"TRUNCATE TABLE {table.name}")
    keys = KeyStore(store)
    for project in ("p", "other"):
        await keys.create(f"name of {project}", project_id=project)
        await keys.create(project)
        spans = [
            Span(T1, "a" * 16, MONDAY, user_id="ann", project=project),
            Span(T1, "b" * 16, MONDAY + WEEK, parent="a" * 16, user_id="bob", project=project),
            Span(T2, "a" * 16, MONDAY, user_id="bob", project=project),
            Span(T3, "a" * 16, MONDAY, project=project),
        ]
        insert(server, spans)
        insert(server, [replace(spans[0], copy=1, user_id="")])
        await store.command(
            "INSERT INTO prices (project_id, model, updated_at) SELECT {p:String}, 'gpt', now64(6)", {"p": project}
        )
        for insert_said in SAID:
            await store.command(insert_said, {"p": project, "t": [T1, T2, T3]})
    yield store
    await store.close()


@pytest.fixture(autouse=True)
def refused_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here accepts keys."""
    monkeypatch.setattr(deletion, "REFUSED_S", 0.1)
