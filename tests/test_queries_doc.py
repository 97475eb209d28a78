"""docs/queries.md: every query runs as the reader over the captured corpus and a month of generated traffic, and what it
says makes sense. docs/mapping.md names what the mapping reads."""

from __future__ import annotations

import base64
import itertools
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.inputs import Body, llm_spans
from benchmarks.llm.traffic import requests
from benchmarks.load import PATH
from schemas.conventions import FIELDS
from tests.corpus_files import CORPUS
from tests.processes import REPO, Litefuse, litefuse, project_env, run
from tests.sql import Sql
from tests.waiting import eventually
from worker.map.gate import TEXTS, speaks

Row = dict[str, Any]

PAGE = (REPO / "docs" / "queries.md").read_text()
#: Title → query.
QUERIES = dict(re.findall(r"^### (.*?)\n.*?^```sql\n(.*?)^```", PAGE, re.S | re.M))
#: Not over hours of traffic alone: the last day has to have all that the queries ask for.
SPANS = 12_000


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Litefuse]:
    with litefuse("up", data_dir=tmp_path_factory.mktemp("queries") / "data") as process:
        sent = run("send", str(CORPUS), "--endpoint", process.url, data_dir=process.data_dir)
        assert sent.returncode == 0, sent.stdout + sent.stderr
        made = [Body(r.data, r.spans) for r in requests(SPANS, until_ns=time.time_ns())]
        for body in made:
            _post(process, body)
        sql = Sql(process)
        total = sum(body.spans for body in made)
        eventually(lambda: sql.count("SELECT count() FROM spans WHERE scope_name != ''") >= total, 120)
        yield process


