"""Dead letters as an operator meets them: a span ClickHouse refuses, garbage in the topic, and putting them back."""

from __future__ import annotations

import base64
import urllib.request
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from litefuse.log.base import TRACES
from litefuse.log.sqlite import SqliteLog
from tests.processes import Litefuse, litefuse, project_env, run
from tests.sql import Sql
from tests.waiting import eventually

NOW = 1_764_000_000 * 10**9


def request(names: list[str], first_id: int) -> bytes:
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "shop"
    spans = resource_spans.scope_spans.add().spans
    for i, name in enumerate(names, first_id):
        spans.add(
            trace_id=i.to_bytes(16, "big"),
            span_id=i.to_bytes(8, "big"),
            name=name,
            start_time_unix_nano=NOW + (i % 2) * 8 * 86_400 * 10**9,
            end_time_unix_nano=NOW + (i % 2) * 8 * 86_400 * 10**9 + 5,
        )
    return message.SerializeToString()


def post(process: Litefuse, body: bytes) -> None:
    keys = project_env(process.data_dir)
    credentials = f"{keys['LITEFUSE_PUBLIC_KEY']}:{keys['LITEFUSE_SECRET_KEY']}".encode()
    sent = urllib.request.Request(
        f"{process.url}/api/public/otel/v1/traces",
        body,
        {"Content-Type": "application/x-protobuf", "Authorization": f"Basic {base64.b64encode(credentials).decode()}"},
    )
    with urllib.request.urlopen(sent, timeout=20) as answer:
        assert answer.read() == b""


def letters(process: Litefuse) -> list[list[str]]:
    """Rows of `dead list`, as words; those that begin with an id."""
    listed = run("dead", "list", data_dir=process.data_dir)
    assert listed.returncode == 0, listed.stderr
    return [line.split() for line in listed.stdout.splitlines() if line[:1].isdigit()]


def test_a_span_that_clickhouse_refuses_is_found_kept_and_put_back(tmp_path: Path) -> None:
    with litefuse("up", data_dir=tmp_path / "data") as up:
        operator = Sql(up, "litefuse")
        operator.command("ALTER TABLE spans ADD CONSTRAINT no_poison CHECK name != 'poison'")
        names = [f"good {i}" for i in range(700)]
        names[321] = "poison"
        post(up, request(names, 1))
        eventually(lambda: operator.count("SELECT count() FROM spans") == 699, 60)
        eventually(lambda: letters(up), 20)
        (letter,) = letters(up)
        assert "refused_by_clickhouse" in letter
        shown = run("dead", "show", letter[0], data_dir=up.data_dir)
        assert "no_poison" in shown.stdout
        assert "shop" in shown.stdout
        assert run("status", data_dir=up.data_dir).stdout.count("dead letters") == 1

        operator.command("ALTER TABLE spans DROP CONSTRAINT no_poison")
        replayed = run("dead", "replay", letter[0], data_dir=up.data_dir)
        assert replayed.returncode == 0, replayed.stderr
        eventually(lambda: operator.count("SELECT count() FROM spans") == 700, 30)
        assert operator("SELECT service_name FROM spans WHERE name = 'poison'") == [{"service_name": "shop"}]
        assert letters(up) == []


@pytest.mark.parametrize("garbage", [b"\x00 not protobuf", b""], ids=["garbage", "empty"])
async def test_garbage_in_the_topic_is_kept_with_its_place_and_its_neighbours_are_stored(
    tmp_path: Path, garbage: bytes
) -> None:
    with litefuse("up", data_dir=tmp_path / "data") as up:
        log = SqliteLog(up.data_dir / "log.db", guest=True)
        await log.start()
        headers = [("project_id", b"p1"), ("content_type", b"application/x-protobuf")]
        await log.publish(TRACES, request(["before"], 10), headers)
        await log.publish(TRACES, garbage, headers)
        await log.publish(TRACES, request(["after"], 11), headers)
        await log.close()
        sql = Sql(up)
        eventually(lambda: sql.count("SELECT count() FROM spans") == 2, 30)
        assert {row["project_id"] for row in sql("SELECT project_id FROM spans")} == {"p1"}
        if not garbage:
            assert letters(up) == []
            return
        eventually(lambda: letters(up), 20)
        (letter,) = letters(up)
        assert "undecodable" in letter
        assert "p1" in letter
        assert any("litefuse.traces" in word and word.endswith("1") for word in letter), letter
        assert run("dead", "discard", letter[0], data_dir=up.data_dir).returncode == 0
        assert letters(up) == []
