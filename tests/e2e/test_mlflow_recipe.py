"""The README's MLflow recipe run for real, with mlflow, openai and the OTLP exporter in an environment of their own.

The model API is a stand-in on this machine. What SQL shows is compared, field by field, with what the scripts themselves
gave to their exporters (tests/recipes/recorded.py), so nothing here knows what a release of MLflow puts into a span.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.envs import INSTALL_TIMEOUT, environment
from tests.processes import REPO, Litefuse, litefuse
from tests.recipes.model_api import ANSWERS, ModelApi, usage
from tests.sql import Sql
from tests.talking import Up
from tests.waiting import eventually

RECIPES = REPO / "tests" / "recipes"
RECIPE = RECIPES / "mlflow_recipe.py"
APP = RECIPES / "mlflow_app.py"
SHARED = {"MLFLOW_USE_DEFAULT_TRACER_PROVIDER": "false"}
"""MLflow takes part in the caller's traces; each span then goes by two exporters."""
BASE, TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"

Fields = dict[str, Any]
pytestmark = pytest.mark.timeout(INSTALL_TIMEOUT + 300)


@pytest.fixture(scope="module")
def python() -> Path:
    """With what the recipe's first line says."""
    command = re.match(r"# pip install (.+)\n", RECIPE.read_text())
    assert command is not None
    return environment("mlflow", *command[1].split())


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Litefuse]:
    with litefuse("up", data_dir=tmp_path_factory.mktemp("mlflow") / "data") as process:
        yield process


def printed(up: Litefuse) -> dict[str, str]:
    """The variables of the snippet that `litefuse up` printed, as a shell reads them."""
    words = [word for line in up.lines if line.startswith("export ") for word in shlex.split(line)[1:]]
    return dict(word.split("=", 1) for word in words)


def traces_alone(variables: dict[str, str]) -> dict[str, str]:
    """The same with the address of the traces in place of the one for all signals."""
    others = {name: value for name, value in variables.items() if name != BASE}
    return others | {TRACES: variables[BASE] + "/v1/traces"}


