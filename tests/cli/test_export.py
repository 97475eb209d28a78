"""`litefuse export`, and `litefuse send` taking it back: out of one `up`, into a fresh one, and out again."""

from __future__ import annotations

import gzip
import json
import random
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from litefuse import text_ids
from litefuse.cli.captured import Call, plan, read
from litefuse.errors import ConfigError
from tests.corpus_files import captured
from tests.otlp import canonical
from tests.otlp.growing import Grower
from tests.processes import litefuse, project_env, run
from tests.talking import PROTOBUF, Up
from tests.waiting import eventually
from tests.web.api.support import basic

SCORES: list[dict[str, Any]] = [
    {"id": "n", "name": "quality", "value": 0.25, "traceId": "a" * 32, "metadata": {"by": ["x", 1]}, "comment": "ü\n"},
    {"id": "b", "name": "right", "value": 1, "dataType": "BOOLEAN", "traceId": "a" * 32, "observationId": "b" * 16},
    {"id": "c", "name": "mood", "value": "good", "sessionId": "s 1", "environment": "staging"},
    {"id": "t", "name": "note", "value": "long text", "dataType": "TEXT", "traceId": "any text/at all"},
    {"id": "k", "name": "output", "value": "corrected", "dataType": "CORRECTION", "traceId": "a" * 32},
    {"id": "r", "name": "run", "value": -3, "datasetRunId": "run-1"},
]
AT = "2026-01-02T03:04:05.678Z"
#: An observation of POST /ingestion, in a trace that is told there too; its ids are no OTLP ids.
TOLD = {"id": "a call", "traceId": "told/1", "name": "call", "model": "gpt-4o", "startTime": AT, "usage": {"input": 1}}


class Exporting(Up):
    """Writes exports."""

    def export(self, where: Path, *arguments: str, stdin: str | None = None) -> str:
        done = run("export", str(where), *arguments, data_dir=self.data_dir, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout


def requests_in(where: Path) -> list[tuple[dict[str, Any], ExportTraceServiceRequest]]:
    """Description and request of every file of spans."""
    found = []
    for path in sorted(where.rglob("*.bin")):
        body = gzip.decompress(path.read_bytes())
        found.append((json.loads(path.with_suffix(".json").read_text()), ExportTraceServiceRequest.FromString(body)))
    return found


def spans_in(where: Path) -> canonical.Spans:
    return {key: said for _, request in requests_in(where) for key, said in canonical.spans(request)}


def scores_in(where: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(where.rglob("scores-*.jsonl")) for line in path.open()]


def timed(spans: canonical.Spans) -> canonical.Spans:
    """Those that were sent as OTLP and say when they were: others are exported with the time they were given."""
    return {key: said for key, said in spans.items() if said and (said[2]["start"] or said[2]["end"])}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Exporting, canonical.Spans]]:
    """An `up` with all that was captured, generated spans and scores; and what it was sent."""
    folder = tmp_path_factory.mktemp("source")
    with litefuse("up", data_dir=folder / "data") as process:
        up = Exporting(process)
        sent = [call for call in captured() if call.body]
        for call in sent:
            up.traces(call.body, call.content_type, **({"Content_Encoding": call.encoding} if call.encoding else {}))
        requests = [
            canonical.of_json(json.loads(call.plain), lenient=True)
            if call.is_json
            else ExportTraceServiceRequest.FromString(call.plain)
            for call in sent
        ]
        chance, grower = random.Random(1), Grower(2)
        for n in range(20):
            requests.append(grower.request([chance.randbytes(16) for _ in range(2)]))
            sdk = {"x_langfuse_sdk_name": f"sdk {n % 3}", "x_langfuse_sdk_version": "1.2"}
            up.traces(requests[-1].SerializeToString(), **sdk)
        for score in SCORES:
            up.post("/scores", orjson.dumps([score]))
        event = {"id": "e", "name": "judged", "value": 1.0, "traceId": "a" * 32, "source": "EVAL"}
        batch = [{"id": "1", "type": "score-create", "timestamp": AT, "body": event}]
        batch += [
            {
                "id": "2",
                "type": "trace-create",
                "timestamp": AT,
                "body": {"id": "told/1", "name": "told", "userId": "u"},
            },
            {"id": "3", "type": "generation-create", "timestamp": AT, "body": TOLD},
        ]
        assert b'"errors":[]' in up.post("/ingestion", orjson.dumps({"batch": batch}))
        expected = canonical.kept(requests)
        eventually(lambda: int(up.ask("SELECT count() FROM spans")) == len(expected) + 2, 60)
        told = up.ask("SELECT span_id FROM spans WHERE trace_id = 'told/1'").splitlines()
        expected |= {(text_ids.trace_id("told/1"), text_ids.span_id(span_id)): None for span_id in told}
        assert "a call" in told
        yield up, expected


