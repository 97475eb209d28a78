"""`litefuse sql` beside a `litefuse up`: forms, errors, the prompt, Ctrl-C, pipes and terminals."""

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
from pathlib import Path

from tests.processes import REPO, Litefuse, run
from tests.waiting import eventually


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

    def interrupt_until(self, wanted: bytes) -> bytes:
        """As a person who presses Ctrl-C again when nothing happens: of a signal that comes just after the prompt, before
        readline waits for keys, Python hears at the next key alone."""
        self.interrupt()
        for _ in range(20):
            if wanted in self.seen or select.select([self.ours], [], [], 1.0)[0]:
                break
            self.interrupt()
        return self.until(wanted)

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
        terminal.interrupt_until(b"litefuse> ")
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
