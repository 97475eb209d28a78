"""Usage (otel-mapping.md section 11): what is a count, the order of its sources, MLflow, the total, columns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.worker.map.usages import GENERIC, details, used
from worker.map.counts import MAX_COUNT
from worker.map.usage import Tokens, token_sums

# --- 11: what is a count ---


@pytest.mark.parametrize(
    ("value", "count"),
    [(5, 5), ("5", 5), (" 5 ", 5), (5.0, 5), ("0", 0), (0, 0), (MAX_COUNT, MAX_COUNT), (str(MAX_COUNT), MAX_COUNT)],
)
def test_section_11_strings_and_whole_numbers_are_counts(value: Any, count: int) -> None:
    assert used({"gen_ai.usage.input_tokens": value}) == {"input": count, "total": count}


@pytest.mark.parametrize(
    "value",
    [
        -1,
        "-1",
        1.5,
        "1.5",
        "many",
        "1_000",
        "",
        True,
        False,
        "true",
        [5],
        {"n": 5},
        float("nan"),
        float("inf"),
        1 << 63,
        "9" * 50,
    ],
)
def test_section_11_what_is_no_count_is_dropped_and_its_neighbours_stay(value: Any) -> None:
    found = used({"gen_ai.usage.input_tokens": value, "gen_ai.usage.output_tokens": 6, "gen_ai.usage.odd": value})
    assert found == {"output": 6, "total": 6}


def test_wb_21_a_boolean_or_an_empty_text_is_no_count() -> None:
    assert used({"gen_ai.usage.input_tokens": True, "gen_ai.usage.output_tokens": ""}) == {}


def test_a_spelling_without_a_count_does_not_hide_the_next() -> None:
    assert used({"gen_ai.usage.prompt_tokens": "", "gen_ai.usage.input_tokens": 5})["input"] == 5


@pytest.mark.parametrize("operation", ["invoke_agent", "agent_step"])
@pytest.mark.parametrize("key", ["gen_ai.usage.input_tokens", "langfuse.observation.usage_details"])
def test_section_11_agents_that_repeat_totals_have_no_usage(operation: str, key: str) -> None:
    value = 5 if key.startswith("gen_ai") else '{"input": 5}'
    assert used({"gen_ai.operation.name": operation, key: value}) == {}
    assert used({"gen_ai.operation.name": "chat", key: value}) != {}


def test_sums_do_not_overflow() -> None:
    found = used({"gen_ai.usage.input_tokens": MAX_COUNT, "gen_ai.usage.output_tokens": MAX_COUNT})
    assert found["total"] == MAX_COUNT
    assert token_sums({"input": MAX_COUNT, "input_cached_tokens": MAX_COUNT}).input == MAX_COUNT


# --- 11.1: order ---


def test_section_11_1_row_1_usage_details_win_in_every_scope() -> None:
    for scope in ("", "ai", "genkit-tracer", "gcp.vertex.agent"):
        found = used({"langfuse.observation.usage_details": '{"input": 1}', **GENERIC}, scope)
        assert found == {"input": 1, "total": 1}


@pytest.mark.parametrize("value", ["", "{", "{}", '{"input": "many"}'])
def test_section_11_1_row_1_bad_json_or_nothing_passes_on(value: str) -> None:
    assert used({"langfuse.observation.usage_details": value, **GENERIC}) == {"input": 26, "output": 6, "total": 32}


@pytest.mark.parametrize("value", ["[1, 2]", "3", '"text"', "null", [1], 5, True])
def test_wb_20_usage_details_that_are_no_object_pass_on(value: Any) -> None:
    assert used({"langfuse.observation.usage_details": value, **GENERIC})["input"] == 26


def test_section_11_1_row_2_genkit() -> None:
    counts = {"inputTokens": 20, "outputTokens": 12, "thoughtsTokens": 5, "totalTokens": 40, "cachedContentTokens": 3}
    found = used({"genkit:output": json.dumps({"usage": counts})}, "genkit-tracer")
    assert found == {"input": 20, "output": 7, "output_reasoning": 5, "total": 40}


def test_section_11_1_row_2_genkit_leaves_zeros_out() -> None:
    counts = {"inputTokens": 20, "outputTokens": 4, "thoughtsTokens": 9, "totalTokens": 0}
    assert used({"genkit:output": json.dumps({"usage": counts})}, "genkit-tracer") == {
        "input": 20,
        "output_reasoning": 9,
        "total": 24,
    }


def test_section_11_1_row_2_genkit_needs_its_scope() -> None:
    output = json.dumps({"usage": {"inputTokens": 20}})
    assert used({"genkit:output": output}) == {}
    assert used({"genkit:output": output, **GENERIC}, "other")["input"] == 26
    assert used({"genkit:output": '{"usage": [7]}', **GENERIC}, "genkit-tracer")["input"] == 26


def adk(cached: Any, **attributes: Any) -> dict[str, int]:
    response = json.dumps({"usage_metadata": {"cached_content_token_count": cached}})
    return used({"gcp.vertex.agent.llm_response": response, **GENERIC, **attributes}, "gcp.vertex.agent")


def test_section_11_1_row_4_adk_takes_cached_tokens_from_its_response() -> None:
    assert adk(8) == {"input": 18, "input_cached_tokens": 8, "output": 6, "total": 32}
    assert adk(99)["input"] == 0


@pytest.mark.parametrize("cached", [0, None, -3, "x", [8]])
def test_section_11_1_row_4_adk_without_a_cached_count(cached: Any) -> None:
    assert adk(cached) == {"input": 26, "output": 6, "total": 32}


def test_section_11_1_row_4_adk_a_sent_cached_count_wins() -> None:
    assert adk(8, **{"gen_ai.usage.cache_read.input_tokens": 0})["input_cached_tokens"] == 0


def test_section_11_1_row_4_adk_needs_its_scope() -> None:
    response = json.dumps({"usage_metadata": {"cached_content_token_count": 8}})
    assert "input_cached_tokens" not in used({"gcp.vertex.agent.llm_response": response, **GENERIC})


def test_section_11_1_row_5_generic_for_every_other_scope() -> None:
    assert used(GENERIC, "openinference.instrumentation.openai") == {"input": 26, "output": 6, "total": 32}


# --- 11.1 row 6 and section 19: MLflow ---

MLFLOW = {
    "input_tokens": 100,
    "output_tokens": 10,
    "total_tokens": 110,
    "cache_read_input_tokens": 60,
    "cache_creation_input_tokens": 30,
    "cache_creation_input_tokens_above_1hr": 20,
}


@pytest.mark.parametrize("kind", ["GENERATION", "EMBEDDING"])
@pytest.mark.parametrize("sent", [json.dumps(MLFLOW), MLFLOW])
def test_section_19_token_usage_of_mlflow(sent: Any, kind: str) -> None:
    assert used({"mlflow.chat.tokenUsage": sent}, kind=kind) == {
        "input": 10,
        "input_cached_tokens": 60,
        "input_cache_creation": 10,
        "input_cache_creation_1h": 20,
        "output": 10,
        "total": 110,
    }


@pytest.mark.parametrize("kind", ["AGENT", "CHAIN", "SPAN", "TOOL"])
def test_section_19_token_usage_only_of_model_calls(kind: str) -> None:
    assert used({"mlflow.chat.tokenUsage": json.dumps(MLFLOW)}, kind=kind) == {}


def test_wb_20_mlflow_only_when_nothing_else_gave_usage() -> None:
    assert used({"mlflow.chat.tokenUsage": json.dumps(MLFLOW), **GENERIC}) == {"input": 26, "output": 6, "total": 32}


def test_wb_23_total_of_mlflow_is_of_gross_counts() -> None:
    sent = {"input_tokens": 100, "output_tokens": 10, "cache_read_input_tokens": 60}
    assert used({"mlflow.chat.tokenUsage": json.dumps(sent)})["total"] == 110


# --- 11.5: total ---


def test_section_11_5_a_sent_total_is_kept_though_the_parts_do_not_add_up() -> None:
    assert used({"gen_ai.usage.total_tokens": 1, **GENERIC})["total"] == 1
    assert details({"input": 5, "output": 5, "total": 3})["total"] == 3


def test_section_11_5_missing_total_of_usage_details_is_the_sum_of_all_keys() -> None:
    assert details({"input": 5, "output": 2, "search_units": 3})["total"] == 10


def test_wb_23_missing_total_is_of_the_gross_counts_that_are_known() -> None:
    sent = {"gen_ai.usage.search_units": 7, "gen_ai.usage.cache_read.input_tokens": 30, **GENERIC}
    assert used(sent)["total"] == 32
    assert used({"gen_ai.usage.input_tokens": 26, "gen_ai.usage.search_units": 7})["total"] == 26
    assert used({"gen_ai.usage.search_units": 7, "gen_ai.usage.pages": 2})["total"] == 9


# --- columns ---


def test_columns_of_tokens_sum_all_kinds_of_input_and_of_output() -> None:
    found = {
        "input": 10,
        "input_cached_tokens": 5,
        "input_cache_read": 2,
        "output": 3,
        "output_reasoning": 4,
        "total": 24,
    }
    assert token_sums(found) == Tokens(input=17, output=7, total=24, cached=7, reasoning=4)
    assert token_sums({}) == Tokens(0, 0, 0, 0, 0)
