"""Every client of the corpus sent to a running Litefuse, and read back by the public API: what `expected.json` says."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests import corpus_api, corpus_expected
from tests.corpus_files import CORPUS
from tests.corpus_merge import Trace
from tests.e2e.test_corpus import expected as spans_sent
from tests.processes import litefuse, run
from tests.sql import Sql
from tests.talking import Up
from tests.waiting import eventually

PAGE = 50


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with litefuse("up", data_dir=tmp_path_factory.mktemp("corpus") / "data") as process:
        sent = run("send", str(CORPUS), "--endpoint", process.url, data_dir=process.data_dir)
        assert sent.returncode == 0, sent.stdout + sent.stderr
        sql, spans, traces = Sql(process), len(spans_sent()), len({trace_id for trace_id, _ in spans_sent()})
        eventually(lambda: sql.count("SELECT count() FROM spans") == spans, 60)
        # ClickHouse shows a block's spans a moment before what its view makes of them.
        eventually(lambda: sql.count("SELECT count() FROM traces") == traces, 60)
        yield Up(process)


def read(up: Up, client: str) -> dict[str, Trace]:
    ids = [trace["trace_id"] for trace in json.loads((CORPUS / client / "expected.json").read_text())["traces"]]
    return {id_: corpus_api.trace(up.get(f"/traces/{id_}"), up.get(f"/otel/v1/traces/{id_}")) for id_ in ids}


@pytest.mark.parametrize("client", corpus_expected.clients())
def test_every_field_is_right(up: Up, client: str) -> None:
    wrong = [check for check in corpus_expected.compared(client, read(up, client)) if not check.right]
    assert [check for check in wrong if not check.unsent] == []


def test_lists_have_every_trace_and_every_observation_once(up: Up) -> None:
    traces: list[str] = []
    while True:
        page = up.get(f"/traces?limit={PAGE}&page={len(traces) // PAGE + 1}&fields=core")
        traces += [trace["id"] for trace in page["data"]]
        if len(page["data"]) < PAGE:
            break
    assert sorted(traces) == sorted({trace_id for trace_id, _ in spans_sent()})
    assert page["meta"]["totalItems"] == len(traces)
    found: list[tuple[str, str]] = []
    cursor = ""
    while True:
        answer = up.get(f"/v2/observations?limit=1000{cursor}")
        found += [(row["traceId"], row["id"]) for row in answer["data"]]
        if "cursor" not in answer["meta"]:
            break
        cursor = f"&cursor={answer['meta']['cursor']}"
    assert sorted(found) == sorted(spans_sent())


def test_the_list_and_the_trace_say_the_same(up: Up) -> None:
    """A page's fields are those of the trace itself; its observations and scores are ids."""
    for listed in up.get("/traces?limit=100")["data"]:
        whole = up.get(f"/traces/{listed['id']}")
        assert listed["observations"] == [observation["id"] for observation in whole["observations"]]
        for name in ("name", "userId", "sessionId", "tags", "input", "output", "environment", "totalCost", "timestamp"):
            assert listed[name] == whole[name], (name, listed["id"])
