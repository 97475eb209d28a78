"""`litefuse up` as a person meets it: start, keys, commands beside it, a second one, stop, start again."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from litefuse.cli import project_file
from litefuse.otlp.json import to_protobuf
from litefuse.settings import Secret
from tests import reference
from tests.corpus_files import CORPUS, captured
from tests.processes import REPO, Litefuse, litefuse, project_env, run
from tests.sql import Sql
from tests.waiting import eventually

MIB = 1 << 20


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Litefuse]:
    with litefuse("up", data_dir=tmp_path_factory.mktemp("up") / "data") as process:
        yield process


def memory(process: Litefuse) -> int:
    """Resident bytes."""
    assert process.process is not None
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def spans_in(*clients: str) -> int:
    """Different spans that these clients of the corpus sent."""
    found = set()
    for request in captured():
        if request.name.partition("/")[0] in clients:
            body = to_protobuf(request.plain).body if request.is_json else request.plain
            found |= {(row["trace_id"], row["span_id"]) for row in reference.rows(body)}
    return len(found)


def test_prints_where_it_is_what_to_tell_an_exporter_and_then_ready(up: Litefuse) -> None:
    text = "\n".join(up.lines)
    env = project_env(up.data_dir)
    assert up.lines[-1] == f"ready {up.url}"
    assert text.count("ready ") == 1
    assert f"UI          {up.url}" in text
    assert (
        f"http://127.0.0.1:{up.clickhouse_port}, user reader, password in {up.data_dir}/clickhouse.reader.password"
        in text
    )
    assert "ClickHouse answers" not in up.errors.read_text()
    assert env["LITEFUSE_PUBLIC_KEY"] in text
    assert env["LITEFUSE_SECRET_KEY"] in text
    assert f'export OTEL_EXPORTER_OTLP_ENDPOINT="{up.url}/api/public/otel"' in text
    assert f'export OTEL_EXPORTER_OTLP_HEADERS="{env["OTEL_EXPORTER_OTLP_HEADERS"]}"' in text


def test_secrets_are_for_the_owner_alone(up: Litefuse) -> None:
    for name in ("project.env", "clickhouse.url", "clickhouse.password", "clickhouse.reader.password"):
        assert (up.data_dir / name).stat().st_mode & 0o777 == 0o600, name
    secret = project_env(up.data_dir)["LITEFUSE_SECRET_KEY"]
    assert secret not in up.errors.read_text()
    for route in ("/", "/metrics", "/api/public/ready"):
        with urllib.request.urlopen(up.url + route, timeout=10) as answer:
            assert secret not in answer.read().decode()


def test_a_shell_can_read_the_file_of_keys(up: Litefuse) -> None:
    done = subprocess.run(
        ["sh", "-c", f"set -a; . '{up.data_dir}/project.env'; set +a; env"], capture_output=True, text=True, check=True
    )
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert found["OTEL_EXPORTER_OTLP_HEADERS"].startswith("Authorization=Basic ")
    assert found["LITEFUSE_ENDPOINT"] == up.url


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


def test_sql_forms(up: Litefuse) -> None:
    table = run("sql", "SELECT 1 AS one, 'x' AS text", data_dir=up.data_dir)
    assert "┌─one─┬─text─┐" in table.stdout
    piped = run("sql", "--format", "JSONEachRow", data_dir=up.data_dir, stdin="SELECT 1 AS one")
    assert json.loads(piped.stdout) == {"one": 1}
    own = run("sql", "SELECT 1 AS one FORMAT CSVWithNames", data_dir=up.data_dir)
    assert own.stdout == '"one"\n1\n'


def test_sql_says_what_is_wrong(up: Litefuse) -> None:
    for query, said in (
        ("SELECT nope FROM spans", "nope"),
        ("SELEC 1", "Syntax error"),
        ("DROP TABLE spans", ""),
        ("SELECT 1; SELECT 2", ""),
    ):
        done = run("sql", query, data_dir=up.data_dir)
        assert done.returncode == 1, query
        assert done.stdout == ""
        assert said in done.stderr
        assert "Stack trace" not in done.stderr
    empty = run("sql", data_dir=up.data_dir, stdin=" \n")
    assert (empty.returncode, empty.stderr) == (1, "litefuse: no query: give one as an argument or through a pipe\n")


def test_sql_into_a_pipe_that_closes(up: Litefuse) -> None:
    line = f"{sys.executable} -m litefuse sql --data-dir '{up.data_dir}' 'SELECT number FROM numbers(3000000)' --format TSV"
    done = subprocess.run(["sh", "-c", f"{line} | head -1"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("0\n", "")


class Terminal:
    """A command at a pseudo-terminal, as its session's leader: Ctrl-C reaches it."""

    def __init__(self, *arguments: str) -> None:
        self.ours, theirs = pty.openpty()
        self.seen = b""
        command = [sys.executable, "-m", "litefuse", *arguments]
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.ours)

    def type(self, text: bytes) -> None:
        os.write(self.ours, text)

    def interrupt(self) -> None:
        """As the terminal's driver does it for Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def until(self, wanted: bytes) -> bytes:
        """What came before it."""
        deadline = time.monotonic() + 60
        while wanted not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.ours], [], [], 0.2)[0]:
                self.seen += os.read(self.ours, 1 << 16)
        before, _, self.seen = self.seen.partition(wanted)
        return before

    def rest(self) -> bytes:
        """What comes until it has ended; its exit code is in `process`."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if select.select([self.ours], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.ours, 1 << 16)
                except OSError:  # nobody has the other end open any more
                    break
        self.process.wait(30)
        return self.seen


