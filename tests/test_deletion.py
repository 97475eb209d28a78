"""Deletion reaches every table that holds the data, physically, and nothing else."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from litefuse import deletion
from litefuse.cli import delete, main
from litefuse.clickhouse.client import Store
from litefuse.deletion import TABLES
from litefuse.errors import StoreUnavailable
from litefuse.keys import KeyStore
from tests.embedded.server import Server, with_tables
from tests.web.queries.support import MONDAY, Span, insert

WEEK = 7 * 86400 * 1_000_000_000
SYNC = {"mutations_sync": "2"}
T1, T2, T3 = "1" * 32, "2" * 32, "3" * 32
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


async def test_a_deletion_that_stopped_half_way_is_finished_by_the_next(store: Store) -> None:
    await store.command("ALTER TABLE spans DELETE WHERE project_id = 'p'", settings={"mutations_sync": "2"})
    assert await deletion.traces_of_user(store, "p", "ann") == [T1]
    assert (await deletion.user(store, "p", "ann")).complete
    assert await traces_in(store, "trace_parts") == {T2, T3}


class Stopping:
    """The store, which does something after its n-th mutation or insert, such as to raise."""

    def __init__(self, store: Store, after: int, then: Callable[[], None]) -> None:
        self.store, self.after, self.then, self.commands = store, after, then, 0

    async def rows(self, *arguments: Any, **named: Any) -> list[tuple[Any, ...]]:
        return await self.store.rows(*arguments, **named)

    async def command(self, *arguments: Any, **named: Any) -> Any:
        answer = await self.store.command(*arguments, **named)
        self.commands += 1
        if self.commands == self.after:
            await asyncio.to_thread(self.then)
        return answer


class Stopped(Exception):
    pass


async def said(store: Store, table: str) -> dict[str, tuple[str, list[str], str]]:
    """What the traces of project p say by their stored spans (copies too), or by the view: user, tags, first start."""
    sql = {
        "spans": "SELECT trace_id, argMax(user_id, (user_id != '', start_time, span_id)), "
        "arraySort(groupUniqArrayArray(tags)), toString(min(start_time)) FROM spans WHERE project_id = 'p' GROUP BY ALL",
        "traces": "SELECT trace_id, user_id, tags, toString(start_time) FROM traces WHERE project_id = 'p'",
    }[table]
    return {row[0]: (row[1], row[2], row[3]) for row in await store.rows(sql, settings={"final": "0"})}


LATE = "c" * 16


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
async def test_m2_a_span_that_comes_in_between_two_steps_keeps_its_part_and_leaves_none_behind(
    store: Store, server: Server, step: int
) -> None:
    late = [
        Span(T1, LATE, MONDAY + 5, parent="a" * 16, tags=("late",), project="p"),
        Span(T2, LATE, MONDAY + 5, user_id="eve", tags=("late",), project="p"),
    ]
    stopping = Stopping(store, step, lambda: insert(server, late))
    done = await deletion.traces(stopping, "p", [T1, T2])
    assert await said(store, "spans") == await said(store, "traces")
    counts = {count.table: count.after for count in done.counts}
    for table in ("spans", "trace_parts"):
        assert len(await traces_in(store, table)) == (3 if counts[table] else 1), table
    assert done.complete == (await traces_in(store, "spans") == {T3})
    assert (await deletion.traces(store, "p", [T1, T2])).complete
    assert await traces_in(store, "trace_parts") == {T3}


@pytest.mark.parametrize("steps", [8, 21, 22, 23])
async def test_m2_spans_that_come_in_after_every_step_make_traces_of_what_is_left(
    store: Store, server: Server, steps: int
) -> None:
    """A round has seven. After the last of the third all rounds have found some, and the parts are made anew."""
    count = 0

    def more() -> None:
        nonlocal count
        count += 1
        stopping.after += 1
        if count <= steps:
            insert(server, [Span(T1, f"{count:016x}", MONDAY + count, tags=(f"t{count}",), project="p")])

    stopping = Stopping(store, 1, more)
    done = await deletion.traces(stopping, "p", [T1])
    assert await said(store, "spans") == await said(store, "traces")
    assert done.complete == (T1 not in await traces_in(store, "trace_parts"))
    assert await traces_in(store, "spans", "other") == await traces_in(store, "traces", "other") == {T1, T2, T3}


async def test_m2_under_load_every_trace_is_what_its_spans_say(store: Store, server: Server) -> None:
    """Three writers go on while the same traces are deleted again and again."""
    ids = [f"{n:032x}" for n in range(1, 30)]
    ending = threading.Event()

    def write(writer: int) -> int:
        number = 0
        while not ending.is_set():
            number += 1
            some = [
                Span(ids[(number + n) % len(ids)], f"{writer:x}{number:011x}{n:04x}", MONDAY + number, project="p")
                for n in range(5)
            ]
            insert(server, [replace(s, tags=(s.span_id,), user_id=f"user {number % 5}") for s in some])
        return number

    writers = [asyncio.create_task(asyncio.to_thread(write, writer)) for writer in range(3)]
    try:
        deleted = 0
        for n in range(2):
            done = await deletion.traces(store, "p", ids[n:])
            deleted += sum(count.before for count in done.counts)
            await deletion.user(store, "p", f"user {n}")
    finally:
        ending.set()
        written = sum(await asyncio.gather(*writers))
    assert written > 10
    assert deleted > 10
    assert await said(store, "spans") == await said(store, "traces")
    assert (await deletion.traces(store, "p", ids)).complete


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
async def test_a_crash_after_any_step_leaves_what_the_user_s_name_still_finds(
    store: Store, server: Server, step: int, late: bool
) -> None:
    """The trace names zoe and, later in the same hour, bob: its part names bob alone. Another span of it, which names bob,
    comes in as the process dies."""
    trace = "4" * 32
    insert(
        server,
        [
            Span(trace, "a" * 16, MONDAY, user_id="zoe", tags=("zoe's",), project="p"),
            Span(trace, "b" * 16, MONDAY + 1, parent="a" * 16, user_id="bob", project="p"),
        ],
    )

    def crash() -> None:
        if late:
            insert(server, [Span(trace, LATE, MONDAY + 2, parent="a" * 16, user_id="bob", project="p")])
        raise Stopped

    stopping = Stopping(store, step, crash)
    with pytest.raises(Stopped):
        await deletion.user(stopping, "p", "zoe")
    done = await deletion.user(store, "p", "zoe")
    assert done.complete
    await store.command(
        "ALTER TABLE trace_parts DELETE WHERE false", settings=SYNC
    )  # what the first has submitted is done
    # Nothing of hers is left. A span that came in after hers were gone is a trace of its own, without anything of hers.
    spans = await said(store, "spans")
    assert await said(store, "traces") == spans
    assert spans.get(trace, ("bob", [], ""))[:2] == ("bob", [])
    assert late or trace not in spans


async def test_a_mutation_that_deletes_nothing_waits_for_those_before_it(store: Store) -> None:
    """On which the counts after a deletion rely."""
    await store.command("SYSTEM STOP MERGES trace_parts")
    waiting = None
    try:
        await deletion._submit(store, "trace_parts", "project_id = 'p'", {})
        waiting = asyncio.create_task(deletion._delete(store, "trace_parts", deletion._NOTHING, {}))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        assert await traces_in(store, "trace_parts") == {T1, T2, T3}
    finally:
        await store.command("SYSTEM START MERGES trace_parts")
        if waiting is not None:
            await asyncio.wait_for(waiting, 30)
    assert await traces_in(store, "trace_parts") == set()


async def test_inserts_that_run_are_waited_for(store: Store, server: Server) -> None:
    """A slow one has stored its spans before its parts, perhaps; one that begins later need not be waited for."""
    slow = (
        "INSERT INTO spans (project_id, trace_id, span_id, start_time, end_time, received_at) "
        "SELECT 'p', 'slow', toString(number + sleepEachRow(1)), now(), now(), now() FROM numbers(2)"
    )
    inserting = asyncio.create_task(store.command(slow))
    async with asyncio.timeout(10):
        while not (await store.rows("SELECT count() FROM system.processes WHERE query_kind = 'Insert'"))[0][0]:
            await asyncio.sleep(0.01)
    await deletion._inserts_ended(store)
    rows = await store.rows("SELECT count() FROM spans WHERE trace_id = 'slow'", settings={"final": "0"})
    assert rows == [(2,)]
    await inserting


async def test_what_is_derived_again_is_what_was_derived(store: Store) -> None:
    """By the view's own statement, of these traces only; a repetition changes nothing."""
    before = await store.rows("SELECT * FROM traces ORDER BY ALL")
    await store.command("ALTER TABLE trace_parts DELETE WHERE trace_id != {t:String}", {"t": T3}, settings=SYNC)
    await deletion.derive_again(store, "p", [T1])
    assert await traces_in(store, "trace_parts") == {T1, T3}
    assert await traces_in(store, "trace_parts", "other") == {T3}
    for project in ("p", "other"):
        for _ in range(2):
            await deletion.derive_again(store, project, [T1, T2])
    assert await store.rows("SELECT * FROM traces ORDER BY ALL") == before


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


