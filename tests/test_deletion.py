"""Deletion reaches every table that holds the data, physically, and nothing else."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from litefuse import deletion
from litefuse.cli import delete, main
from litefuse.clickhouse.client import Store
from litefuse.deletion import TABLES
from litefuse.keys import KeyStore
from tests.embedded.server import Server, with_tables
from tests.web.queries.support import MONDAY, Span, insert

WEEK = 7 * 86400 * 1_000_000_000
T1, T2, T3 = "1" * 32, "2" * 32, "3" * 32


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
    yield store
    await store.close()


async def left(store: Store, project: str) -> dict[str, int]:
    """Rows of a project by table, copies and replaced rows included."""
    counts = {}
    for table in TABLES:
        sql = f"SELECT count() FROM {table.name} WHERE project_id = {{p:String}}"
        counts[table.name] = int((await store.rows(sql, {"p": project}, settings={"final": "0"}))[0][0])
    return counts


async def traces_in(store: Store, table: str, project: str = "p") -> set[str]:
    rows = await store.rows(
        f"SELECT DISTINCT trace_id FROM {table} WHERE project_id = {{p:String}}",
        {"p": project},
        settings={"final": "0"},
    )
    return {row[0] for row in rows}


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
    }
    assert done.complete
    for table in ("spans", "trace_parts", "traces"):
        assert await traces_in(store, table) == {T2, T3}
        assert await traces_in(store, table, "other") == {T1, T2, T3}
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


async def test_a_deletion_that_stopped_half_way_is_finished_by_the_next(store: Store) -> None:
    await store.command("ALTER TABLE spans DELETE WHERE project_id = 'p'", settings={"mutations_sync": "2"})
    assert await deletion.traces_of_user(store, "p", "ann") == [T1]
    assert (await deletion.user(store, "p", "ann")).complete
    assert await traces_in(store, "trace_parts") == {T2, T3}


async def test_a_project(store: Store) -> None:
    before = await left(store, "other")
    keys = KeyStore(store)
    assert sum(key.project_id == "p" for key in (await keys.snapshot()).values()) == 2
    done = await deletion.project(store, "p")
    assert done.complete
    assert {count.table: (count.before, count.after) for count in done.counts} == {
        "spans": (5, 0),
        "trace_parts": (5, 0),
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
    assert [(count.before, count.after) for count in done.counts] == [(20, 0), (20, 0)]
    assert await traces_in(store, "spans") == {T1, T2, T3}


async def test_spans_that_come_later_make_the_trace_anew(store: Store, server: Server) -> None:
    await deletion.traces(store, "p", [T1])
    insert(server, [Span(T1, "c" * 16, MONDAY + 5, parent="a" * 16, name="late", project="p")])
    assert await traces_in(store, "traces") == {T1, T2, T3}
    assert await store.rows(
        "SELECT name, user_id FROM traces WHERE trace_id = {t:String} AND project_id = 'p'", {"t": T1}
    ) == [("late", "")]


# -- the command ---------------------------------------------------------------------------------------------------------


def run(server: Server, *arguments: str) -> int:
    options = ["delete", *arguments, "--data-dir", str(server.settings.data_dir)]
    with pytest.raises(SystemExit) as ended:
        main.main(options)
    return int(ended.value.code or 0)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A terminal that answers with these lines."""
    answers: list[str] = []
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True, readline=lambda: answers.pop(0)))
    return answers


async def test_command(store: Store, server: Server, terminal: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    async def command(*arguments: str) -> int:
        return await asyncio.to_thread(run, server, *arguments)

    assert await command("trace", T1, T2, "--project", "name of p", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "2 traces\nspans: 4 rows    SELECT count() FROM spans WHERE project_id = 'p' AND trace_id IN ('111" in out
    terminal.append("n\n")
    assert await command("trace", T1, "--project", "p") == 1
    captured = capsys.readouterr()
    assert "Delete 1 trace of project name of p for good? [y/N]" in captured.err
    assert "nothing was deleted" in captured.err
    assert await traces_in(store, "spans") == {T1, T2, T3}
    terminal.append("y\n")
    assert await command("trace", T1, "--project", "p") == 0
    assert "spans: 3 rows, now 0" in capsys.readouterr().out
    assert await traces_in(store, "spans") == {T2, T3}
    assert await command("user", "bob", "--project", "p", "--yes") == 0
    assert await traces_in(store, "spans") == {T3}
    assert await command("user", "nobody", "--project", "p") == 0
    assert await command("project", "name of p", "-y") == 0
    assert "api_keys: 2 rows, now 0" in capsys.readouterr().out
    assert await traces_in(store, "spans") == set()
    assert await traces_in(store, "spans", "other") == {T1, T2, T3}
    assert await command("project", "p", "-y") == 0  # once more: by its id
    assert await command("project", "nope", "-y") != 0
    assert "no project nope" in capsys.readouterr().err


async def test_nobody_to_ask(store: Store, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False))
    assert await asyncio.to_thread(run, server, "project", "p") != 0
    assert await traces_in(store, "spans") == {T1, T2, T3}


def test_documented() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "delete.md").read_text()
    for word in ("trace", "user", "project"):
        assert f"litefuse delete {word} " in page
    assert delete.__doc__ is not None
    assert "docs/delete.md" in delete.__doc__
