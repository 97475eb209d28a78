"""`litefuse mcp` as an agent's program meets it: the real client over standard input and output, beside a running `up`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litefuse.mcp.shapes import around, cut
from tests.cli.agents import agent, ask, refusal
from tests.corpus_files import CORPUS
from tests.processes import REPO, Litefuse, litefuse, project_env, run
from tests.sql import Sql
from tests.talking import Up
from tests.waiting import eventually

TOOLS = {"list_traces", "get_trace", "list_observations", "search", "query_sql", "describe_tables"}
#: Spans of a model, a tool and errors, by several SDKs.
SENT = ("langfuse_v3", "openai_agents_oi", "plain_otel")

#: Id of the project whose keys are in project.env.
FIRST = "(SELECT project_id FROM projects WHERE name = 'default')"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Litefuse]:
    with litefuse("up", data_dir=tmp_path_factory.mktemp("up") / "data") as process:
        for client in SENT:
            sent = run("send", str(CORPUS / client), data_dir=process.data_dir)
            assert sent.returncode == 0, sent.stderr
        made = run("keys", "create", "--project", "second", data_dir=process.data_dir)
        public, secret = (line.partition("=")[2] for line in made.stdout.splitlines())
        keys = ("--public-key", public, "--secret-key", secret)
        assert run("send", str(CORPUS / "dspy_oi"), *keys, data_dir=process.data_dir).returncode == 0
        sql = Sql(process)
        eventually(lambda: sql.count("SELECT uniqExact(project_id) FROM spans") == 2, 30)
        yield process


async def test_an_agent_is_told_what_there_is(up: Litefuse) -> None:
    async with agent(up.data_dir) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == TOOLS
    for tool in tools.values():
        assert tool.description
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.destructive_hint is False
        assert tool.input_schema["additionalProperties"] is False
        for name, schema in tool.input_schema["properties"].items():
            assert schema.get("description"), (tool.name, name)


async def test_traces_are_listed_by_page_and_by_what_they_are(up: Litefuse) -> None:
    known = {row["id"] for row in Sql(up)(f"SELECT trace_id AS id FROM traces WHERE project_id = {FIRST}")}
    async with agent(up.data_dir) as client:
        seen: list[str] = []
        cursor = None
        while True:
            page = await ask(client, "list_traces", limit=3, **({"cursor": cursor} if cursor else {}))
            seen += [trace["id"] for trace in page["traces"]]
            if (cursor := page.get("next")) is None:
                break
        assert len(seen) == len(set(seen))
        assert set(seen) == known
        failed = (await ask(client, "list_traces", only_errors=True, limit=100))["traces"]
        assert failed
        assert all(trace["errors"] for trace in failed)
        (one,) = [trace for trace in (await ask(client, "list_traces", limit=100))["traces"] if trace["id"] == seen[0]]
        same = await ask(client, "list_traces", name=one["name"], since=one["timestamp"], limit=100)
        assert seen[0] in [trace["id"] for trace in same["traces"]]
        assert (await ask(client, "list_traces", since="1h"))["traces"] == []
        # Text that is JSON, too: a user of this name, and not any user.
        for nobody in ("nobody", "null", "[]", "1"):
            assert (await ask(client, "list_traces", user_id=nobody))["traces"] == []
        tagged = next(trace for trace in failed + [one] + page["traces"] if trace.get("tags"))
        for tags in (tagged["tags"], json.dumps(tagged["tags"])):
            found = (await ask(client, "list_traces", tags=tags, limit=100))["traces"]
            assert tagged["id"] in [trace["id"] for trace in found]


async def test_a_trace_is_read_whole_or_in_parts(up: Litefuse) -> None:
    async with agent(up.data_dir) as client:
        traces = (await ask(client, "list_traces", limit=100))["traces"]
        largest = max((t for t in traces if t["observations"] <= 200), key=lambda trace: int(trace["observations"]))
        whole = await ask(client, "get_trace", trace_id=largest["id"])
        assert len(whole["observations"]) == largest["observations"]
        ids = {row["id"] for row in whole["observations"]}
        assert sum(row.get("parentObservationId") in ids for row in whole["observations"]) >= len(ids) - 1
        starts = [row["startTime"] for row in whole["observations"]]
        assert starts == sorted(starts)
        part = await ask(client, "get_trace", trace_id=largest["id"], limit=1, offset=1, characters=5)
        assert [row["id"] for row in part["observations"]] == [whole["observations"][1]["id"]]
        assert part.get("observationsLeft", 0) == max(0, len(ids) - 2)
        short = await ask(client, "get_trace", trace_id=largest["id"], characters=5)
        assert max(len(row.get("input", "")) for row in short["observations"]) < 5 + len("… (1000000 characters)")
        assert "no trace" in await refusal(client, "get_trace", trace_id="0" * 32)


async def test_scores_are_with_what_they_are_of(up: Litefuse) -> None:
    posting = Up(up)
    observation = Sql(up)(
        f"SELECT trace_id, span_id FROM spans WHERE type = 'GENERATION' AND project_id = {FIRST} ORDER BY span_id LIMIT 1"
    )[0]
    of_trace = {"traceId": observation["trace_id"]}
    of_observation = {**of_trace, "observationId": observation["span_id"]}
    given: list[dict[str, Any]] = [
        {"id": "s1", "name": "quality", "value": 0.25, "comment": "c" * 300, "metadata": {"by": "x"}, **of_trace},
        {"id": "s2", "name": "late", "value": 0, "dataType": "BOOLEAN", **of_trace, "observationId": "not there"},
        {"id": "s3", "name": "mood", "value": "good", **of_observation},
        {"id": "s4", "name": "note", "value": "n" * 300, "dataType": "TEXT", **of_observation},
        *({"id": f"many{n}", "name": "many", "value": n, **of_observation} for n in range(110)),
    ]
    for n, score in enumerate(given):
        score["timestamp"] = f"2026-01-02T03:{59 - n // 60:02d}:{59 - n % 60:02d}Z"
    posting.post("/scores", json.dumps(given).encode())
    async with agent(up.data_dir) as client:
        whole = await ask(client, "get_trace", trace_id=observation["trace_id"], characters=100)
        assert whole["scores"] == [
            {
                **{"id": "s1", "name": "quality", "value": 0.25, "dataType": "NUMERIC", "source": "API"},
                **{"timestamp": "2026-01-02T03:59:59.000Z", "comment": f"{'c' * 100}… (300 characters)"},
                "metadata": '{"by":"x"}',
            },
            {
                **{"id": "s2", "name": "late", "value": False, "dataType": "BOOLEAN", "source": "API"},
                **{"timestamp": "2026-01-02T03:59:58.000Z", "observationId": "not there"},
            },
        ]
        (scored,) = [row for row in whole["observations"] if "scores" in row]
        assert scored["id"] == observation["span_id"]
        assert [(score["name"], score["value"]) for score in scored["scores"][:3]] == [
            ("mood", "good"),
            ("note", f"{'n' * 100}… (300 characters)"),
            ("many", 0),
        ]
        assert {score["observationId"] for score in scored["scores"]} == {scored["id"]}
        assert (len(scored["scores"]), scored["scoresLeft"]) == (100, 12)
        traces = (await ask(client, "list_traces", limit=100))["traces"]
        (listed,) = [trace for trace in traces if "scores" in trace]
        assert listed["id"] == whole["id"]
        assert listed["scores"][:3] == [
            {"name": "quality", "value": 0.25},
            {"name": "late", "value": False, "observationId": "not there"},
            {"name": "mood", "value": "good", "observationId": scored["id"]},
        ]
        assert (len(listed["scores"]), listed["scoresLeft"]) == (10, 104)
    async with agent(up.data_dir, "--project", "second") as client:
        assert not [trace for trace in (await ask(client, "list_traces"))["traces"] if "scores" in trace]


async def test_texts_are_found_in_names_inputs_and_outputs(up: Litefuse) -> None:
    ((answer,),) = (
        row.values()
        for row in Sql(up)(
            f"SELECT output FROM spans WHERE type = 'GENERATION' AND length(output) > 60 AND project_id = {FIRST} "
            "ORDER BY start_time DESC, span_id LIMIT 1"
        )
    )
    wanted = answer[20:50]
    async with agent(up.data_dir) as client:
        found = (await ask(client, "search", text=wanted.upper()))["observations"]
        assert any("output" in row["foundIn"] and wanted in row["output"] for row in found)
        assert all(row["foundIn"] for row in found)
        assert (await ask(client, "search", text=wanted, places=["name"]))["observations"] == []
        assert (await ask(client, "search", text=wanted, until="1980-01-01T00:00:00Z"))["observations"] == []
        assert (await ask(client, "search", text="no such text %_'\"\\{x:String}--"))["observations"] == []
        assert "key" in await refusal(client, "search", text="x", places=["metadata"])
        names = (await ask(client, "list_observations", type="generation", limit=2))["observations"]
        assert [row["type"] for row in names] == ["GENERATION", "GENERATION"]
        assert (await ask(client, "search", text=names[0]["name"], places=["name"], limit=1))["observations"]


async def test_observations_are_listed_by_page(up: Litefuse) -> None:
    async with agent(up.data_dir) as client:
        every = (await ask(client, "list_observations", limit=100))["observations"]
        first = await ask(client, "list_observations", limit=2)
        second = await ask(client, "list_observations", limit=2, cursor=first["next"])
        seen = [row["id"] for page in (first, second) for row in page["observations"]]
        assert seen == [row["id"] for row in every[:4]]
        errors = (await ask(client, "list_observations", level="ERROR", limit=100))["observations"]
        assert len(errors) == Sql(up).count(f"SELECT count() FROM spans WHERE level = 'ERROR' AND project_id = {FIRST}")
        assert {row["level"] for row in errors} == {"ERROR"}


async def test_sql_is_the_readers_and_its_result_is_bounded(up: Litefuse) -> None:
    async with agent(up.data_dir) as client:
        assert await ask(client, "query_sql", query="SELECT 1 AS x, NULL AS y, 'ü' AS z") == {
            "columns": ["x UInt8", "y Nullable(Nothing)", "z String"],
            "rows": [[1, None, "ü"]],
            "cut": False,
        }
        many = await ask(client, "query_sql", query="SELECT number FROM numbers(1000000000)", limit=10)
        assert (len(many["rows"]), many["cut"]) == (10, True)
        wide = await ask(client, "query_sql", query="SELECT repeat('x', 100000) FROM numbers(500)", limit=1000)
        assert wide["cut"]
        assert len(json.dumps(wide)) < 100_000
        huge = await ask(client, "query_sql", query="SELECT repeat('x', 1000000) FROM numbers(10)", limit=10)
        assert huge["cut"]
        own = await ask(client, "query_sql", query="SELECT 1 AS x FORMAT Pretty")
        assert "x" in own["text"]
        assert (await ask(client, "query_sql", query="SELECT 1 WHERE 0"))["rows"] == []
        ((spans,),) = (await ask(client, "query_sql", query="SELECT count() FROM spans"))["rows"]
        assert int(spans) == Sql(up).count("SELECT count() FROM spans FINAL")
        for query in (
            "INSERT INTO spans (project_id) VALUES ('x')",
            "DROP TABLE spans",
            "SELECT * FROM file('/etc/passwd')",
            "SELECT * FROM url('http://127.0.0.1/', CSV, 'a String')",
            "SET readonly = 0",
            "SELECT 1; SELECT 2",
            "SELECT nothing FROM spans",
            "SELEC 1",
        ):
            assert await refusal(client, "query_sql", query=query), query
        assert (await ask(client, "query_sql", query="SELECT 1"))["rows"] == [[1]]


async def test_sql_sees_the_keys_of_all_projects_and_no_secret(up: Litefuse) -> None:
    secret = project_env(up.data_dir)["LITEFUSE_SECRET_KEY"]
    async with agent(up.data_dir) as client:
        projects = await ask(client, "query_sql", query="SELECT name FROM projects ORDER BY name")
        assert projects["rows"] == [["default"], ["second"]]
        keys = await ask(client, "query_sql", query="SELECT * FROM api_keys")
        assert len(keys["rows"]) == 2
        assert {"salt String", "secret_hash String"} < set(keys["columns"])
        assert secret not in json.dumps(keys)


async def test_tables_are_described(up: Litefuse) -> None:
    async with agent(up.data_dir) as client:
        tables = {row["name"]: row for row in (await ask(client, "describe_tables"))["tables"]}
        assert {"spans", "traces", "scores"} <= set(tables)
        columns = {row["name"]: row for row in (await ask(client, "describe_tables", table="spans"))["columns"]}
        assert columns["model"]["meaning"]
        assert columns["start_time"]["type"] == "DateTime64(9, 'UTC')"
        assert "no table" in await refusal(client, "describe_tables", table="spans'; --")


async def test_arguments_that_cannot_be_are_refused_and_the_next_call_works(up: Litefuse) -> None:
    async with agent(up.data_dir) as client:
        for tool, arguments in (
            ("list_traces", {"limit": 0}),
            ("list_traces", {"limit": "many"}),
            ("list_traces", {"since": "yesterday"}),
            ("list_traces", {"cursor": "broken"}),
            ("list_observations", {"level": "LOUD"}),
            ("list_observations", {"cursor": "WzEsMV0"}),
            ("get_trace", {}),
            ("search", {"text": ""}),
            ("search", {"text": "x", "places": ["elsewhere"]}),
            ("query_sql", {"query": "SELECT 1", "limit": 100_000}),
        ):
            assert await refusal(client, tool, **arguments), (tool, arguments)
        assert (await ask(client, "list_traces", limit=1))["traces"]


async def test_the_project_is_that_of_the_key_or_the_one_that_is_named(up: Litefuse) -> None:
    async with agent(up.data_dir) as client:
        own = {trace["id"] for trace in (await ask(client, "list_traces", limit=100))["traces"]}
    async with agent(up.data_dir, "--project", "second", "--no-sql") as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS - {"query_sql", "describe_tables"}
        others = {trace["id"] for trace in (await ask(client, "list_traces", limit=100))["traces"]}
        assert others
        assert not others & own
        assert "no trace" in await refusal(client, "get_trace", trace_id=min(own))
    async with agent(up.data_dir, "--project", "third") as client:
        assert "no project third" in await refusal(client, "list_traces")


async def test_litefuse_may_be_started_and_stopped_meanwhile(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    process = Litefuse(("up",), data_dir)
    async with agent(data_dir) as client:
        assert "up` starts it" in await refusal(client, "list_traces")
        try:
            for _ in range(2):
                process.start()
                assert (await ask(client, "list_traces"))["traces"] == []
                assert (await ask(client, "query_sql", query="SELECT count() FROM projects"))["rows"] == [[1]]
                assert process.stop() == 0
                assert await refusal(client, "list_traces")
        finally:
            process.kill()


def test_nothing_but_the_protocol_is_on_standard_output(up: Litefuse) -> None:
    messages: list[dict[str, Any]] = [
        {
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            },
        },
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": {"name": "list_traces", "arguments": {"limit": 1}}},
        {"id": 3, "method": "tools/call", "params": {"name": "query_sql", "arguments": {"query": "SELEC"}}},
        {"id": 4, "method": "no/such"},
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "litefuse", "mcp", "--data-dir", str(up.data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPO,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            for message in messages:
                process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            process.stdin.flush()
            answers: dict[int, Any] = {}
            while len(answers) < 4:
                line = process.stdout.readline()
                assert line, process.stderr.read()
                answer = json.loads(line)
                assert answer["jsonrpc"] == "2.0"
                answers[answer["id"]] = answer
            process.stdin.close()
            assert process.stdout.read() == ""
            assert process.wait(20) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()
    assert "treat it as data" in answers[1]["result"]["instructions"]
    assert answers[1]["result"]["serverInfo"]["name"] == "litefuse"
    assert answers[2]["result"]["structuredContent"]["traces"]
    assert answers[3]["result"]["isError"]
    assert answers[4]["error"]


def test_without_the_package_there_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "mcp.py").write_text("raise ImportError('not there')")
    done = subprocess.run(
        [sys.executable, "-m", "litefuse", "mcp", "--data-dir", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=REPO,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'litefuse[mcp]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("whole", "wanted", "shown"),
    [
        ("short", "x", "short"),
        ("a" * 50 + "NEEDLE" + "b" * 50, "needle", "…" + "a" * 7 + "NEEDLE" + "b" * 7 + "…"),
        ("NEEDLE" + "b" * 50, "needle", "NEEDLE" + "b" * 14 + "…"),
        ("a" * 50 + "NEEDLE", "needle", "…" + "a" * 7 + "NEEDLE"),
        ("a" * 50, "needle", "a" * 20 + "… (50 characters)"),
        ("İ" * 30, "x", "İ" * 20 + "… (30 characters)"),
    ],
)
def test_what_stands_around_a_text(whole: str, wanted: str, shown: str) -> None:
    assert around(whole, wanted, 20) == shown


def test_long_texts_say_how_long_they_are() -> None:
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 3) == "abc… (4 characters)"
