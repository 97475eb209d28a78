"""What is typed: commands, help, errors and exit codes."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from litefuse import __version__
from litefuse.cli.commands import TABLE, Command
from litefuse.cli.main import overview, parser, run
from litefuse.settings_load import ROWS


def complaint(capsys: pytest.CaptureFixture[str], *argv: str, **env: str) -> str:
    assert run(argv, env) == 2
    out = capsys.readouterr()
    assert out.out == ""
    return out.err


def test_overview_names_every_command() -> None:
    for command in TABLE:
        assert f"  {command.name} " in overview()


def test_version_is_the_package_s() -> None:
    from importlib.metadata import version

    assert version("litefuse") == __version__


@pytest.mark.parametrize("command", TABLE, ids=lambda command: command.name)
def test_help_documents_every_setting_with_default_unit_and_variable(command: Command) -> None:
    text = " ".join(parser(command).format_help().split())
    for row in command.settings():
        assert row.flag in text
        assert row.env in text
        assert not row.default_text or re.search(rf'default "?{re.escape(row.default_text)}"? · {row.env}', text)
        assert row.unit in text
    assert "LITEFUSE_CONFIG" in text


def test_help_of_up_has_every_setting_that_is_not_a_tool_s() -> None:
    text = parser(next(c for c in TABLE if c.name == "up")).format_help()
    for row in ROWS:
        assert (row.flag in text) == (row.roles != ("send",)), row.name


def test_help_of_a_tool_leaves_out_what_has_no_effect_on_it() -> None:
    def flags(name: str) -> set[str]:
        return {row.name for row in next(c for c in TABLE if c.name == name).settings()}

    assert flags("keys") == {"data_dir", "clickhouse_url", "log_level", "log_format"}
    assert "log_url" not in flags("sql") | flags("clickhouse") | flags("migrate")
    assert "clickhouse_url" not in flags("dead")
    assert "kafka_group" in flags("status")
    assert "kafka_linger_ms" not in flags("status")


def test_no_command_prints_the_overview_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([], {}) == 2
    assert capsys.readouterr().out.startswith("usage: litefuse COMMAND")


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"], {}) == 0
    assert run(["--version"], {}) == 0
    assert capsys.readouterr().out.endswith(f"litefuse {__version__}\n")


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert "sned: no such command; did you mean send? `litefuse --help` lists them" in complaint(capsys, "sned")
    assert complaint(capsys, "nope") == "litefuse: nope: no such command; `litefuse --help` lists them\n"


def test_flag_before_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--port: a command comes first, as in `litefuse up --port …`" in complaint(capsys, "--port=3", "up")


def test_unknown_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--prot: no such flag; did you mean --port?" in complaint(capsys, "up", "--prot", "1")
    assert "--otlp-port: not a setting of `litefuse worker`, but of up, ingest" in complaint(
        capsys, "worker", "--otlp-port", "1"
    )


def test_an_unknown_flag_does_not_print_what_follows(capsys: pytest.CaptureFixture[str]) -> None:
    assert "hunter2" not in complaint(capsys, "up", "--init-project-secret", "hunter2")
    assert "hunter2" not in complaint(capsys, "up", "--init-project-secret=hunter2")
    assert "hunter2" not in complaint(capsys, "send", "x.bin", "--secret", "hunter2")


def test_flags_are_not_abbreviated(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--hos: no such flag; did you mean --host?" in complaint(capsys, "up", "--hos", "::1")


def test_wrong_value_by_flag_variable_and_action(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--port x: must be a whole number" in complaint(capsys, "up", "--port", "x")
    assert "LITEFUSE_PORT=x: must be a whole number" in complaint(capsys, "up", LITEFUSE_PORT="x")
    assert "LITEFUSE_PORTS=1: no such setting; did you mean LITEFUSE_PORT?" in complaint(
        capsys, "up", LITEFUSE_PORTS="1"
    )
    assert "invalid choice: 'lst'" in complaint(capsys, "dead", "lst")
    assert "required" in complaint(capsys, "dead")


def test_a_wrong_address_by_flag_names_the_flag_and_shows_what_is_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    said = complaint(capsys, "sql", "--clickhouse-url", "ftp://u:hunter2@db.example:8123/x")
    assert "--clickhouse-url ftp://***@db.example:8123/x: must begin with http:// or https://" in said
    assert "hunter2" not in said
    said = complaint(capsys, "sql", "--clickhouse-url", "localhost:8123")
    assert "--clickhouse-url localhost:8123: must begin with http://" in said
    assert "hunter2" not in complaint(capsys, "sql", "--clickhouse-url", "hunter2")
    assert "LITEFUSE_LOG_URL=redis://h: must begin" in complaint(capsys, "up", LITEFUSE_LOG_URL="redis://h")
    assert "--public-key a:b: must be ASCII" in complaint(capsys, "send", "x.bin", "--public-key", "a:b")
    said = complaint(capsys, "send", "x.bin", "--secret-key", "hunter2 x")
    assert "--secret-key ***: must be ASCII" in said
    assert "hunter2" not in said


def test_hostile_text_in_arguments_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in complaint(capsys, "up", "--port", "\x1b[2J")


def test_settings_may_stand_before_and_after_an_action() -> None:
    dead = parser(next(c for c in TABLE if c.name == "dead"))
    for argv in (["--data-dir", "x", "list"], ["list", "--data-dir", "x"]):
        assert vars(dead.parse_args(argv))["setting:data_dir"] == "x"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from litefuse.cli.main import run\n"
        "run(['up', '--help'], {}) if False else run(['--help'], {})\n"
        "bad = {'aiohttp', 'numpy', 'pyarrow', 'pandas', 'chdb', 'clickhouse_connect', 'aiokafka'} & set(sys.modules)\n"
        "sys.exit(' '.join(bad) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