def test_a_round_trip_changes_nothing(source: tuple[Exporting, canonical.Spans], tmp_path: Path) -> None:
    up, expected = source
    told = up.export(tmp_path / "one", "--file-bytes", "20000")
    assert told.startswith(f"{len(expected)} spans and {len(SCORES) + 1} scores in ")
    found = spans_in(tmp_path / "one")
    assert timed(found).keys() >= timed(expected).keys()
    assert {key: found[key] for key in timed(expected)} == timed(expected)
    assert found.keys() == expected.keys()

    with litefuse("up", data_dir=tmp_path / "data") as process:
        fresh = Exporting(process)
        sent = run("send", str(tmp_path / "one"), data_dir=fresh.data_dir)
        assert sent.returncode == 0, sent.stderr
        assert sent.stdout.startswith(f"{len(expected)} spans in ")
        assert f"{len(SCORES) + 1} scores sent, 0 rejected" in sent.stdout
        eventually(lambda: int(fresh.ask("SELECT count() FROM spans")) == len(expected), 60)
        fresh.export(tmp_path / "two", "--file-bytes", "20000")
        assert spans_in(tmp_path / "two") == found
        assert scores_in(tmp_path / "two") == scores_in(tmp_path / "one")
        # What the map stage made of them is the same too.
        columns = (
            "type, observation_name, level, model, input, output, total_tokens, user_id, session_id, tags, start_time"
        )
        asked = f"SELECT trace_id, span_id, {columns} FROM spans ORDER BY 1, 2"
        assert fresh.ask(asked) == up.ask(asked)
        # And again: nothing is there twice.
        assert run("send", str(tmp_path / "one"), data_dir=fresh.data_dir).returncode == 0
        eventually(lambda: int(fresh.ask("SELECT count() FROM spans SETTINGS final = 0")) == 2 * len(expected), 60)
        fresh.export(tmp_path / "three", "--file-bytes", "20000")
    first, second = (
        {path.relative_to(top).parts[1:]: path.read_bytes() for path in sorted(top.rglob("*.bin"))}
        for top in (tmp_path / "two", tmp_path / "three")
    )
    assert first == second


def test_scores_are_as_they_were_given(source: tuple[Exporting, canonical.Spans], tmp_path: Path) -> None:
    source[0].export(tmp_path / "x")
    found = {score["id"]: score for score in scores_in(tmp_path / "x")}
    assert found.keys() == {*(score["id"] for score in SCORES), "e"}
    for score in SCORES:
        assert found[score["id"]].items() >= score.items()
    assert found["e"] == {
        "id": "e",
        "name": "judged",
        "value": 1.0,
        "dataType": "NUMERIC",
        "source": "EVAL",
        "environment": "default",
        "timestamp": "2026-01-02T03:04:05.678000000Z",
        "traceId": "a" * 32,
    }


def test_files_describe_themselves(source: tuple[Exporting, canonical.Spans], tmp_path: Path) -> None:
    up, expected = source
    up.export(tmp_path / "x", "--file-bytes", "20000")
    keys = project_env(up.data_dir)
    manifest = json.loads((tmp_path / "x" / "manifest.json").read_text())
    (project,) = json.loads((tmp_path / "x" / "projects.json").read_text())
    assert project.keys() == {"id", "name", "retention_days", "created_at"}
    assert manifest["projects"][0]["spans"] == len(expected)
    assert {file["name"] for file in manifest["files"]} == {
        str(path.relative_to(tmp_path / "x"))
        for path in (tmp_path / "x").rglob("*")
        if path.suffix in (".bin", ".jsonl") and path.is_file()
    }
    read_back = requests_in(tmp_path / "x")
    assert len(read_back) > 10
    sdks = set()
    for about, request in read_back:
        assert (about["method"], about["path"]) == ("POST", "/api/public/otel/v1/traces")
        assert about["litefuse"]["public_key"] == keys["LITEFUSE_PUBLIC_KEY"]
        assert about["litefuse"]["spans"] == sum(1 for _ in canonical.spans(request))
        assert about["headers"].get("x-langfuse-sdk-name", "") == about["litefuse"]["sdk_name"]
        sdks.add((about["litefuse"]["sdk_name"], about["litefuse"]["sdk_version"]))
    assert {("sdk 0", "1.2"), ("sdk 1", "1.2"), ("sdk 2", "1.2"), ("", "")} <= sdks
    for path in (tmp_path / "x").rglob("*"):
        assert not path.is_file() or keys["LITEFUSE_SECRET_KEY"].encode() not in path.read_bytes()
    several = [request.ByteSize() for about, request in read_back if about["litefuse"]["spans"] > 1]
    assert max(several) < 2 * 20_000


