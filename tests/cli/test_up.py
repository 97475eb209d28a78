"""`litefuse up` as a person meets it: start, what it prints, a second one, what is missing, stop, start again."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from litefuse.cli import project_file
from litefuse.settings import Secret
from tests.corpus_files import CORPUS
from tests.processes import Litefuse, litefuse, project_env, run
from tests.waiting import eventually

MIB = 1 << 20


def memory(process: Litefuse) -> int:
    """Resident bytes."""
    assert process.process is not None
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


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
