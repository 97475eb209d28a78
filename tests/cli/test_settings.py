"""The loader: every setting, its precedence, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from litefuse.errors import ConfigError
from litefuse.settings import Secret, Settings
from litefuse.settings_load import BY_NAME, ROWS, load, redact

SAMPLE = {int: "4096", float: "0.75", str: "abc", Secret: "s3cret", Path: "/some/where"}


def problem(**arguments: object) -> str:
    with pytest.raises(ConfigError) as raised:
        load(**arguments)  # type: ignore[arg-type]
    return str(raised.value)


def test_nothing_given_is_the_defaults() -> None:
    assert load() == Settings()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_setting_can_be_given_by_flag_environment_and_file(row: object, tmp_path: Path) -> None:
    row = BY_NAME[row.name]  # type: ignore[attr-defined]
    text = row.choices[-1] if row.choices else SAMPLE[row.kind]
    if row.kind in (int, float):
        number = next(n for n in (1 << 24, 8388608, 4096, 30, 7, 1) if (row.low or 0) <= n <= (row.high or n))
        text = str(number)
    if row.name.endswith("_url") or row.name == "endpoint":
        text = {"log_url": "kafka://broker:9092"}.get(row.name, "http://clickhouse:8123/x")
    paired: dict[str, str] = {}
    if row.name in ("init_project_public_key", "init_project_secret_key"):
        paired = dict.fromkeys(("init_project_public_key", "init_project_secret_key"), "lf-abc")
        text = "lf-abc"
    file = tmp_path / "litefuse.toml"
    bare = text if row.kind in (int, float) else f'"{text}"'
    others = "".join(f'{name} = "{value}"\n' for name, value in paired.items() if name != row.name)
    file.write_text(f"{row.name} = {bare}\n{others}")
    env = {BY_NAME[name].env: value for name, value in paired.items()} | {row.env: text}
    by_flag = load(flags=paired | {row.name: text})
    by_env = load(env=env)
    by_file = load(file=file)
    value = getattr(by_flag, row.name)
    assert type(value) is row.kind if row.kind is not Path else isinstance(value, Path)
    assert by_flag == by_env == by_file
    assert (value.reveal() if isinstance(value, Secret) else str(value)) in (text, f"{text}.0")


def test_flags_win_over_environment_over_file_over_default(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("port = 1\nhost = '1.1.1.1'\nretention_days = 1\n")
    settings = load(
        flags={"port": "3"}, env={"LITEFUSE_PORT": "2", "LITEFUSE_HOST": "2.2.2.2", "LITEFUSE_CONFIG": str(file)}
    )
    assert (settings.port, settings.host, settings.retention_days, settings.otlp_port) == (3, "2.2.2.2", 1, 4318)


def test_an_empty_value_counts_as_not_set(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('log_url = ""\n')
    assert load(env={"LITEFUSE_PORT": "", "LITEFUSE_LOG_URL": ""}, flags={"host": ""}, file=file) == Settings()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"LITEFUSE_PROT": "3"}, "LITEFUSE_PROT=3: no such setting; did you mean LITEFUSE_PORT?"),
        ({"LITEFUSE_XYZZY": "3"}, "LITEFUSE_XYZZY=3: no such setting"),
        ({"LITEFUSE_PORT": "abc"}, "LITEFUSE_PORT=abc: must be a whole number"),
        ({"LITEFUSE_PORT": "1.5"}, "LITEFUSE_PORT=1.5: must be a whole number"),
        ({"LITEFUSE_PORT": "１"}, "LITEFUSE_PORT=１: must be a whole number"),
        ({"LITEFUSE_PORT": "65536"}, "LITEFUSE_PORT=65536: must be between 0 and 65535"),
        ({"LITEFUSE_MAX_BODY_BYTES": "1"}, "LITEFUSE_MAX_BODY_BYTES=1: must be at least 1024 bytes"),
        ({"LITEFUSE_BODY_TIMEOUT_S": "inf"}, "LITEFUSE_BODY_TIMEOUT_S=inf: must be a finite number"),
        ({"LITEFUSE_BODY_TIMEOUT_S": "nan"}, "LITEFUSE_BODY_TIMEOUT_S=nan: must be a finite number"),
        ({"LITEFUSE_BODY_TIMEOUT_S": "soon"}, "LITEFUSE_BODY_TIMEOUT_S=soon: must be a number"),
        (
            {"LITEFUSE_LOG_LEVEL": "loud"},
            "LITEFUSE_LOG_LEVEL=loud: must be one of debug, info, warning, error",
        ),
        ({"LITEFUSE_HOST": "a\x1b[31m"}, "LITEFUSE_HOST=a\\x1b[31m: must not have control characters"),
        ({"LITEFUSE_PORT": "4318"}, "--otlp-port 4318: is --port already; choose another, or 0 to turn it off"),
        (
            {"LITEFUSE_LOG_URL": "mysql://h"},
            "LITEFUSE_LOG_URL=mysql://h: must begin with sqlite:// or kafka:// or kafka+ssl://",
        ),
        (
            {"LITEFUSE_LOG_URL": "kafka://a:9092,b:x"},
            "LITEFUSE_LOG_URL=kafka://a:9092,b:x: b:x is not host or host:port",
        ),
        (
            {"LITEFUSE_LOG_URL": "sqlite://here.db"},
            "LITEFUSE_LOG_URL=sqlite://here.db: must be sqlite:///PATH (four slashes for an absolute path)",
        ),
        ({"LITEFUSE_CLICKHOUSE_URL": "http://a,b"}, "LITEFUSE_CLICKHOUSE_URL=http://a,b: takes one host"),
        (
            {"LITEFUSE_INIT_PROJECT_PUBLIC_KEY": "pk-lf-a"},
            "LITEFUSE_INIT_PROJECT_SECRET_KEY: has to be given too, or neither of the two keys",
        ),
        (
            {"LITEFUSE_INIT_PROJECT_PUBLIC_KEY": "pk:a", "LITEFUSE_INIT_PROJECT_SECRET_KEY": "s"},
            "LITEFUSE_INIT_PROJECT_PUBLIC_KEY=pk:a: must be ASCII without spaces and colons (HTTP Basic)",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_value_and_reason(env: dict[str, str], said: str) -> None:
    assert problem(env=env) == said


def test_all_that_is_wrong_is_said_at_once() -> None:
    text = problem(env={"LITEFUSE_PORT": "x", "LITEFUSE_XYZZY": "1"}, flags={"otlp_port": "-1"})
    assert text.split("\n") == [
        "LITEFUSE_PORT=x: must be a whole number",
        "LITEFUSE_XYZZY=1: no such setting",
        "--otlp-port -1: must be between 0 and 65535",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("prt = 3", "prt = 3: no such setting; did you mean port?"),
        ("port = true", "port = True: must be a whole number"),
        ("port = [1]", "port = [1]: must be a whole number"),
        ("port = 1.5", "port = 1.5: must be a whole number"),
        ("[up]\nport = 1", "up = {'port': 1}: no such setting"),
        ("port =", "not a TOML file: "),
    ],
)
def test_a_wrong_file_is_named_with_key_and_reason(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(content)
    assert said in problem(file=file)
    assert str(file) in problem(file=file)


def test_a_missing_file_is_said() -> None:
    assert problem(env={"LITEFUSE_CONFIG": "/no/such.toml"}) == "--config /no/such.toml: No such file or directory"


def test_a_port_that_a_role_does_not_serve_may_be_its_port() -> None:
    assert load("worker", env={"LITEFUSE_PORT": "4318"}).port == 4318
    assert load("ingest", env={"LITEFUSE_PORT": "8123"}).port == 8123
    assert "--clickhouse-port 8123: is --port or" in problem(role="clickhouse", env={"LITEFUSE_PORT": "8123"})


@pytest.mark.parametrize(
    "env",
    [
        {"LITEFUSE_LOG_URL": "kafka://me:hunter2@bad host"},
        {"LITEFUSE_LOG_URL": "kafka://me:hunter2/x@host"},
        {"LITEFUSE_LOG_URL": "kafka://me:hunter2#x@host"},
        {"LITEFUSE_LOG_URL": "nope://me:hunter2@host"},
        {"LITEFUSE_LOG_URL": "hunter2"},
        {"LITEFUSE_CLICKHOUSE_URL": "http://me:hunter2@[host"},
        {"LITEFUSE_CLICKHOUSE_URL": "http://host/x?password=hunter2\x01"},
        {"LITEFUSE_CLICKHOUSE_URL": "ftp://host/x?password=hunter2"},
        {"LITEFUSE_SECRETKEY": "hunter2"},
        {"LITEFUSE_CLICKHOUSE": "http://me:hunter2@host"},
        {"LITEFUSE_INIT_PROJECT_PUBLIC_KEY": "pk", "LITEFUSE_INIT_PROJECT_SECRET_KEY": "hunter2 x"},
        {"LITEFUSE_PASSWORD": "hunter2"},
    ],
    ids=str,
)
def test_no_complaint_repeats_a_secret(env: dict[str, str]) -> None:
    text = problem(env=env)
    assert "hunter2" not in text
    assert next(iter(env)) in text or "PROJECT_SECRET_KEY" in text


def test_a_secret_prints_as_stars_everywhere() -> None:
    settings = load(env={"LITEFUSE_LOG_URL": "kafka://u:hunter2@h", "LITEFUSE_SECRET_KEY": "hunter2"})
    assert "hunter2" not in f"{settings} {settings!r} {settings.log_url:>20} {settings.log_url!s}"
    assert settings.log_url.reveal() == "kafka://u:hunter2@h"


def test_redact_keeps_what_is_no_secret() -> None:
    assert redact("http://u:p@host:8123/litefuse?x=y") == "http://***@host:8123/litefuse"
    assert redact("kafka://a:1,b:2") == "kafka://a:1,b:2"