def test_a_range_of_time(source: tuple[Exporting, canonical.Spans], tmp_path: Path) -> None:
    """Two ranges that meet have every span once."""
    up, expected = source
    middle = up.ask("SELECT toString(quantileExact(0.5)(start_time)) FROM spans")
    before = up.ask(f"SELECT count() FROM spans WHERE start_time < '{middle}'")
    up.export(tmp_path / "before", "--to", middle)
    up.export(tmp_path / "after", "--from", middle)
    first, second = spans_in(tmp_path / "before"), spans_in(tmp_path / "after")
    assert len(first) == int(before) > 0
    assert first.keys() | second.keys() == expected.keys()
    assert not first.keys() & second.keys()


@pytest.mark.parametrize(
    ("condition", "where"),
    [
        (
            {"type": "string", "column": "userId", "operator": "=", "value": "user-123"},
            "trace_id IN (SELECT trace_id FROM traces WHERE user_id = 'user-123')",
        ),
        (
            {"type": "string", "column": "level", "operator": "=", "value": "ERROR"},
            "trace_id IN (SELECT trace_id FROM spans WHERE level = 'ERROR')",
        ),
        (
            {"type": "string", "column": "name", "operator": "contains", "value": "e"},
            "trace_id IN (SELECT trace_id FROM traces WHERE name LIKE '%e%')",
        ),
        (
            {"type": "number", "column": "totalTokens", "operator": ">", "value": 0},
            "trace_id IN (SELECT trace_id FROM spans GROUP BY trace_id HAVING sum(total_tokens) > 0)",
        ),
    ],
)
def test_a_filter(
    source: tuple[Exporting, canonical.Spans], tmp_path: Path, condition: dict[str, Any], where: str
) -> None:
    up, expected = source
    up.export(tmp_path / "x", "--filter", "-", stdin=json.dumps([condition]))
    wanted = set(up.ask(f"SELECT DISTINCT trace_id FROM spans WHERE {where}").split())
    ids = {text_ids.trace_id(trace_id) for trace_id in wanted}
    assert 0 < len(wanted) < len({key[0] for key in expected})
    assert spans_in(tmp_path / "x").keys() == {key for key in expected if key[0] in ids}
    assert {score["traceId"] for score in scores_in(tmp_path / "x")} <= wanted


def test_several_projects_are_sent_one_by_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with litefuse("up", data_dir=data) as process:
        up = Exporting(process)
        first = project_env(data)
        made = run("keys", "create", "--project", "second one", data_dir=data)
        second = dict(line.split("=", 1) for line in made.stdout.splitlines() if "=" in line)
        grower = Grower(9)
        requests = {}
        for keys, name in ((first, "default"), (second, "second one")):
            requests[name] = grower.request([name.encode().ljust(16, b".")])
            sent = {
                "Authorization": basic((keys["LITEFUSE_PUBLIC_KEY"], keys["LITEFUSE_SECRET_KEY"])),
                "Content-Type": PROTOBUF,
            }
            url = f"{process.url}/api/public/otel/v1/traces"
            body = requests[name].SerializeToString()
            urllib.request.urlopen(urllib.request.Request(url, body, sent), timeout=30).close()
        count = sum(len(canonical.kept([request])) for request in requests.values())
        eventually(lambda: int(up.ask("SELECT count() FROM spans")) == count, 30)
        up.export(tmp_path / "all")
        up.export(tmp_path / "second", "--project", "second one")
        refused = run("send", str(tmp_path / "all"), data_dir=data)
        assert refused.returncode == 2
        assert "several projects" in refused.stderr
        unknown = run("export", str(tmp_path / "none"), "--project", "nobody's", data_dir=data)
        assert unknown.returncode == 2
    assert spans_in(tmp_path / "all").keys() == {
        key for request in requests.values() for key in canonical.kept([request])
    }
    assert spans_in(tmp_path / "second").keys() == canonical.kept([requests["second one"]]).keys()
    folders = [
        project["directory"] for project in json.loads((tmp_path / "all" / "manifest.json").read_text())["projects"]
    ]
    assert len(folders) == 2
    for folder in folders:  # each can be sent
        assert all(isinstance(item, Call) for path, _ in plan([str(tmp_path / "all" / folder)]) for item in read(path))
    # with nothing running the command opens the engine by itself
    done = run("export", str(tmp_path / "again"), data_dir=data)
    assert done.returncode == 0, done.stderr
    assert spans_in(tmp_path / "again") == spans_in(tmp_path / "all")


