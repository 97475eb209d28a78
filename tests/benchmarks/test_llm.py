"""The generator of LLM traffic: always the same, whole traces, in every convention, few users with most of it."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from benchmarks.llm.dialects import DIALECTS
from benchmarks.llm.people import DAY, DAYS, moment
from benchmarks.llm.traffic import UNTIL_NS, Request, requests
from litefuse.otlp import wire

SPANS = 8000


@pytest.fixture(scope="module")
def made() -> list[Request]:
    return list(requests(SPANS))


@pytest.fixture(scope="module")
def by_trace(made: list[Request]) -> dict[bytes, list[tuple[str, Span]]]:
    found: dict[bytes, list[tuple[str, Span]]] = defaultdict(list)
    for scope, span in _spans(made):
        found[span.trace_id].append((scope, span))
    return found


def _spans(made: list[Request]) -> Iterator[tuple[str, Span]]:
    for request in made:
        for resource_spans in ExportTraceServiceRequest.FromString(request.data).resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    yield scope_spans.scope.name, span


def _digest(made: list[Request]) -> str:
    return hashlib.sha256(b"".join(request.data for request in made)).hexdigest()


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    first, again, other = (_digest(list(requests(500, seed))) for seed in (1, 1, 2))
    assert first == again != other


def test_about_as_many_spans_as_asked_for_and_all_are_counted(made: list[Request]) -> None:
    assert SPANS <= sum(r.spans for r in made) < SPANS + 1000
    assert all(r.spans == sum(1 for _ in wire.spans(r.data)) for r in made)
    assert 0.4 < sum(r.llm_spans for r in made) / sum(r.spans for r in made) < 0.9


def test_every_trace_is_whole_and_has_one_root(by_trace: dict[bytes, list[tuple[str, Span]]]) -> None:
    for spans in by_trace.values():
        ids = {span.span_id for _, span in spans}
        assert len(ids) == len(spans)
        assert sum(not span.parent_span_id for _, span in spans) == 1
        assert all(span.parent_span_id in ids for _, span in spans if span.parent_span_id)
        assert all(span.end_time_unix_nano >= span.start_time_unix_nano for _, span in spans)


def test_every_convention_has_its_share(by_trace: dict[bytes, list[tuple[str, Span]]]) -> None:
    traces = Counter(scope for spans in by_trace.values() for scope in {scope for scope, _ in spans})
    for dialect in DIALECTS.values():
        assert traces[dialect.scope[0]] > len(by_trace) / 20


def test_a_model_is_asked_with_all_that_was_said_before(by_trace: dict[bytes, list[tuple[str, Span]]]) -> None:
    key = "gen_ai.input.messages"
    longest: list[int] = max(
        (
            [
                len(orjson.loads(a.value.string_value))
                for _, span in sorted(spans, key=lambda s: s[1].start_time_unix_nano)
                for a in span.attributes
                if a.key == key
            ]
            for spans in by_trace.values()
        ),
        key=len,
    )
    assert len(longest) > 3
    assert longest[:4] == sorted(set(longest[:4]))


def test_there_are_errors_first_tokens_and_embeddings(made: list[Request]) -> None:
    spans = [span for _, span in _spans(made)]
    keys = Counter(a.key for span in spans for a in span.attributes)
    assert 0 < sum(span.status.code == 2 for span in spans) < len(spans) / 10
    for key in (
        "gen_ai.response.time_to_first_chunk",
        "langfuse.observation.completion_start_time",
        "llm.token_count.prompt_details.cache_read",
        "embedding.model_name",
        "mlflow.chat.tokenUsage",
        "db.system.name",
        "http.request.method",
    ):
        assert keys[key], key


def test_few_users_ask_most(made: list[Request]) -> None:
    users = Counter(
        a.value.string_value
        for _, span in _spans(made)
        for a in span.attributes
        if a.key in ("user.id", "langfuse.user.id")
    )
    most = sum(count for _, count in users.most_common(len(users) // 10))
    assert most > sum(users.values()) * 0.3


def test_traffic_grows_over_a_month_and_never_goes_back() -> None:
    times = [moment(i / 1000, UNTIL_NS) for i in range(1001)]
    assert times == sorted(times)
    assert times[-1] == UNTIL_NS
    assert pytest.approx(times[0], abs=DAY) == UNTIL_NS - DAYS * DAY
    assert sum(t > UNTIL_NS - 7 * DAY for t in times) > 600