def _post(process: Litefuse, body: Body) -> None:
    keys = project_env(process.data_dir)
    headers = {"Content-Type": body.content_type, "Authorization": _basic(keys)}
    request = urllib.request.Request(f"{process.url}{PATH}", body.data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.read() == b""


def _basic(keys: dict[str, str]) -> str:
    pair = f"{keys['LITEFUSE_PUBLIC_KEY']}:{keys['LITEFUSE_SECRET_KEY']}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


# -- what each query has to find -----------------------------------------------------------------------------------------


def falls(rows: list[Row], column: str) -> bool:
    """In descending order; null, which is not known, goes to the end."""
    values = [float(row[column]) for row in rows if row[column] is not None]
    return values == sorted(values, reverse=True)


def cost_by_model_and_day(rows: list[Row]) -> None:
    by_model = {row["model"] for row in rows}
    assert {"gpt-4o-mini-2024-07-18", "claude-sonnet-4-20250514", "support-70b"} <= by_model
    assert any(row["usd"] and row["usd"] > 0 for row in rows)
    # The model of one's own has no price: its cost is not known, and not 0.
    assert all(row["usd"] is None for row in rows if row["model"] == "support-70b")


def cost_by_user_and_day(rows: list[Row]) -> None:
    days = [row["day"] for row in rows]
    assert days == sorted(days, reverse=True)
    assert max(days.count(day) for day in days) <= 10
    # Rounded: a user of one small call has cost 0.0000 that day.
    assert all(row["user"] and row["usd"] >= 0 for row in rows)
    assert sum(row["usd"] > 0 for row in rows) > len(rows) / 2


def sessions(rows: list[Row]) -> None:
    assert len(rows) == 20
    assert falls(rows, "usd")
    assert all(row["session"] and row["user"] and int(row["calls"]) > 0 for row in rows)


def traces(rows: list[Row]) -> None:
    assert len(rows) == 20
    assert falls(rows, "usd")
    assert all(int(row["tokens"]) > 0 for row in rows)


def tenants(rows: list[Row]) -> None:
    assert rows[0]["tenant"].startswith("tenant-")
    assert falls(rows, "usd")


def without_price(rows: list[Row]) -> None:
    assert {"support-70b"} <= {row["model"] for row in rows}
    assert "gpt-4o-mini-2024-07-18" not in {row["model"] for row in rows}


def cost_sources(rows: list[Row]) -> None:
    usd = {row["cost_source"]: row["usd"] for row in rows}
    assert usd["stated"] > 0
    assert usd["prices"] > 0
    assert usd[""] is None


def cached(rows: list[Row]) -> None:
    assert falls(rows, "cached")
    assert 0 < rows[0]["percent"] < 100
    assert all(int(row["cached"]) <= int(row["input"]) for row in rows)


def kinds(rows: list[Row]) -> None:
    of_model = {row["kind"]: int(row["tokens"]) for row in rows if row["model"] == "o4-mini-2025-04-16"}
    assert of_model.keys() == {"input", "output", "input_cached_tokens", "output_reasoning_tokens"}
    assert all(tokens > 0 for tokens in of_model.values())


def longest(rows: list[Row]) -> None:
    assert falls(rows, "output_tokens")
    assert all(row["output_preview"] and row["model"] for row in rows)


def first_token(rows: list[Row]) -> None:
    assert falls(rows, "p95_s")
    assert all(0 < row["p50_s"] <= row["p95_s"] < 60 for row in rows)


def speed(rows: list[Row]) -> None:
    assert len(rows) > 5
    assert all(0 < row["tokens_a_second"] < 10_000 for row in rows)


def tools(rows: list[Row]) -> None:
    by_name = {row["tool"]: row for row in rows}
    assert by_name["calculator"]["p95_ms"] < by_name["search_web"]["p95_ms"]
    assert sum(int(row["errors"]) for row in rows) > 0
    assert falls(rows, "p95_ms")


def runs(rows: list[Row]) -> None:
    assert falls(rows, "turns")
    assert int(rows[0]["turns"]) > 5
    assert all(int(row["tool_calls"]) > 0 for row in rows)


def error_rates(rows: list[Row]) -> None:
    assert falls(rows, "percent")
    assert {"gpt-4o", "gpt-4o-mini", "claude-sonnet-4"} <= {row["name"] for row in rows}
    assert 0 < next(row["percent"] for row in rows if row["name"] == "gpt-4o-mini") < 20
    assert all(row["most_often"] for row in rows if int(row["errors"]))


def tool_errors(rows: list[Row]) -> None:
    assert {row["level_message"] for row in rows} <= {"ToolError: upstream answered 503", "upstream answered 503"}
    assert all(row["trace"] and row["tool"] for row in rows)


def calls(rows: list[Row]) -> None:
    assert {row["tool"] for row in rows} == {"search_orders"}
    assert all('"query"' in row["arguments"] and row["model"] for row in rows)


def offered(rows: list[Row]) -> None:
    by_name = {row["tool"]: row for row in rows}
    assert {"search_orders", "run_sql", "calculator"} <= by_name.keys()
    assert 0 < int(by_name["run_sql"]["called"]) < int(by_name["run_sql"]["offered"])


def prompts(rows: list[Row]) -> None:
    versions = [row["prompt_version"] for row in rows if row["prompt_name"] == "agent"]
    assert len(versions) > 2
    assert versions == sorted(versions)
    assert all(row["usd_a_call"] is None or row["usd_a_call"] > 0 for row in rows)


def answers(rows: list[Row]) -> None:
    assert len(rows) == 20
    assert all(row["output_preview"] for row in rows)


def users(rows: list[Row]) -> None:
    assert falls(rows, "traces")
    assert rows[0]["user_id"].startswith("user-")
    assert all(int(row["sessions"]) <= int(row["traces"]) for row in rows)


def session(rows: list[Row]) -> None:
    assert len(rows) > 1
    assert [row["start_time"] for row in rows] == sorted(row["start_time"] for row in rows)
    assert any(row["output_preview"] for row in rows)


def tagged(rows: list[Row]) -> None:
    assert all("beta" in row["tags"] for row in rows)


def tree(rows: list[Row]) -> None:
    depths = [len(row["span"]) - len(row["span"].lstrip()) for row in rows]
    assert depths[0] == 0
    assert max(depths) >= 4
    # Each span is below its parent: one step to the right at most.
    assert all(after - before <= 2 for before, after in itertools.pairwise(depths))
    assert {row["type"] for row in rows} >= {"AGENT", "GENERATION", "TOOL"}


def conventions(rows: list[Row]) -> None:
    scopes = {row["scope_name"] for row in rows}
    assert {"langfuse-sdk", "mlflow.tracing.provider", "openinference.instrumentation.openai"} <= scopes


EXPECTED: dict[str, Callable[[list[Row]], None]] = {
    "Cost by model and day": cost_by_model_and_day,
    "Cost by user and day": cost_by_user_and_day,
    "Most expensive sessions": sessions,
    "Most expensive traces": traces,
    "Cost by something in the metadata": tenants,
    "Models without a price": without_price,
    "Where costs come from": cost_sources,
    "Tokens from the cache, and their share": cached,
    "Tokens by kind": kinds,
    "Longest answers": longest,
    "Time to first token by model": first_token,
    "Tokens a second by model": speed,
    "Slowest tools": tools,
    "Longest runs of agents": runs,
    "Error rate by model": error_rates,
    "Traces with an error in a tool": tool_errors,
    "What a tool was called with": calls,
    "Tools that are offered and how often they are called": offered,
    "Versions of a prompt: calls, cost, latency": prompts,
    "Answers with a word in them": answers,
    "Users of the last week": users,
    "A session from its beginning": session,
    "Traces with a tag": tagged,
    "A trace as a tree": tree,
    "Observations by type and convention": conventions,
}
#: What is made up and captured can be mapped: these find nothing.
NOTHING = {"Spans that could not be mapped"}

#: What stands for something of one's own in a query → a query for one that is there.
STAND_INS = {
    "0123456789abcdef0123456789abcdef": "SELECT trace_id AS found FROM spans WHERE type IN ('TOOL', 'AGENT') "
    "AND start_time > now() - INTERVAL 30 DAY GROUP BY trace_id HAVING uniq(type) = 2 ORDER BY count() DESC LIMIT 1",
    "session-0123456789ab": "SELECT session_id AS found FROM traces WHERE session_id LIKE 'session-%' "
    "GROUP BY session_id ORDER BY count() DESC LIMIT 1",
}


def test_every_query_of_the_page_has_an_expectation() -> None:
    assert QUERIES.keys() == EXPECTED.keys() | NOTHING
    assert PAGE.count("```sql") == len(QUERIES)


@pytest.mark.parametrize("title", [*EXPECTED, *sorted(NOTHING)])
def test_a_query_finds_what_it_promises(title: str, up: Litefuse) -> None:
    sql = Sql(up)
    query = QUERIES[title]
    for stand_in, one in STAND_INS.items():
        if stand_in in query:
            query = query.replace(stand_in, str(sql(one)[0]["found"]))
    rows = sql(query)
    if title in NOTHING:
        assert rows == []
    else:
        assert rows
        EXPECTED[title](rows)


# -- docs/mapping.md -----------------------------------------------------------------------------------------------------

MAPPING = (REPO / "docs" / "mapping.md").read_text()
_NAMES = set(re.findall(r"`([a-z_]+[.:][A-Za-z_.:]+)`", MAPPING))


def test_every_attribute_of_a_field_is_in_the_mapping_page() -> None:
    for names in FIELDS.values():
        for name in names:
            behind = name.rpartition(".")[2] if "metadata.langfuse_" in name else name
            assert f"`{behind}`" in MAPPING, name


def test_attributes_in_the_mapping_page_are_ones_that_are_read() -> None:
    known = {key for body in llm_spans() for key in _keys(body)} | set(TEXTS)
    for name in _NAMES - {"service.version", "traces.user_id"}:
        assert speaks(name) or name in known, name


def _keys(body: Body) -> set[str]:
    message = ExportTraceServiceRequest.FromString(body.data)
    spans = [s for of_resource in message.resource_spans for group in of_resource.scope_spans for s in group.spans]
    return {attribute.key for span in spans for attribute in span.attributes}