# -- the command ---------------------------------------------------------------------------------------------------------


def run(server: Server, *arguments: str) -> int:
    options = ["delete", *arguments, "--data-dir", str(server.settings.data_dir)]
    with pytest.raises(SystemExit) as ended:
        main.main(options)
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def refused_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here accepts keys."""
    monkeypatch.setattr(deletion, "REFUSED_S", 0.1)


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
    assert await command("project", "name of p", "-y") == 0  # or by its name
    assert await command("project", "nope", "-y") != 0
    assert "no project nope" in capsys.readouterr().err


async def test_m3_deletion_of_a_project_waits_until_its_keys_are_refused_and_repeats(
    store: Store, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spans come in until the second deletion has begun: those that ingest has accepted and that lay in the log."""
    monkeypatch.setattr(deletion, "REFUSED_S", 1.0)
    monkeypatch.setattr(delete, "_PAUSE_S", 0.3)
    began: list[float] = []
    real = deletion.project

    async def project(*arguments: Any, dry_run: bool) -> deletion.Done:
        if not dry_run:
            began.append(time.monotonic())
        return await real(*arguments, dry_run=dry_run)

    monkeypatch.setattr(deletion, "project", project)
    written = 0

    def write() -> None:
        nonlocal written
        while len(began) < 2:
            written += 1
            insert(server, [Span(T1, f"{written:016x}", MONDAY + written, project="p")])

    writing = asyncio.create_task(asyncio.to_thread(write))
    since = time.monotonic()
    code = await asyncio.wait_for(asyncio.to_thread(run, server, "project", "name of p", "-y"), 120)
    await writing
    captured = capsys.readouterr()
    assert code == 0, captured
    assert began[0] - since >= 1.0
    assert len(began) >= 2
    assert "its keys are revoked; ingest may accept them for ten seconds more: waiting 1 s" in captured.err
    assert captured.err.count("deleting once more") == len(began) - 1
    assert "api_keys: 2 rows, now 0" in captured.out
    # What comes in between a count and its deletion is in no count.
    assert 0 < int(captured.out.rpartition("\nspans: ")[2].split()[0]) <= written
    assert await traces_in(store, "spans") == await traces_in(store, "trace_parts") == set()
    # Found by its name again, as long as there is something to delete, and without waiting when that is long ago.
    insert(server, [Span(T1, "a" * 16, MONDAY, project="p")])
    assert await asyncio.to_thread(run, server, "project", "name of p", "-y") == 0
    captured = capsys.readouterr()
    assert "waiting" not in captured.err
    assert "spans: 1 row, now 0" in captured.out


