"""Every captured request in by `litefuse send`, and out of SQL equal, field by field, to what a plain protobuf decode says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from litefuse.otlp.json import to_protobuf
from tests import reference
from tests.corpus_files import CORPUS, captured
from tests.processes import Litefuse, litefuse, run
from tests.sql import Sql
from tests.waiting import eventually
from tests.worker.test_flatten import assert_same

COLUMNS = sorted(reference.rows(next(c.plain for c in captured() if not c.is_json))[0])


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Litefuse]:
    with litefuse("up", data_dir=tmp_path_factory.mktemp("corpus") / "data") as process:
        sent = run("send", str(CORPUS), "--endpoint", process.url, data_dir=process.data_dir)
        assert sent.returncode == 0, sent.stdout + sent.stderr
        yield process


def expected() -> dict[tuple[str, str], reference.Row]:
    """The last copy sent of each span, by trace and span id."""
    rows = {}
    for request in captured():
        body = to_protobuf(request.plain).body if request.is_json else request.plain
        for row in reference.rows(body):
            rows[row["trace_id"], row["span_id"]] = row
    return rows


def _found(row: dict[str, Any]) -> reference.Row:
    """A row as ClickHouse's JSON gives it, with the types that its columns have."""
    found = {name: row[name] for name in COLUMNS}
    for prefix in ("attributes", "resource"):
        found[f"{prefix}_int"] = {k: int(v) for k, v in found[f"{prefix}_int"].items()}
        found[f"{prefix}_float"] = {k: float(v) for k, v in found[f"{prefix}_float"].items()}
        found[f"{prefix}_json"] = {k: json.loads(v) for k, v in found[f"{prefix}_json"].items()}
    for name in ("start_time_unix_nano", "end_time_unix_nano"):
        found[name] = int(found[name])
    found["events.time_unix_nano"] = [int(v) for v in found["events.time_unix_nano"]]
    return found


def test_every_captured_span_comes_out_of_sql_as_it_went_in(up: Litefuse) -> None:
    sql = Sql(up)
    wanted = expected()
    eventually(lambda: sql.count("SELECT count() FROM spans") == len(wanted), 60)
    names = ", ".join(f"`{name}`" for name in COLUMNS)
    found = {
        (row["trace_id"], row["span_id"]): _found(row)
        for row in sql(
            f"SELECT {names} FROM spans SETTINGS output_format_json_quote_64bit_integers = 1, "
            "output_format_json_quote_denormals = 1"
        )
    }
    assert found.keys() == wanted.keys()
    assert_same([found[key] for key in wanted], list(wanted.values()))


def test_the_reader_sees_no_span_twice_and_the_operator_sees_every_copy(up: Litefuse) -> None:
    """mlflow_latest_shared_provider posts every span twice."""
    copies = sum(
        len(reference.rows(c.plain)) for c in captured() if c.name.startswith("mlflow_latest_shared_provider/")
    )
    traces = {
        row["trace_id"]
        for c in captured()
        if c.name.startswith("mlflow_latest_shared_provider/")
        for row in reference.rows(c.plain)
    }
    condition = f"trace_id IN ({', '.join(repr(t) for t in traces)})"
    assert Sql(up).count(f"SELECT count() FROM spans WHERE {condition}") * 2 == copies


def test_protobuf_and_json_give_equal_rows() -> None:
    """The captured JSON requests, converted, decode to what the JSON itself says."""
    for request in (c for c in captured() if c.is_json):
        said = json.loads(request.plain)
        decoded = ExportTraceServiceRequest.FromString(to_protobuf(request.plain).body)
        for rs, said_rs in zip(decoded.resource_spans, said["resourceSpans"], strict=True):
            for ss, said_ss in zip(rs.scope_spans, said_rs["scopeSpans"], strict=True):
                for span, said_span in zip(ss.spans, said_ss["spans"], strict=True):
                    assert span.trace_id.hex() == said_span["traceId"].lower()
                    assert span.start_time_unix_nano == int(said_span["startTimeUnixNano"])
                    assert [a.key for a in span.attributes] == [a["key"] for a in said_span.get("attributes", [])]


def test_data_directory_holds_no_secret_in_the_clear_but_for_the_key_file(up: Litefuse) -> None:
    from tests.processes import project_env

    secret = project_env(up.data_dir)["LITEFUSE_SECRET_KEY"].encode()
    holders = [p for p in Path(up.data_dir).rglob("*") if p.is_file() and secret in p.read_bytes()]
    assert [p.name for p in holders] == ["project.env"]
