"""Deletion reaches every table that holds the data, physically, and nothing else."""

from __future__ import annotations

import pytest

from litefuse import deletion
from litefuse.clickhouse.client import Store
from litefuse.deletion import TABLES
from litefuse.keys import KeyStore
from tests.deletion.support import T1, T2, T3, left, traces_in
from tests.embedded.server import Server
from tests.web.queries.support import MONDAY, Span, insert


async def test_no_table_is_forgotten(store: Store) -> None:
    """Whoever adds a table that holds a project's data has to say here how it is deleted."""
    of = (
        "SELECT table FROM system.columns WHERE database = 'litefuse' AND name = {name:String} "
        "AND table IN (SELECT name FROM system.tables WHERE database = 'litefuse' AND engine LIKE '%MergeTree')"
    )
    assert {row[0] for row in await store.rows(of, {"name": "project_id"})} == {table.name for table in TABLES}
    with_traces = {row[0] for row in await store.rows(of, {"name": "trace_id"})}
    assert with_traces == {table.name for table in TABLES if table.of_traces}


async def test_a_trace(store: Store) -> None:
    before = await left(store, "other")
    done = await deletion.traces(store, "p", [T1, "no such trace"])
    assert {count.table: (count.before, count.after) for count in done.counts} == {
        "spans": (3, 0),
        "trace_parts": (3, 0),
        "scores": (4, 0),
        "ingestion_events": (4, 0),
    }
    assert done.complete
    for table in ("spans", "trace_parts", "traces", "scores", "ingestion_events"):
        assert await traces_in(store, table) - {"", "another"} == {T2, T3}
        assert await traces_in(store, table, "other") - {"", "another"} == {T1, T2, T3}
    of_session = "SELECT count() FROM scores WHERE project_id = 'p' AND session_id = 's'"
    assert await store.rows(of_session, settings={"final": "0"}) == [(2,)]
    assert await left(store, "other") == before


async def test_the_printed_proof_counts_what_is_there(store: Store) -> None:
    done = await deletion.traces(store, "p", [T1, T2], dry_run=True)
    for count in done.counts:
        assert (await store.rows(count.sql))[0][0] == count.before > 0
        assert count.after is None
    done = await deletion.project(store, "p")
    for count in done.counts:
        assert (await store.rows(count.sql))[0][0] == count.after == 0


async def test_a_user_is_every_trace_that_names_the_user_in_any_span(store: Store) -> None:
    """T1 is bob's in the end, and the copy that named ann is replaced: it names her all the same."""
    assert await deletion.traces_of_user(store, "p", "ann") == [T1]
    done = await deletion.user(store, "p", "ann")
    assert (done.traces, done.complete) == (1, True)
    assert await traces_in(store, "spans") == await traces_in(store, "trace_parts") == {T2, T3}
    await deletion.user(store, "p", "bob")
    assert await traces_in(store, "spans") == await traces_in(store, "trace_parts") == {T3}
    assert await traces_in(store, "spans", "other") == {T1, T2, T3}
    assert (await deletion.user(store, "p", "nobody' OR 1=1")).empty
    with pytest.raises(ValueError, match="no user"):
        await deletion.user(store, "p", "")


async def test_a_user_whom_only_an_event_names_is_found(store: Store) -> None:
    """A later event of the trace has named another."""
    for user in ('"eve"', "17", '"mallory"'):
        await store.command(
            "INSERT INTO ingestion_events (project_id, kind, object_id, event_id, trace_id, body) "
            "SELECT 'p', 'trace', {t:String}, {u:String}, {t:String}, concat('{\"userId\":', {u:String}, '}')",
            {"t": T2, "u": user},
        )
    for name in ("eve", "17"):
        assert await deletion.traces_of_user(store, "p", name) == [T2]
    done = await deletion.user(store, "p", "eve")
    assert done.complete
    assert T2 not in await traces_in(store, "spans")
    assert await deletion.traces_of_user(store, "p", "mallory") == []


async def test_a_project(store: Store) -> None:
    before = await left(store, "other")
    keys = KeyStore(store)
    assert sum(key.project_id == "p" for key in (await keys.snapshot()).values()) == 2
    done = await deletion.project(store, "p")
    assert done.complete
    assert {count.table: (count.before, count.after) for count in done.counts} == {
        "spans": (5, 0),
        "trace_parts": (5, 0),
        "scores": (14, 0),
        "ingestion_events": (15, 0),
        "prices": (1, 0),
        "api_keys": (2, 0),
        "projects": (1, 0),
    }
    after = await left(store, "p")
    assert {after[table.name] for table in TABLES if not table.kept} == {0}
    assert {key.project_id for key in (await keys.snapshot()).values()} == {"other"}
    assert await keys.find_project("p") is None
    assert await left(store, "other") == before
    assert (await deletion.project(store, "p")).empty


async def test_many_traces_go_in_parts(store: Store, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "_IDS", 7)
    ids = [f"{n:032x}" for n in range(20)]
    insert(server, [Span(id_, "a" * 16, MONDAY, project="p") for id_ in ids])
    done = await deletion.traces(store, "p", ids)
    assert [(count.before, count.after) for count in done.counts] == [(20, 0), (20, 0), (0, 0), (0, 0)]
    assert await traces_in(store, "spans") == {T1, T2, T3}


async def test_spans_that_come_later_make_the_trace_anew(store: Store, server: Server) -> None:
    await deletion.traces(store, "p", [T1])
    insert(server, [Span(T1, "c" * 16, MONDAY + 5, parent="a" * 16, name="late", project="p")])
    assert await traces_in(store, "traces") == {T1, T2, T3}
    assert await store.rows(
        "SELECT name, user_id FROM traces WHERE trace_id = {t:String} AND project_id = 'p'", {"t": T1}
    ) == [("late", "")]
