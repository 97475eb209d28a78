"""Roles of their own: what they need, what they say while it is not there, and that they go on when it comes."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.corpus_files import CORPUS
from tests.processes import Litefuse, free_port, run
from tests.servers.kafka import KafkaServer
from tests.waiting import eventually

KEYS = {
    "LITEFUSE_INIT_PROJECT_ID": "roles",
    "LITEFUSE_INIT_PROJECT_PUBLIC_KEY": "pk-lf-roles",
    "LITEFUSE_INIT_PROJECT_SECRET_KEY": "sk-lf-roles",
}


@pytest.mark.parametrize("role", ["ingest", "worker", "web"])
def test_the_sqlite_log_is_refused_with_a_sentence(role: str, tmp_path: Path) -> None:
    done = run(role, data_dir=tmp_path)
    assert done.returncode == 2
    assert f"litefuse {role} needs Kafka: LITEFUSE_LOG_URL=kafka://host:9092. The SQLite log belongs" in done.stderr


def test_no_clickhouse_at_all_is_refused_with_a_sentence(tmp_path: Path) -> None:
    done = run("worker", "--log-url", "kafka://127.0.0.1:1", data_dir=tmp_path / "none")
    assert done.returncode == 2
    assert "litefuse worker needs ClickHouse: LITEFUSE_CLICKHOUSE_URL=http://" in done.stderr


def test_clickhouse_command_refuses_the_address_of_another(tmp_path: Path) -> None:
    done = run("clickhouse", "--clickhouse-url", "http://u:hunter2@h", data_dir=tmp_path)
    assert done.returncode == 2
    assert "hunter2" not in done.stderr


def reasons(process: Litefuse) -> list[str]:
    text = process.not_ready()
    found: list[str] = [] if text is None else json.loads(text)["reasons"]
    return found


def listening(process: Litefuse) -> bool:
    assert process.exit_code() is None, process.tail()
    try:
        with urllib.request.urlopen(f"{process.url}/api/public/health", timeout=10):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("role", ["ingest", "worker", "web"])
def test_dependencies_down_at_start_is_no_crash(role: str, tmp_path: Path) -> None:
    environment = {
        "LITEFUSE_LOG_URL": f"kafka://127.0.0.1:{free_port()}",
        "LITEFUSE_CLICKHOUSE_URL": f"http://litefuse:hunter2@127.0.0.1:{free_port()}/litefuse",
    }
    process = Litefuse((role,), tmp_path / "data", environment)
    try:
        process.spawn()
        eventually(lambda: listening(process), 60)
        eventually(lambda: len(reasons(process)) >= 2, 30)
        text = " ".join(reasons(process))
        assert "ClickHouse: " in text
        assert re.search(r"\b[Ll]og\b|Kafka", text)
        if role == "ingest":
            request = urllib.request.Request(f"{process.url}/api/public/otel/v1/traces", data=b"{}", method="POST")
            request.add_header("Content-Type", "application/json")
            request.add_header("Authorization", "Basic cGs6c2s=")
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=30)
            assert refused.value.code == 503
            assert refused.value.headers["Retry-After"]
        assert process.stop() == 0
        assert process.lines == []
        log = process.errors.read_text()
        assert "hunter2" not in log
        assert "Traceback" not in log
        assert log.count("ClickHouse cannot be used yet") == 1
    finally:
        process.kill()


def test_roles_over_kafka_find_the_engine_by_its_data_directory(kafka: KafkaServer, tmp_path: Path) -> None:
    """The order is the wrong one on purpose: roles first, what they need afterwards."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    environment = {"LITEFUSE_LOG_URL": f"kafka://{kafka.bootstrap}"}
    roles = [Litefuse((role,), data_dir, {**environment, **KEYS}) for role in ("ingest", "worker", "web")]
    engine = Litefuse(("clickhouse",), data_dir)
    try:
        for role in roles:
            role.spawn()
        for role in roles:
            eventually(lambda role=role: listening(role), 60)  # type: ignore[misc]
        assert any("clickhouse.url" in reason for reason in reasons(roles[0]))
        engine.start()
        for role in roles:
            role.wait_ready()
            assert role.lines[-1] == f"ready {role.url}"
        keys = ("--public-key", "pk-lf-roles", "--secret-key", "sk-lf-roles")
        sent = run("send", str(CORPUS / "dspy_oi"), "--endpoint", roles[0].url, *keys, data_dir=data_dir)
        assert sent.returncode == 0, sent.stderr
        count = ("sql", "--format", "TSV", "SELECT count() FROM spans WHERE project_id = 'roles'")
        eventually(lambda: run(*count, data_dir=data_dir).stdout == "9\n", 60, every=0.5)
        with urllib.request.urlopen(f"{roles[2].url}/", timeout=10) as answer:
            assert "http://INGEST:3000" in answer.read().decode()
        status = run("status", "--log-url", environment["LITEFUSE_LOG_URL"], data_dir=data_dir)
        assert status.returncode == 0, status.stdout
        assert re.search(r"^log +6 partitions of litefuse.traces$", status.stdout, re.M)
        # The engine goes and comes back at another address: the roles find it again.
        assert engine.stop() == 0
        engine.clickhouse_port = free_port()
        sent = run("send", str(CORPUS / "langfuse_v3"), "--endpoint", roles[0].url, *keys, data_dir=data_dir)
        assert sent.returncode == 0, sent.stderr
        engine.start()
        eventually(lambda: run(*count, data_dir=data_dir).stdout == "24\n", 90, every=0.5)
        for role in (*roles, engine):
            assert role.stop() == 0
    finally:
        for process in (*roles, engine):
            process.kill()