def test_sql_prompt(up: Litefuse) -> None:
    """A person at a terminal: statements one by one, an error between them, nothing that acts on the terminal."""
    with Terminal("sql", "--data-dir", str(up.data_dir), "--format", "TSV") as terminal:
        assert b"A statement ends with `;`" in terminal.until(b"litefuse> ")
        terminal.type(b"SELECT 40 + 2\n")
        terminal.until(b"... ")
        terminal.type(b"AS answer, char(27);\n")
        assert b"42\t\\x1b" in terminal.until(b"litefuse> ")
        terminal.type(b"SELECT nope;\n")
        assert b"nope" in terminal.until(b"litefuse> ")
        terminal.type(b"exit\n")
        assert terminal.process.wait(30) == 0


def test_ctrl_c_at_the_prompt_clears_the_line_and_ends_the_query(up: Litefuse) -> None:
    with Terminal("sql", "--data-dir", str(up.data_dir), "--format", "TSV") as terminal:
        terminal.until(b"litefuse> ")
        terminal.type(b"SELECT 'not this'\n")
        terminal.until(b"... ")
        terminal.interrupt()
        terminal.until(b"litefuse> ")
        terminal.type(b"SELECT sum(number * number) FROM numbers(1000000000000);\n")
        eventually(lambda: running_queries(up), 30, every=0.2)
        terminal.interrupt()
        terminal.until(b"cancelled")
        terminal.until(b"litefuse> ")
        eventually(lambda: not running_queries(up), 30, every=0.2)
        terminal.type(b"SELECT 40 + 2;\n")
        assert b"42" in terminal.until(b"litefuse> ")
        terminal.type(b"\\q\n")
        assert terminal.process.wait(30) == 0


def running_queries(up: Litefuse) -> bool:
    query = (
        "SELECT count() FROM system.processes WHERE query LIKE '%sum(number * number)%' AND query NOT LIKE '%system%'"
    )
    return run("sql", "--format", "TSV", query, data_dir=up.data_dir).stdout != "0\n"


def test_ctrl_c_ends_a_query_with_130_and_without_a_traceback(up: Litefuse) -> None:
    query = "SELECT sum(number * number) FROM numbers(1000000000000)"
    with Terminal("sql", "--data-dir", str(up.data_dir), query) as terminal:
        eventually(lambda: running_queries(up), 30, every=0.2)
        terminal.interrupt()
        assert b"Traceback" not in terminal.rest()
        assert terminal.process.returncode == 130
    eventually(lambda: not running_queries(up), 30, every=0.2)


