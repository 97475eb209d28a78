"""Commands beside a `litefuse up`: send, status, keys, migrate, dead letters."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

import pytest

from litefuse.otlp.json import to_protobuf
from tests import reference
from tests.corpus_files import CORPUS, captured
from tests.processes import Litefuse, litefuse, run
from tests.sql import Sql
from tests.waiting import eventually


def spans_in(*clients: str) -> int:
    """Different spans that these clients of the corpus sent."""
    found = set()
    for request in captured():
        if request.name.partition("/")[0] in clients:
            body = to_protobuf(request.plain).body if request.is_json else request.plain
            found |= {(row["trace_id"], row["span_id"]) for row in reference.rows(body)}
    return len(found)


def test_send_sql_status_and_page(up: Litefuse) -> None:
    sent = run("send", str(CORPUS / "plain_otel"), str(CORPUS / "langfuse_v3"), data_dir=up.data_dir)
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert re.match(
        r"2,?0\d\d spans in 12 requests sent \(\d+ KiB\), 0 spans rejected, 0 requests refused, \d+ other calls skipped",
        sent.stdout,
    )

    def stored() -> int:
        return int(run("sql", "--format", "TSV", "SELECT count() FROM spans", data_dir=up.data_dir).stdout)

    eventually(lambda: stored() == spans_in("plain_otel", "langfuse_v3"), 60, every=0.5)
    status = run("status", data_dir=up.data_dir)
    assert status.returncode == 0, status.stdout + status.stderr
    assert re.search(
        r"^rows stored +2,0\d\d, .* \(copies of re-sent spans included until merged\)$", status.stdout, re.M
    )
    assert re.search(r"^dead letters +0$", status.stdout, re.M)
    assert re.search(r"^projects, valid keys +\d+, \d+$", status.stdout, re.M)
    eventually(lambda: re.search(r"^waiting records +0$", run("status", data_dir=up.data_dir).stdout, re.M), 30)

    def shown() -> str:
        with urllib.request.urlopen(f"{up.url}/", timeout=10) as answer:
            return str(answer.read().decode())

    eventually(lambda: "<dd>2,0" in shown(), 30)


def test_status_says_what_clickhouse_answered_instead_of_not_reached(tmp_path: Path) -> None:
    with litefuse("clickhouse", data_dir=tmp_path / "data") as engine:
        url = Sql(engine, "litefuse").url()
        Sql(engine, "litefuse").command("DROP TABLE spans SYNC")
        beside = run("status", "--clickhouse-url", url, data_dir=tmp_path / "data")
        assert beside.returncode == 1
        assert re.search(r"^ClickHouse +table spans is missing; `\S*.* migrate` makes them$", beside.stdout, re.M)
        assert "rows stored" not in beside.stdout
        wrong = run("status", "--clickhouse-url", re.sub("//[^@]*@", "//litefuse:no@", url), data_dir=tmp_path / "data")
        assert re.search(r"^ClickHouse +answers with an error: .*516", wrong.stdout, re.M)


def test_a_key_may_do_what_its_scope_says(up: Litefuse) -> None:
    pairs = {}
    for scope in ("ingest", "read"):
        made = run("keys", "create", "--project", "scoped", "--scope", scope, data_dir=up.data_dir)
        pairs[scope] = [line.partition("=")[2] for line in made.stdout.splitlines()]
    listed = run("keys", "list", data_dir=up.data_dir).stdout
    for scope, (public, secret) in pairs.items():
        assert re.search(rf"^{public} +scoped +\S+ +{scope} +\S+ \S+ +valid$", listed, re.M)
        arguments = ("send", str(CORPUS / "dspy_oi"), "--public-key", public, "--secret-key", secret)
        sent = run(*arguments, data_dir=up.data_dir)
        assert (sent.returncode == 0) == (scope == "ingest"), sent.stderr
    assert "reading only" in sent.stderr
    wrong = run("keys", "create", "--project", "scoped", "--scope", "write", data_dir=up.data_dir)
    assert wrong.returncode == 2
    assert "ingest" in wrong.stderr


def test_keys_made_while_it_runs_work_and_revoked_ones_do_not(up: Litefuse) -> None:
    made = run("keys", "create", "--project", "second", "--note", "for a test", data_dir=up.data_dir)
    assert made.returncode == 0, made.stderr
    assert re.fullmatch(r"LITEFUSE_PUBLIC_KEY=pk-lf-\S+\nLITEFUSE_SECRET_KEY=sk-lf-\S+\n", made.stdout)
    public, secret = (line.partition("=")[2] for line in made.stdout.splitlines())
    listed = run("keys", "list", data_dir=up.data_dir).stdout
    assert re.search(rf"^{public} +second .* valid +for a test$", listed, re.M)
    assert secret not in listed
    arguments = ("send", str(CORPUS / "dspy_oi"), "--public-key", public, "--secret-key", secret)
    assert run(*arguments, data_dir=up.data_dir).returncode == 0
    assert run("keys", "revoke", public, data_dir=up.data_dir).returncode == 0
    eventually(lambda: run(*arguments, data_dir=up.data_dir).returncode == 1, 15, every=0.5)
    assert re.search(rf"^{public} .* revoked ", run("keys", "list", data_dir=up.data_dir).stdout, re.M)
    assert re.search(rf"^{public} +second +\S+ +all ", listed, re.M)
    gone = run("keys", "revoke", public, data_dir=up.data_dir)
    assert gone.returncode == 1
    assert public in gone.stderr


def test_a_project_that_a_key_makes_is_said_to_be_new(up: Litefuse) -> None:
    first = run("keys", "create", "--project", "dfault", data_dir=up.data_dir)
    assert (said := re.fullmatch(r"new (project dfault \(\S+\)\n)", first.stderr))
    again = run("keys", "create", "--project", "dfault", data_dir=up.data_dir)
    assert again.stderr == said[1]
    known = run("keys", "create", "--project", "default", data_dir=up.data_dir)
    assert re.fullmatch(r"project default \(\S+\)\n", known.stderr)


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
def test_migrate_beside_it_has_nothing_to_do_and_says_so(flags: tuple[str, ...], up: Litefuse) -> None:
    done = run("migrate", *flags, data_dir=up.data_dir)
    assert done.returncode == 0
    assert re.fullmatch(r"schema is up to date \(version \d+\)\n", done.stdout)


def test_a_dry_run_on_a_fresh_directory_makes_nothing(tmp_path: Path) -> None:
    done = run("migrate", "--dry-run", data_dir=tmp_path / "fresh")
    assert done.returncode == 0
    assert "CREATE TABLE IF NOT EXISTS spans" in done.stdout
    assert "up to date" not in done.stdout
    assert not (tmp_path / "fresh").exists()


def test_retention_of_a_project_is_set_with_a_key(up: Litefuse) -> None:
    def days() -> str:
        query = "SELECT retention_days FROM projects FINAL WHERE name = 'kept'"
        return run("sql", "--format", "TSV", query, data_dir=up.data_dir).stdout

    create = ("keys", "create", "--project", "kept")
    assert run(*create, "--retention-days", "30", data_dir=up.data_dir).returncode == 0
    assert days() == "30\n"
    assert run(*create, data_dir=up.data_dir).returncode == 0
    assert days() == "30\n"
    assert run(*create, "--retention-days", "7", data_dir=up.data_dir).returncode == 0
    assert days() == "7\n"
    wrong = run(*create, "--retention-days", "-1", data_dir=up.data_dir)
    assert wrong.returncode == 2
    assert "--retention-days" in wrong.stderr


def test_a_dead_letter_is_listed_shown_and_replayed(up: Litefuse) -> None:
    import asyncio

    from litefuse.log import open_log
    from litefuse.log.base import TRACES
    from litefuse.settings import Settings

    async def garbage() -> None:
        log = open_log(Settings(data_dir=up.data_dir), guest=True)
        await log.start()
        await log.publish(TRACES, b"\xff\xff\xff", [("project_id", b"p"), ("content_type", b"application/x-protobuf")])
        await log.close()

    asyncio.run(garbage())

    def lines() -> list[str]:
        return run("dead", "list", data_dir=up.data_dir).stdout.splitlines()

    eventually(lambda: len(lines()) == 1, 30, every=0.5)
    (line,) = lines()
    id, _, project, reason, place = line.split()
    assert (project, reason) == ("p", "undecodable")
    assert place.startswith("litefuse.traces/0@")
    assert "ff ff ff" in run("dead", "show", id, data_dir=up.data_dir).stdout
    assert run("dead", "replay", id, data_dir=up.data_dir).stdout == f"{id}\n"
    eventually(
        lambda: [x.split()[0] for x in lines()] not in ([], [id]), 30, every=0.5
    )  # refused again, as a new letter
    (again,) = lines()
    assert run("dead", "discard", again.split()[0], data_dir=up.data_dir).returncode == 0
    assert lines() == []