def test_an_export_goes_on_where_it_was(source: tuple[Exporting, canonical.Spans], tmp_path: Path) -> None:
    up, _ = source
    up.export(tmp_path / "whole")
    # As it is after a crash behind the first piece: no manifest, half a line, files of a piece that is not noted.
    up.export(tmp_path / "x")
    manifest = json.loads((tmp_path / "x" / "manifest.json").read_text())
    first = manifest["files"][0]
    project, _, name = first["name"].split("/")
    asked = {key: manifest[key] for key in ("from", "to", "filter", "project", "file_bytes")}
    head = {"format": "litefuse-export", "version": 1, "asked": asked}
    piece = {"project": project, "piece": name.rpartition("-")[0], "files": [first]}
    (tmp_path / "x" / "manifest.json").unlink()
    lines = orjson.dumps(head) + b"\n" + orjson.dumps(piece) + b'\n{"project":"ha'
    (tmp_path / "x" / "progress.jsonl").write_bytes(lines)
    kept = (tmp_path / "x" / first["name"]).stat()
    (tmp_path / "x" / project / "traces" / "2026-11-22-0099.bin").write_bytes(b"left over")
    with pytest.raises(ConfigError, match="not finished"):
        plan([str(tmp_path / "x")])
    other = run("export", str(tmp_path / "x"), "--from", "2026-01-01", data_dir=up.data_dir)
    assert (other.returncode, "another export" in other.stderr) == (2, True)
    up.export(tmp_path / "x")
    assert (tmp_path / "x" / first["name"]).stat().st_mtime_ns == kept.st_mtime_ns
    assert not (tmp_path / "x" / "progress.jsonl").exists()
    whole = {p.relative_to(tmp_path / "whole"): p.read_bytes() for p in (tmp_path / "whole").rglob("*.bin")}
    assert {p.relative_to(tmp_path / "x"): p.read_bytes() for p in (tmp_path / "x").rglob("*.bin")} == whole
    again = run("export", str(tmp_path / "x"), data_dir=up.data_dir)
    assert (again.returncode, "complete" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--from", "yesterday"),
        ("--to", "2026-13-01"),
        ("--filter", "{"),
        ("--filter", '[{"type": "string", "column": "nothing", "operator": "=", "value": "x"}]'),
        ("--filter", '[{"type": "number", "column": "userId", "operator": "=", "value": 1}]'),
        ("--file-bytes", "10"),
    ],
)
def test_what_cannot_be_is_said(arguments: tuple[str, str], tmp_path: Path) -> None:
    done = run("export", str(tmp_path / "x"), *arguments, data_dir=tmp_path / "data")
    assert done.returncode == 2
    assert arguments[0] in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("filter_", "said"),
    [
        ('[{"type": "strin"}]', ["[0].column: needs text"]),
        ("{}", ["needs a list of conditions"]),
        (
            '[{"type": "string", "column": "userId", "operator": "=", "value": "x"}, 1, '
            '{"type": "strin", "column": "userId", "operator": "="}, '
            '{"type": "string", "column": "userId", "operator": "=", "value": 1}]',
            ["[1]: a condition is an object", "[2].type: no type 'strin'; there are ", "[3].value: needs text"],
        ),
    ],
)
def test_every_condition_that_cannot_be_is_said_with_its_place(filter_: str, said: list[str], tmp_path: Path) -> None:
    done = run("export", str(tmp_path / "x"), "--filter", filter_, data_dir=tmp_path / "data")
    lines = done.stderr.splitlines()
    assert len(lines) == len(said)
    for line, text in zip(lines, said, strict=True):
        assert line.startswith(f"litefuse: --filter: {text}")


def test_a_directory_that_cannot_be_written_is_said(source: tuple[Exporting, canonical.Spans], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("export", str(tmp_path / "file" / "x"), data_dir=source[0].data_dir)
    assert done.returncode == 1
    assert done.stderr.startswith(f"litefuse: {tmp_path}/file")
    assert "Traceback" not in done.stderr