def test_a_table_is_complete_in_a_pipe_and_says_what_it_leaves_out_on_a_terminal(up: Litefuse) -> None:
    query = "SELECT number AS n FROM numbers(2500)"
    piped = run("sql", query, data_dir=up.data_dir)
    assert len(re.findall(r"│ +\d+ │", piped.stdout)) == 2500
    assert piped.stderr == ""
    with Terminal("sql", "--data-dir", str(up.data_dir), query) as terminal:
        text = terminal.rest().decode()
    assert "showing 1000 of 2500 rows: --format NAME, or LIMIT" in text
    assert len(re.findall(r"│ +\d+ │", text)) == 1000


def test_an_empty_result_says_so_and_a_dash_is_standard_input(up: Litefuse) -> None:
    done = run("sql", "-", data_dir=up.data_dir, stdin="SELECT 1 WHERE 0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "0 rows\n")


def test_a_syntax_error_on_a_terminal_is_without_the_list_of_all_words(up: Litefuse) -> None:
    with Terminal("sql", "--data-dir", str(up.data_dir), "SELEC 1") as terminal:
        text = terminal.rest().decode()
    assert "Syntax error: failed at position 1" in text
    assert "Maybe you meant" in text
    assert "Expected one of" not in text


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


def test_no_database_names_the_whole_path(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "litefuse", "sql", "SELECT 1"],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if not k.startswith("LITEFUSE_")} | {"PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"no ClickHouse: {tmp_path}/.litefuse has no database" in done.stderr


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


@pytest.mark.parametrize("command", ["up", "clickhouse"])
def test_a_second_one_on_the_same_directory_is_refused(command: str, up: Litefuse) -> None:
    done = run(command, "--port", "0", "--clickhouse-port", "0", data_dir=up.data_dir)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("litefuse: ")
    assert up.process is not None
    places = f"(page at {up.url}, ClickHouse at http://127.0.0.1:{up.clickhouse_port})"
    assert f"{up.data_dir} is in use by process {up.process.pid} {places}. " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["port", "otlp-port", "clickhouse-port"])
def test_a_port_that_is_taken_is_said_with_its_flag_and_nothing_is_made(
    name: str, up: Litefuse, tmp_path: Path
) -> None:
    flags = {"port": 0, "otlp-port": 0, "clickhouse-port": 0, name: up.port}
    words = [word for flag, port in flags.items() for word in (f"--{flag}", str(port))]
    done = run("up", *words, data_dir=tmp_path / "x")
    assert done.returncode == 2
    variable = "LITEFUSE_" + name.upper().replace("-", "_")
    assert f"--{name} {up.port} ({variable}): in use on 127.0.0.1; choose another: " in done.stderr
    assert f'make up ARGS="--{name} {up.port + 1}"' in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()


def test_keys_are_written_without_an_endpoint_while_it_is_not_known(tmp_path: Path) -> None:
    project_file.write(tmp_path, project_file.Project("", "pk-lf-a", Secret("sk-lf-a")))
    assert set(project_file.read(tmp_path)) == {"LITEFUSE_PUBLIC_KEY", "LITEFUSE_SECRET_KEY"}