async def test_m3_several_deleted_projects_of_one_name_are_told_apart_by_id(
    store: Store, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    for project in ("first", "second"):
        await KeyStore(store).create("twice", project_id=project)
        await deletion.project(store, project)
        insert(server, [Span(T1, "a" * 16, MONDAY, project=project)])
    assert await asyncio.to_thread(run, server, "project", "twice", "-y") == 2
    assert "2 deleted projects were called twice: say the id of one, first, second" in capsys.readouterr().err
    assert await asyncio.to_thread(run, server, "project", "second", "-y") == 0
    assert await traces_in(store, "spans", "second") == set()
    assert await traces_in(store, "spans", "first") == {T1}
    # A living one of that name is meant first.
    await KeyStore(store).create("twice", project_id="third")
    assert await asyncio.to_thread(run, server, "project", "twice", "--dry-run") == 0
    assert "project_id = 'third'" in capsys.readouterr().out


@pytest.mark.parametrize("count", [5, 150])
async def test_l3_the_printed_proof_of_a_user_can_be_pasted(
    store: Store, server: Server, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    insert(server, [Span(f"{n + 100:032x}", "a" * 16, MONDAY, user_id="o'mara", project="p") for n in range(count)])
    for now in ((), ("-y",)):
        assert await asyncio.to_thread(run, server, "user", "o'mara", "--project", "p", *(now or ("--dry-run",))) == 0
        lines = capsys.readouterr().out.splitlines()[-8:]
        assert lines[0] == f"{count} traces"
        statements = [line.split("    ", 1)[1] for line in lines[1:] if "    " in line]
        assert len(statements) == (7 if count == 5 else 3)
        for sql in statements:
            none = now or "FROM scores" in sql or "FROM ingestion_events" in sql
            assert (await store.rows(sql))[0][0] == (0 if none else count), sql
        assert f"spans that name the user: {count} rows" in lines[5]


async def test_l13_a_trace_id_is_taken_in_upper_case_and_what_is_none_is_refused(
    store: Store, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    insert(server, [Span("ab" * 16, "a" * 16, MONDAY, project="p")])
    assert await asyncio.to_thread(run, server, "trace", "AB" * 16, "--project", "p", "-y") == 0
    assert "spans: 1 row, now 0" in capsys.readouterr().out
    for wrong in ("", " ", "x" * 801):
        assert await asyncio.to_thread(run, server, "trace", T1, wrong, "--project", "p", "-y") == 2
        assert f"{wrong[:100]}: no trace id, which is 32 hex digits, or text" in capsys.readouterr().err
    assert T1 in await traces_in(store, "spans")


async def test_a_trace_of_an_older_sdk_has_any_text_for_its_id(
    store: Store, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    insert(server, [Span("My trace/1", "a" * 16, MONDAY, project="p")])
    assert await asyncio.to_thread(run, server, "trace", "My trace/1", "--project", "p", "-y") == 0
    assert "spans: 1 row, now 0" in capsys.readouterr().out


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


async def test_l13_a_server_that_goes_during_it_is_said_to_be_no_harm(
    store: Store, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = Store.command

    async def gone(self: Store, sql: str, *rest: Any, **named: Any) -> Any:
        if sql.startswith("ALTER TABLE spans"):
            raise StoreUnavailable("ClickHouse is away")
        return await command(self, sql, *rest, **named)

    monkeypatch.setattr(Store, "command", gone)
    assert await asyncio.to_thread(run, server, "trace", T1, "--project", "p", "-y") == 1
    assert capsys.readouterr().err == (
        "litefuse: ClickHouse is away\n"
        "litefuse: it may be deleted in part: the same command can be run again, and does the rest\n"
    )
    monkeypatch.undo()
    assert await asyncio.to_thread(run, server, "trace", T1, "--project", "p", "-y") == 0
    assert await traces_in(store, "spans") == await traces_in(store, "trace_parts") == {T2, T3}


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
