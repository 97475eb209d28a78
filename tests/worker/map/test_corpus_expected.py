"""Every client of the corpus, in full: each field of its `expected.json` is what the rows of its spans show."""

from __future__ import annotations

import json

import pytest

from tests import corpus_expected
from tests.corpus_exclusions import UNSENT
from tests.corpus_files import CORPUS, captured


@pytest.mark.parametrize("client", corpus_expected.clients())
def test_every_field_is_right(client: str) -> None:
    wrong = [check for check in corpus_expected.checks(client) if not check.right and not check.unsent]
    assert not wrong


def test_what_was_not_sent_is_not_shown() -> None:
    """An entry of the table of exclusions that is no longer needed, or names nothing, is to go."""
    of_client = {client: corpus_expected.checks(client) for client in {client for client, _, _ in UNSENT}}
    failing = {(c.client, c.place, c.field) for checks in of_client.values() for c in checks if not c.right}
    assert failing == UNSENT.keys()


def test_every_client_that_sent_spans_is_compared() -> None:
    expected = {path.parent.name for path in CORPUS.glob("*/expected.json")}
    assert expected - set(corpus_expected.clients()) == {"langfuse_v2"}
    assert not any(request.name.startswith("langfuse_v2/") for request in captured())


@pytest.mark.parametrize("client", corpus_expected.clients())
def test_every_span_is_mapped_without_an_error(client: str) -> None:
    assert {row["mapping_error"] for row in corpus_expected.rows(client)} <= {""}


@pytest.mark.parametrize("client", corpus_expected.clients())
def test_previews_of_model_calls_are_the_last_words_and_the_answer(client: str) -> None:
    for row, asked, answer in corpus_expected.previews(client):
        begin = " ".join(asked.split())[:190]
        assert row["input_preview"].startswith(begin), row["observation_name"]
        if answer:
            assert row["output_preview"].startswith(" ".join(answer.split())[:190])
        else:
            calls = [f"{name}(" for name in row["tool_calls.name"]]
            assert row["output_preview"] or not row["output"]
            assert all(call in row["output_preview"] for call in calls)


#: Whose spans repeat the counts of others, so that a sum over all spans of a trace is twice that of its calls.
_REPEATED = {
    "openinference_anthropic": "the instrumentation's span and that of the SDK itself have the counts of the same call",
}


@pytest.mark.parametrize("client", corpus_expected.clients())
def test_tokens_of_a_trace_are_those_of_its_calls(client: str) -> None:
    wanted = json.loads((CORPUS / client / "expected.json").read_text())
    times = 2 if client in _REPEATED else 1
    for trace in wanted["traces"]:
        sent = [call for call in trace["model_calls"] if call["token_counts_sent"] == "as attributes"]
        spans = [row for row in corpus_expected.rows(client) if row["trace_id"] == trace["trace_id"]]
        said_by_hand = sum(int(g["usage"]["total"]) for g in trace.get("generations", []))
        counted = sum(row["input_tokens"] + row["output_tokens"] for row in spans)
        assert counted == times * sum(call["input_tokens"] + call["output_tokens"] for call in sent) + said_by_hand


#: Keys of `expected.json` that are compared; `note` is prose, and `scores` are not sent as spans.
_OF_TRACES = {
    *(
        "trace_id",
        "name",
        "user",
        "session",
        "tags",
        "metadata",
        "environment",
        "release",
        "version",
        "public",
        "input",
    ),
    *("output", "observations", "tree", "observation_types", "generations", "error", "error_spans", "attributes"),
    *("model_calls", "note", "scores"),
}
_OF_CALLS = {
    *("endpoint", "model", "stream", "messages", "output_text", "tool_calls", "input_tokens", "cached_input_tokens"),
    *("output_tokens", "reasoning_tokens", "token_counts_sent", "error", "status"),
}


def test_no_key_of_the_files_is_passed_over() -> None:
    for client in corpus_expected.clients():
        for trace in json.loads((CORPUS / client / "expected.json").read_text())["traces"]:
            assert trace.keys() <= _OF_TRACES
            assert all(call.keys() <= _OF_CALLS for call in trace["model_calls"])
