"""Roles that start before `litefuse migrate` has run: they say what is missing, and go on by themselves when it is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from litefuse.embedded import files
from tests.processes import Litefuse, free_port, litefuse, run
from tests.waiting import eventually

ROLES = ("ingest", "web")
PROJECT = {
    "LITEFUSE_INIT_PROJECT_ID": "early",
    "LITEFUSE_INIT_PROJECT_PUBLIC_KEY": "pk-lf-early",
    "LITEFUSE_INIT_PROJECT_SECRET_KEY": "sk-lf-early",
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Litefuse]:
    with litefuse("clickhouse", data_dir=tmp_path_factory.mktemp("engine") / "data") as process:
        yield process


def reasons(process: Litefuse) -> str:
    """What keeps it from being ready, but for the log, which is not there."""
    assert process.alive(), process.tail()
    text = process.not_ready()
    assert text is not None
    if not text.startswith("{"):
        return text
    return "; ".join(reason for reason in json.loads(text)["reasons"] if not reason.startswith(("log: ", "the log ")))


def test_they_wait_for_the_tables(engine: Litefuse, tmp_path: Path) -> None:
    url = urlsplit(files.login_url(engine.data_dir).reveal())._replace(path="/not_made_yet").geturl()
    environment = {"LITEFUSE_LOG_URL": f"kafka://127.0.0.1:{free_port()}", "LITEFUSE_CLICKHOUSE_URL": url, **PROJECT}
    roles = [Litefuse((name,), tmp_path / name, environment) for name in ROLES]
    with ExitStack() as stack:
        for role in roles:
            stack.callback(role.kill)
            role.spawn()
        for role in roles:
            eventually(lambda role=role: "not_made_yet does not exist" in reasons(role), 60)  # type: ignore[misc]
            assert "API keys were never read" in reasons(role)
        done = run("migrate", "--clickhouse-url", url, data_dir=tmp_path / "tools")
        assert done.returncode == 0, done.stderr
        for role in roles:
            eventually(lambda role=role: reasons(role) == "", 60)  # type: ignore[misc]
        keys = run("keys", "list", "--clickhouse-url", url, data_dir=tmp_path / "tools")
        assert "pk-lf-early" in keys.stdout, "ingest has made the project as soon as it could"
