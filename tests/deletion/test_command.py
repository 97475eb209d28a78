"""`litefuse delete`: what it asks, waits for, prints and refuses."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from litefuse import deletion
from litefuse.cli import delete, main
from litefuse.clickhouse.client import Store
from litefuse.errors import StoreUnavailable
from litefuse.keys import KeyStore
from tests.deletion.support import T1, T2, T3, traces_in
from tests.embedded.server import Server
from tests.web.queries.support import MONDAY, Span, insert


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
    page = (Path(__file__).resolve().parents[2] / "docs" / "delete.md").read_text()
    for word in ("trace", "user", "project"):
        assert f"litefuse delete {word} " in page
    assert delete.__doc__ is not None
    assert "docs/delete.md" in delete.__doc__