def run(python: Path, script: Path, home: Path, variables: Mapping[str, str]) -> list[list[Fields]]:
    """The script to its end; the calls of its exporters, each with the spans it was given."""
    home.mkdir()
    record = home / "record.jsonl"
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}  # else it fetches its settings from its makers
    with ModelApi() as api:
        done = subprocess.run(
            [str(python), str(RECIPES / "recorded.py"), str(script), str(record)],
            env={"PATH": os.defpath, "HOME": str(home), "LANG": "C.UTF-8", **quiet, **api.variables, **variables},
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    said = f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said
    assert api.requests, said
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [line for line in lines if isinstance(line, dict)] == [], "it tried to reach other machines"
    return lines


class Counted:
    """What the pipeline has counted since this was made."""

    def __init__(self, up: Litefuse) -> None:
        self._up = up
        self._sql = Sql(up)
        self._before = self._all()
        self._seen = self._sql.count("SELECT count() FROM spans")

    def _all(self) -> dict[str, float]:
        metric = self._up.metric
        return {
            "requests": metric("litefuse_requests_total", route="traces", status="200"),
            "spans": metric("litefuse_request_spans_total"),
            "rows": metric("litefuse_rows_inserted_total"),
        }

    def __call__(self, what: str) -> int:
        return int(self._all()[what] - self._before[what])

    def visible(self) -> int:
        """Rows of a plain SELECT by people's login."""
        return self._sql.count("SELECT count() FROM spans") - self._seen


def distinct(calls: list[list[Fields]]) -> dict[tuple[str, str], Fields]:
    """The spans by trace and span id. Copies of one have to be equal: the last is what has to be found."""
    found: dict[tuple[str, str], Fields] = {}
    for span in (span for call in calls for span in call):
        key = span["trace_id"], span["span_id"]
        assert found.setdefault(key, span) == span
    return found


# -- what the table has to hold for a recorded span --------------------------------------------------------------------

TYPES = {str: "string", bool: "bool", int: "int", float: "float", list: "json"}


def typed(prefix: str, attributes: Fields) -> Fields:
    maps: dict[str, Fields] = {f"{prefix}_{kind}": {} for kind in TYPES.values()}
    for key, value in attributes.items():
        maps[f"{prefix}_{TYPES[type(value)]}"][key] = value
    return maps


def as_text(attributes: Fields) -> dict[str, str]:
    return {
        key: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        for key, value in attributes.items()
    }


def types(attributes: Fields) -> dict[str, str]:
    return {key: TYPES[type(value)] for key, value in attributes.items() if not isinstance(value, str)}


def expected(span: Fields) -> Fields:
    events, links, scope = span["events"], span["links"], span["scope_attributes"]
    dropped = dict(zip(("attributes", "events", "links"), span["dropped"], strict=True))
    return {
        **{name: span[name] for name in ("trace_id", "span_id", "parent_span_id", "trace_state", "name", "kind")},
        **{name: span[name] for name in ("status_message", "resource_schema_url", "scope_version", "scope_schema_url")},
        "status_code": span["status"],
        "flags": flags(span["parent_is_remote"]),
        "start_time_unix_nano": span["start"],
        "end_time_unix_nano": span["end"],
        "toUnixTimestamp64Nano(start_time)": span["start"],
        "toUnixTimestamp64Nano(end_time)": span["end"],
        "duration_ns": span["end"] - span["start"],
        **typed("attributes", span["attributes"]),
        **typed("resource", span["resource"]),
        "attributes": as_text(span["attributes"]),
        "resource_attributes": as_text(span["resource"]),
        "service_name": span["resource"].get("service.name", ""),
        "scope_name": span["scope"],
        "scope_attributes": as_text(scope),
        "scope_attribute_types": types(scope),
        **{f"dropped_{what}_count": number for what, number in dropped.items()},
        "events.name": [event["name"] for event in events],
        "events.time_unix_nano": [event["time"] for event in events],
        "events.attributes": [as_text(event["attributes"]) for event in events],
        "events.attribute_types": [types(event["attributes"]) for event in events],
        "events.dropped_attributes_count": [event["dropped_attributes"] for event in events],
        "links.trace_id": [link["trace_id"] for link in links],
        "links.span_id": [link["span_id"] for link in links],
        "links.trace_state": [link["trace_state"] for link in links],
        "links.flags": [flags(link["is_remote"]) for link in links],
        "links.attributes": [as_text(link["attributes"]) for link in links],
        "links.attribute_types": [types(link["attributes"]) for link in links],
        "links.dropped_attributes_count": [link["dropped_attributes"] for link in links],
    }


def flags(is_remote: bool) -> int:
    """OTLP's SpanFlags as the SDK sets them: whether it is known that the context is remote, and whether it is."""
    return 0x100 | (0x200 if is_remote else 0)


def stored(up: Litefuse, spans: dict[tuple[str, str], Fields]) -> dict[tuple[str, str], Fields]:
    """The rows of these traces, as people's login sees them."""
    names = list(expected(next(iter(spans.values()))))
    columns = ", ".join(name if "(" in name else f"`{name}`" for name in names)
    traces = ", ".join(sorted({f"'{trace_id}'" for trace_id, _ in spans}))
    rows = Sql(up)(
        f"SELECT {columns} FROM spans WHERE trace_id IN ({traces}) SETTINGS output_format_json_quote_64bit_integers = 0"
    )
    for row in rows:
        for prefix in ("attributes", "resource"):
            row[f"{prefix}_json"] = {key: json.loads(text) for key, text in row[f"{prefix}_json"].items()}
    found = {(row["trace_id"], row["span_id"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def sent_and_found(up: Litefuse, python: Path, script: Path, home: Path, variables: Mapping[str, str]) -> Sent:
    """Run it, wait until all of it is through, and hold what SQL shows against what was sent."""
    counted = Counted(up)
    calls = run(python, script, home, variables)
    posted = sum(map(len, calls))
    assert counted("requests") == len(calls)
    assert counted("spans") == posted
    eventually(lambda: counted("rows") >= posted, 60)
    assert counted("rows") == posted, "each copy is a row of an insert"
    spans = distinct(calls)
    assert counted.visible() == len(spans)
    assert stored(up, spans) == {key: expected(span) for key, span in spans.items()}
    return Sent(posted, list(spans.values()))


class Sent:
    """Spans of one run: how many were posted, and the different ones."""

    def __init__(self, posted: int, spans: list[Fields]) -> None:
        self.posted = posted
        self.spans = spans

    def named(self, name: str) -> list[Fields]:
        return [span for span in self.spans if span["name"] == name]

    def by_mlflow(self) -> list[Fields]:
        """Model calls, as autologging records them."""
        return [span for span in self.spans if span["attributes"].get("mlflow.spanType") == '"CHAT_MODEL"']


# -- what people see of it ---------------------------------------------------------------------------------------------

USD_PER_TOKEN = {"input": Decimal("0.15e-6"), "output": Decimal("0.60e-6")}
"""gpt-4o-mini, of which no token is cached."""


def traces_seen(up: Litefuse, sent: Sent) -> dict[str, Fields]:
    """Trace id → its fields, and the sums over its spans."""
    ids = ", ".join(sorted({f"'{span['trace_id']}'" for span in sent.spans}))
    rows = Sql(up)(
        "SELECT t.trace_id AS trace_id, t.name AS name, user_id, session_id, tags, input_preview, output_preview, calls, "
        "tokens, toString(cost) AS cost FROM traces AS t JOIN (SELECT trace_id, countIf(type = 'GENERATION') AS calls, "
        f"sum(total_tokens) AS tokens, sum(total_cost) AS cost FROM spans WHERE trace_id IN ({ids}) GROUP BY trace_id) AS s "
        f"USING (trace_id) WHERE trace_id IN ({ids}) SETTINGS output_format_json_quote_64bit_integers = 0"
    )
    return {row.pop("trace_id"): row for row in rows}


def call_seen(up: Litefuse, span: Fields) -> Fields:
    """The LLM columns of a model call."""
    (row,) = Sql(up)(
        "SELECT type, model, provider, input, output, input_preview, output_preview, input_tokens, output_tokens, "
        "total_tokens, toString(total_cost) AS cost, cost_source, model_parameters, mapping_error FROM spans "
        f"WHERE trace_id = '{span['trace_id']}' AND span_id = '{span['span_id']}' "
        "SETTINGS output_format_json_quote_64bit_integers = 0"
    )
    return row


def assert_call(up: Litefuse, span: Fields, messages: list[Fields], parameters: dict[str, str]) -> Decimal:
    """A model call of the recipe as SQL shows it; its cost."""
    seen, question = call_seen(up, span), messages[-1]["content"]
    counts = usage({"messages": messages})
    assert seen["type"] == "GENERATION"
    assert seen["model"] in ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert json.loads(seen["input"])["messages"] == messages
    assert json.loads(seen["output"])["choices"][0]["message"]["content"] == ANSWERS[question]
    assert (seen["input_preview"], seen["output_preview"]) == (question, ANSWERS[question])
    tokens = (counts["prompt_tokens"], counts["completion_tokens"], counts["total_tokens"])
    assert (seen["input_tokens"], seen["output_tokens"], seen["total_tokens"]) == tokens
    cost: Decimal = tokens[0] * USD_PER_TOKEN["input"] + tokens[1] * USD_PER_TOKEN["output"]
    assert (Decimal(seen["cost"]), seen["cost_source"]) == (cost, "prices")
    assert seen["model_parameters"] == parameters
    assert seen["mapping_error"] == ""
    return cost


def assert_recipe(up: Litefuse, sent: Sent) -> None:
    """Who asked what in which session, what was answered and what it cost, in whatever traces."""
    traces = traces_seen(up, sent)
    (own,) = sent.named("OpenAI-Trace")
    trace = traces[own["trace_id"]]
    question = "What is OpenTelemetry?"
    assert (trace["name"], trace["user_id"], trace["session_id"]) == ("OpenAI-Trace", "user-123", "session-abc")
    assert trace["tags"] == ["demo", "staging"]
    assert (trace["input_preview"], trace["output_preview"]) == (question, ANSWERS[question])
    plain, asked = sorted(sent.by_mlflow(), key=lambda span: int(span["start"]))
    system = {"role": "system", "content": "You are a helpful assistant."}
    france = {"role": "user", "content": "What is the capital of France?"}
    assert_call(up, plain, [system, france], {"temperature": "0.1", "max_tokens": "100"})
    cost = assert_call(up, asked, [{"role": "user", "content": question}], {})
    of_call = traces[asked["trace_id"]]
    assert (of_call["calls"], Decimal(of_call["cost"])) == (1, cost)
    assert_read_by_the_api(up, own, asked, cost)


def assert_read_by_the_api(up: Litefuse, own: Fields, asked: Fields, cost: Decimal) -> None:
    """The same as the public API has it: the trace, and the call by itself."""
    question = "What is OpenTelemetry?"
    trace = Up(up).get(f"/traces/{own['trace_id']}")
    assert (trace["name"], trace["userId"], trace["sessionId"]) == ("OpenAI-Trace", "user-123", "session-abc")
    assert (trace["tags"], trace["input"], trace["output"]) == (["demo", "staging"], question, ANSWERS[question])
    call = Up(up).get(f"/observations/{asked['span_id']}")
    assert (call["type"], call["traceId"]) == ("GENERATION", asked["trace_id"])
    assert call["input"]["messages"] == [{"role": "user", "content": question}]
    assert call["output"]["choices"][0]["message"]["content"] == ANSWERS[question]
    counts = usage({"messages": [{"role": "user", "content": question}]})
    assert call["usage"]["total"] == call["usageDetails"]["total"] == counts["total_tokens"]
    assert call["calculatedTotalCost"] == pytest.approx(float(cost))
    (listed,) = Up(up).get(f"/traces?sessionId=session-abc&filter={quote(_only(own['trace_id']))}")["data"]
    assert listed["id"] == own["trace_id"]
    assert own["span_id"] in listed["observations"]


def _only(trace_id: str) -> str:
    return json.dumps([{"type": "string", "column": "id", "operator": "=", "value": trace_id}])


# -- the tests ---------------------------------------------------------------------------------------------------------


def test_the_readme_shows_the_recipe_that_is_tested() -> None:
    section = (REPO / "README.md").read_text().partition("\n## With MLflow\n")[2].partition("\n## ")[0]
    assert re.findall(r"```python\n(.*?)```", section, re.S) == [RECIPE.read_text()]


@pytest.mark.parametrize("names", [dict, traces_alone], ids=["as_printed", "traces_alone"])
def test_recipe(up: Litefuse, python: Path, tmp_path: Path, names: Any) -> None:
    """MLflow as it is: its spans are in traces of their own, and every span is posted once."""
    sent = sent_and_found(up, python, RECIPE, tmp_path / "home", names(printed(up)))
    assert sent.posted == len(sent.spans) == 3
    (own,) = sent.named("OpenAI-Trace")
    assert own["attributes"] == {
        "langfuse.user.id": "user-123",
        "langfuse.session.id": "session-abc",
        "langfuse.tags": ["staging", "demo"],
        "input.value": "What is OpenTelemetry?",
        "output.value": "OpenTelemetry is a vendor-neutral standard for traces, metrics and logs.",
    }
    assert len(sent.by_mlflow()) == 2
    assert_recipe(up, sent)
    assert len({span["trace_id"] for span in sent.spans}) == 3


@pytest.mark.parametrize("names", [dict, traces_alone], ids=["as_printed", "traces_alone"])
def test_recipe_in_one_trace_is_posted_twice_and_counted_once(
    up: Litefuse, python: Path, tmp_path: Path, names: Any
) -> None:
    sent = sent_and_found(up, python, RECIPE, tmp_path / "home", names(printed(up)) | SHARED)
    assert sent.posted == 2 * len(sent.spans) == 6
    (own,) = sent.named("OpenAI-Trace")
    (inner,) = [span for span in sent.by_mlflow() if span["trace_id"] == own["trace_id"]]
    assert inner["parent_span_id"] == own["span_id"]
    assert_recipe(up, sent)
    assert len({span["trace_id"] for span in sent.spans}) == 2


def test_streams_errors_events_and_links(up: Litefuse, python: Path, tmp_path: Path) -> None:
    sent = sent_and_found(up, python, APP, tmp_path / "home", traces_alone(printed(up)))
    streamed, failed = sorted(sent.by_mlflow(), key=lambda span: int(span["start"]))
    assert len(streamed["events"]) > 2
    assert failed["status"] == "ERROR"
    (failure,) = sent.named("failure")
    assert [event["name"] for event in failure["events"]] == ["exception"]
    (conversation,) = sent.named("conversation")
    assert [link["span_id"] for link in failure["links"]] == [conversation["span_id"]]
