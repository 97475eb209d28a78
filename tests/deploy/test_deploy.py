"""deploy/, as far as it can be checked without a container engine: everything it names exists."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from litefuse import __version__
from litefuse.cli.commands import BY_NAME
from litefuse.cli.main import parser
from litefuse.settings_load import BY_NAME as SETTINGS
from litefuse.settings_load import load

REPO = Path(__file__).resolve().parents[2]
DEPLOY = REPO / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
ENV = {row.env for row in SETTINGS.values()}
OURS = [name for name, service in COMPOSE["services"].items() if "litefuse" in service["image"].partition(":")[0]]


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.M)


def substituted(value: object) -> str:
    """A value as compose gives it to the container, with every variable that needs one set to `x`."""
    return re.sub(r"\$\{(\w+)(?::([-?])([^}]*))?\}", lambda m: m[3] if m[2] == "-" else "x", str(value))


def test_the_roles_of_the_contract_are_there() -> None:
    assert set(OURS) == {"migrate", "ingest", "worker", "web"}
    assert {"kafka", "clickhouse"} < COMPOSE["services"].keys()


@pytest.mark.parametrize("service", OURS)
def test_every_command_and_variable_of_compose_is_known(service: str) -> None:
    spec = COMPOSE["services"][service]
    (name, *flags) = spec["command"]
    assert parser(BY_NAME[name]).parse_known_args(flags)[1] == []
    environment = {key: substituted(value) for key, value in spec["environment"].items()}
    assert environment.keys() <= ENV
    settings = load(BY_NAME[name].role, env=environment)
    assert settings.log_url.reveal() == "kafka://kafka:9092"
    assert settings.clickhouse_url.reveal() == "http://litefuse:x@clickhouse:8123/litefuse"


@pytest.mark.parametrize("service", OURS)
def test_published_ports_are_those_the_role_listens_on(service: str) -> None:
    listening = {str(load().port), str(load().otlp_port)}
    published = {port.rpartition(":")[2] for port in COMPOSE["services"][service].get("ports", [])}
    assert published <= listening


def test_compose_refers_to_what_it_has() -> None:
    services = COMPOSE["services"]
    for spec in services.values():
        assert set(spec.get("depends_on", {})) <= services.keys()
        for volume in spec.get("volumes", []):
            source = volume.partition(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
    assert (DEPLOY / COMPOSE["x-litefuse"]["build"]["context"] / COMPOSE["x-litefuse"]["build"]["dockerfile"]).is_file()
    assert COMPOSE["x-litefuse"]["image"] == f"litefuse:{__version__}"


def test_a_stop_waits_for_the_drain() -> None:
    for service in OURS:
        grace = int(COMPOSE["services"][service]["stop_grace_period"].rstrip("s"))
        assert grace > load().drain_timeout_s


def test_workers_can_be_scaled() -> None:
    worker = COMPOSE["services"]["worker"]
    assert "container_name" not in worker
    assert "ports" not in worker


def test_every_variable_of_compose_is_in_the_example() -> None:
    text = (DEPLOY / "docker-compose.yml").read_text()
    named = set(re.findall(r"\$\{(\w+)", text))
    example = set(re.findall(r"^(\w+)=", (DEPLOY / "env.example").read_text(), re.M))
    assert named == example


def test_dockerfile_copies_what_exists_and_all_packages() -> None:
    copied = [line.split()[:-1] for line in instructions("COPY") if not line.startswith("--from")]
    sources = {source for line in copied for source in line}
    assert all((REPO / source).exists() for source in sources)
    packages = re.findall(r"include = \[(.*)\]", (REPO / "pyproject.toml").read_text())[0]
    assert {name.strip().strip('"*') for name in packages.split(",")} <= sources
    allowed = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert sources == allowed


def test_dockerfile_sets_known_variables_and_runs_as_nobody_special() -> None:
    names = re.findall(r"(LITEFUSE_\w+)=(\S+)", " ".join(instructions("ENV")))
    assert {name for name, _ in names} <= ENV
    load("ingest", env=dict(names))
    assert instructions("USER") == ["10001"]
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["litefuse"]
    assert set(instructions("EXPOSE")[0].split()) == {str(load().port), str(load().otlp_port)}


def test_dockerfile_s_health_check_is_python_that_asks_the_health_route() -> None:
    (check,) = instructions("HEALTHCHECK")
    words = json.loads(check.partition("CMD ")[2])
    assert words[:2] == ["python", "-c"]
    compile(words[2], "healthcheck", "exec")
    assert "/api/public/health" in words[2]


def test_dockerfile_installs_without_the_embedded_engine() -> None:
    (install,) = (line for line in instructions("RUN") if "pip install" in line)
    assert install.endswith('pip install --no-cache-dir ".[mcp]"')


_WITHOUT_ENGINE = """
import importlib.abc, sys

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("chdb", "chdb_core", "pandas", "pytest"):
            raise ImportError(f"blocked: {name}")

sys.meta_path.insert(0, Block())
import ingest.app, worker.app, web.app, litefuse.log.kafka, litefuse.clickhouse.client, schemas.runner, litefuse.http
import litefuse.cli.process, litefuse.cli.late
from litefuse.cli.commands import TABLE
for command in TABLE:
    command.module()
"""


def test_roles_need_neither_the_engine_nor_what_only_tests_have() -> None:
    done = subprocess.run([sys.executable, "-c", _WITHOUT_ENGINE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# An engine of its own: one process opens one, and other tests have theirs.
_PARSE = """
import sys, chdb
for statement in sys.stdin.read().split(chr(0)):
    quoted = statement.replace(chr(92), chr(92) * 2).replace("'", chr(92) + "'")
    chdb.query(f"SELECT formatQuerySingleLine('{quoted}')")
"""


@pytest.mark.parametrize("name", ["users.sql", "tenant.sql"])
def test_statements_for_a_server_are_statements(name: str) -> None:
    text = re.sub(r"^--.*$", "", (DEPLOY / "clickhouse" / name).read_text(), flags=re.M)
    statements = [statement.strip() for statement in text.split(";\n") if statement.strip()]
    assert len(statements) >= 4
    done = subprocess.run(
        [sys.executable, "-c", _PARSE], input="\0".join(statements), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_statements_for_a_server_name_tables_that_exist() -> None:
    ddl = "".join(path.read_text() for path in sorted((REPO / "schemas" / "migrations").glob("*.sql")))
    tables = set(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", ddl))
    for path in (DEPLOY / "clickhouse").glob("*.sql"):
        assert set(re.findall(r"\blitefuse\.(\w+)", path.read_text())) <= tables
