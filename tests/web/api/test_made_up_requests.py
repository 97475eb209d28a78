"""Requests made up from the OpenAPI document, against a running Litefuse with rows of real clients: nothing that can be asked
is an error of ours, and every answer is what the document says.

The requests are the same in every run. They are made from the schemas of parameters and bodies, within and outside of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.corpus_files import CORPUS
from tests.processes import Litefuse, litefuse, project_env, run
from tests.sql import Sql
from tests.waiting import eventually
from web.api.openapi import written

SENT = ("langfuse_v3", "openai_agents_oi", "plain_otel", "openinference_langchain")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
#: Of the systematic requests to one route, so many are sent, and of those after that each third: a minute in all.
FIRST, THEN_EACH = 40, 3
#: Logs and metrics are refused with 501, whatever is sent.
schema = schemathesis.openapi.from_dict(written()).exclude(path_regex=r"/otel/v1/(logs|metrics)$")
made: Counter[str] = Counter()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Litefuse]:
    with litefuse("up", data_dir=tmp_path_factory.mktemp("up") / "data") as process:
        for client in SENT:
            assert run("send", str(CORPUS / client), data_dir=process.data_dir).returncode == 0
        eventually(lambda: Sql(process).count("SELECT count() FROM spans") > 2000, 30)
        yield process


def keys(up: Litefuse) -> tuple[str, str]:
    env = project_env(up.data_dir)
    return env["LITEFUSE_PUBLIC_KEY"], env["LITEFUSE_SECRET_KEY"]


@schema.parametrize()
@settings(
    max_examples=8,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_whatever_is_asked(up: Litefuse, case: schemathesis.Case[Any]) -> None:
    made[case.operation.label] += 1
    number = made[case.operation.label]
    if number <= FIRST or number % THEN_EACH == 0:
        case.validate_response(case.call(base_url=up.url, auth=keys(up)), checks=CHECKS)


#: Path → what to ask it with beside the defaults.
READ: dict[str, list[dict[str, Any]]] = {
    "/traces": [{"limit": 100}, {"fields": "core,io"}, {"fields": "scores,metrics", "orderBy": "name.asc"}],
    "/traces/{traceId}": [{}, {"fields": "core"}],
    "/observations": [{"limit": 100}, {"type": "GENERATION"}],
    "/observations/{observationId}": [{}],
    "/v2/observations": [
        {"limit": 1000},
        *(
            {"fields": group, "limit": 100}
            for group in ("basic", "time", "io", "metadata", "model", "usage", "prompt", "metrics", "trace_context")
        ),
    ],
    "/sessions": [{}],
    "/sessions/{sessionId}": [{}],
    "/scores": [{}],
    "/scores/{scoreId}": [{}],
    "/v2/scores": [{}, {"fields": "score"}],
    "/v2/scores/{scoreId}": [{}],
    "/v3/scores": [{}, {"fields": "details,subject,annotation"}],
    "/metrics/daily": [{"limit": 100}],
    "/otel/v1/traces/{traceId}": [{}],
    "/projects": [{}],
}


def test_what_real_clients_sent_is_as_the_document_says(up: Litefuse) -> None:
    sql = Sql(up)

    def ask(method: str, path: str, status: int, *, query: Any = None, body: Any = None, **ids: str) -> None:
        operation = schema["/api/public" + path][method]
        given: dict[str, Any] = {} if body is None else {"body": body, "media_type": "application/json"}
        case = operation.Case(path_parameters=dict(ids), query=query, **given)
        response = case.call(base_url=up.url, auth=keys(up))
        assert response.status_code == status, (path, query, response.text[:500])
        case.validate_response(response, checks=CHECKS)

    traces = [row["id"] for row in sql("SELECT DISTINCT trace_id AS id FROM spans ORDER BY id")]
    spans = [row["id"] for row in sql("SELECT DISTINCT span_id AS id FROM spans ORDER BY id LIMIT 40")]
    sessions = [row["id"] for row in sql("SELECT DISTINCT session_id AS id FROM spans WHERE session_id != ''")]
    assert min(map(len, (traces, spans, sessions))) > 0
    scores: list[dict[str, object]] = [
        {"id": "n", "traceId": traces[0], "name": "number", "value": 0.5, "comment": "c", "metadata": {"a": [1]}},
        {"id": "b", "traceId": traces[0], "name": "bool", "value": 1, "dataType": "BOOLEAN"},
        {"id": "c", "traceId": traces[0], "observationId": spans[0], "name": "category", "value": "good"},
        {"id": "t", "traceId": traces[0], "name": "text", "value": "said", "dataType": "TEXT"},
        {"id": "s", "sessionId": sessions[0], "name": "session", "value": 1},
    ]
    for score in scores:
        ask("post", "/scores", 200, body=score)
    ask("post", "/scores", 202, body=scores)
    ask("post", "/scores", 207, body=[*scores, {"name": "of nothing"}])
    ids = {"traceId": traces, "observationId": spans, "sessionId": sessions, "scoreId": ["n", "b", "c"]}
    for path, queries in READ.items():
        name = path.partition("{")[2].rstrip("}")
        for query in queries:
            for id_ in ids[name] if name else [""]:
                ask("get", path, 200, query=query, **({name: id_} if name else {}))
    read = {path for path, methods in written()["paths"].items() if "get" in methods}
    unread = read - {"/api/public" + path for path in READ}
    assert unread == {
        f"/api/public/{name}" for name in ("openapi.json", "docs", "health", "ready", "metrics", "v2/metrics")
    }