@pytest.mark.parametrize("missing", ["chdb", "clickhouse_cityhash", "lz4"])
@pytest.mark.parametrize("command", ["up", "clickhouse", "migrate"])
def test_without_the_engine_s_packages_it_says_how_to_get_them(command: str, missing: str, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from litefuse.cli.main import main\n"
        f"main([{command!r}, '--data-dir', {str(tmp_path / 'data')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert f"not installed ({missing} missing): pip install 'litefuse[embedded]'" in done.stderr
    assert "pip install -e '.[embedded]'" in done.stderr
    assert "LITEFUSE_CLICKHOUSE_URL" in done.stderr
    assert not (tmp_path / "data").exists()


def test_pandas_is_not_loaded_and_idle_memory_is_bounded(up: Litefuse) -> None:
    assert up.process is not None
    assert "pandas" not in Path(f"/proc/{up.process.pid}/maps").read_text()
    assert memory(up) < 600 * MIB


def test_stop_and_start_again_keeps_everything_and_prints_no_secret(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    process = Litefuse(("up",), data_dir, {"LITEFUSE_OTLP_PORT": "0"})
    try:
        process.start()
        env = project_env(data_dir)
        assert run("send", str(CORPUS / "dspy_oi"), data_dir=data_dir).returncode == 0
        assert process.stop() == 0
        # With nothing running, a command opens the engine itself; what was acknowledged may still be in the log.
        assert run("sql", "--format", "TSV", "SELECT count() <= 9 FROM spans", data_dir=data_dir).stdout == "1\n"
        assert "default" in run("keys", "list", data_dir=data_dir).stdout
        assert run("dead", "list", data_dir=data_dir).returncode == 0
        process.start()
        text = "\n".join(process.lines)
        assert project_env(data_dir) == env
        assert env["LITEFUSE_SECRET_KEY"] not in text
        assert "Basic" not in text
        assert f"set -a; . {data_dir}/project.env; set +a" in text
        count = ("sql", "--format", "TSV", "SELECT count() FROM spans")
        eventually(lambda: run(*count, data_dir=data_dir).stdout == "9\n", 60, every=0.5)
        assert process.process is not None
        process.process.send_signal(signal.SIGINT)
        assert process.process.wait(40) == 0
    finally:
        process.kill()


def test_l5_a_start_after_the_first_project_was_deleted_says_so_and_how_to_make_a_key(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    process = Litefuse(("up",), data_dir, {"LITEFUSE_OTLP_PORT": "0"})
    try:
        process.start()
        public = project_env(data_dir)["LITEFUSE_PUBLIC_KEY"]
        assert process.stop() == 0
        deleted = run("delete", "project", "default", "--yes", data_dir=data_dir)
        assert deleted.returncode == 0, deleted.stderr
        assert "waiting" not in deleted.stderr  # nothing runs that could accept the key
        process.start()
        text = "\n".join(process.lines)
        assert f"keys        project default was deleted, and its key {public} is refused\n" in text
        assert "keys create --project NAME` makes a key\n" in text
        assert "public key" not in text
        assert "Tell any OpenTelemetry exporter" not in text
        assert process.stop() == 0
    finally:
        process.kill()


def test_the_first_project_as_the_settings_say(tmp_path: Path) -> None:
    keys = {
        "LITEFUSE_INIT_PROJECT_ID": "shop",
        "LITEFUSE_INIT_PROJECT_NAME": "The shop",
        "LITEFUSE_INIT_PROJECT_PUBLIC_KEY": "pk-lf-shop",
        "LITEFUSE_INIT_PROJECT_SECRET_KEY": "sk-lf-shop",
    }
    data_dir = tmp_path / "data"
    with litefuse("up", data_dir=data_dir, **keys):
        assert project_env(data_dir)["LITEFUSE_SECRET_KEY"] == "sk-lf-shop"
        assert run("send", str(CORPUS / "dspy_oi"), data_dir=data_dir).returncode == 0
        listed = run("keys", "list", data_dir=data_dir).stdout
        assert re.search(r"^pk-lf-shop +The shop +shop ", listed, re.M)


def test_a_signal_while_it_starts_ends_it_well(tmp_path: Path) -> None:
    process = Litefuse(("up",), tmp_path / "data")
    try:
        process.spawn()
        eventually(
            lambda: (tmp_path / "data" / "clickhouse").exists() or process.exit_code() is not None, 30, every=0.01
        )
        assert process.stop() == 0
        assert process.start().stop() == 0
    finally:
        process.kill()
