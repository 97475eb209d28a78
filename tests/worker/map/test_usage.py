"""Usage (otel-mapping.md section 11): every row of its tables, and what is no count."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.usage_names import USAGE_SPELLINGS
from worker.map.counts import MAX_COUNT
from worker.map.span import Span
from worker.map.usage import Tokens, token_sums, usage


def used(attributes: dict[str, Any], scope: str = "", kind: str = "GENERATION") -> dict[str, int]:
    return usage(Span(attributes=attributes, scope_name=scope), kind)


def details(value: Any) -> dict[str, int]:
    return used({"langfuse.observation.usage_details": value if isinstance(value, str) else json.dumps(value)})


GENERIC = {"gen_ai.usage.input_tokens": 26, "gen_ai.usage.output_tokens": 6}

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


# --- 11.2: usage_details ---


@pytest.mark.parametrize(("into", "out"), [("prompt", "completion"), ("input", "output")])
def test_section_11_2_shapes_of_openai(into: str, out: str) -> None:
    sent = {
        f"{into}_tokens": 100,
        f"{out}_tokens": 30,
        "total_tokens": 130,
        f"{into}_tokens_details": {"cached_tokens": 64, "audio_tokens": 0, "text_tokens": None},
        f"{out}_tokens_details": {"reasoning_tokens": 20},
    }
    assert details(sent) == {
        "input": 36,
        "input_cached_tokens": 64,
        "input_audio_tokens": 0,
        "output": 10,
        "output_reasoning_tokens": 20,
        "total": 130,
    }


def test_section_11_2_details_above_their_base_leave_zero_and_null_details_are_ignored() -> None:
    sent = {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 9},
    }
    assert details({**sent, "completion_tokens_details": None}) == {
        "input": 0,
        "input_cached_tokens": 9,
        "output": 2,
        "total": 7,
    }


def test_section_11_2_any_other_object_keeps_its_keys() -> None:
    assert details(
        {"input_tokens": 7, "searches": "2", "odd": 1.5, "deep": {"a": 1}, "negative": -1, "flag": True}
    ) == {
        "input_tokens": 7,
        "searches": 2,
        "total": 9,
    }


def test_wb_20_shapes_without_total_and_with_extra_keys() -> None:
    sent = {
        "input_tokens": 10,
        "output_tokens": 4,
        "input_tokens_details": {"cached_tokens": 6},
        "cost": "x",
        "images": 2,
    }
    assert details(sent) == {"input": 4, "input_cached_tokens": 6, "output": 4, "images": 2, "total": 16}


def test_wb_20_an_embedding_has_prompt_and_total_only() -> None:
    assert details({"prompt_tokens": 8, "total_tokens": 8}) == {"input": 8, "total": 8}


def test_wb_20_extra_keys_do_not_replace_those_of_the_shape() -> None:
    assert details({"prompt_tokens": 10, "completion_tokens": 4, "input": 99}) == {
        "input": 10,
        "output": 4,
        "total": 14,
    }


def test_section_21_no_nul_in_names_of_usage_details() -> None:
    assert details('{"a\\u0000b": 1}') == {"a\ufffdb": 1, "total": 1}


# --- 11.3: generic ---

PLAIN = [kind for kind in USAGE_SPELLINGS if kind in ("input", "output", "total")]


@pytest.mark.parametrize("prefix", ["gen_ai.usage.", "llm.token_count."])
@pytest.mark.parametrize(("kind", "spelling"), [(kind, s) for kind in PLAIN for s in USAGE_SPELLINGS[kind]])
def test_section_11_3_spellings_of_input_output_and_total(prefix: str, kind: str, spelling: str) -> None:
    assert used({prefix + spelling: 7}) == {kind: 7, "total": 7}


PARTS = [(kind, s) for kind, spellings in USAGE_SPELLINGS.items() if kind not in PLAIN for s in spellings]


@pytest.mark.parametrize("prefix", ["gen_ai.usage.", "llm.token_count."])
@pytest.mark.parametrize(("kind", "spelling"), PARTS)
def test_section_11_3_and_wb_21_spellings_of_parts_are_taken_out_of_their_base(
    prefix: str, kind: str, spelling: str
) -> None:
    base, gross = ("input", 26) if kind.startswith("input") else ("output", 6)
    found = used({**GENERIC, prefix + spelling: 4})
    assert found == {"input": 26, "output": 6, "total": 32} | {base: gross - 4, kind: 4}


@pytest.mark.parametrize("kind", list(USAGE_SPELLINGS))
def test_section_11_3_spellings_in_order_of_precedence(kind: str) -> None:
    spellings = USAGE_SPELLINGS[kind]
    sent = {f"gen_ai.usage.{spelling}": 100 + place for place, spelling in enumerate(spellings)}
    for place, spelling in enumerate(spellings):
        shuffled = dict(reversed(sent.items()))
        assert used(sent)[kind] == used(shuffled)[kind] == 100 + place
        del sent[f"gen_ai.usage.{spelling}"]


def test_section_11_3_one_pool_of_both_prefixes() -> None:
    sent = {
        "llm.token_count.prompt": 20,
        "gen_ai.usage.output_tokens": 5,
        "llm.token_count.prompt_details.cache_read": 4,
    }
    assert used(sent) == {"input": 16, "input_cached_tokens": 4, "output": 5, "total": 25}
    for attributes in (
        {"gen_ai.usage.total": 1, "llm.token_count.total": 2},
        {"llm.token_count.total": 2, "gen_ai.usage.total": 1},
    ):
        assert used(attributes) == {"total": 1}


def test_section_11_3_a_zero_hides_the_later_spelling() -> None:
    sent = {"gen_ai.usage.cache_read.input_tokens": 0, "gen_ai.usage.cache_read_input_tokens": 9, **GENERIC}
    assert used(sent) == {"input": 26, "input_cached_tokens": 0, "output": 6, "total": 32}


def test_section_11_3_the_same_count_under_two_spellings_is_taken_out_once() -> None:
    sent = {"gen_ai.usage.cache_read.input_tokens": 8, "llm.token_count.prompt_details.cache_read": 8, **GENERIC}
    assert used(sent) == {"input": 18, "input_cached_tokens": 8, "output": 6, "total": 32}


def test_section_11_3_a_part_alone_creates_no_base() -> None:
    assert used({"gen_ai.usage.reasoning.output_tokens": 3}) == {"output_reasoning_tokens": 3, "total": 3}


def test_section_11_3_parts_larger_than_their_base_leave_zero() -> None:
    assert used({**GENERIC, "gen_ai.usage.cache_read.input_tokens": 100})["input"] == 0


def test_section_11_3_any_other_name_is_kept_without_details() -> None:
    sent = {"gen_ai.usage.details.search_units": 3, "gen_ai.usage.pages": 2, **GENERIC}
    assert used(sent) == {"input": 26, "output": 6, "search_units": 3, "pages": 2, "total": 32}
    assert used({"gen_ai.usage.details.pages": 3, "gen_ai.usage.pages": 2})["pages"] == 2


def test_section_11_3_cost_is_never_usage() -> None:
    assert used({"gen_ai.usage.cost": 3, **GENERIC}) == {"input": 26, "output": 6, "total": 32}


def test_wb_21_text_tokens_repeat_their_base() -> None:
    sent = {"gen_ai.usage.input_text_tokens": 26, "gen_ai.usage.details.output_text_tokens": 6, **GENERIC}
    assert used(sent) == {"input": 26, "output": 6, "total": 32}


def test_wb_21_a_known_spelling_behind_details_is_not_counted_twice() -> None:
    assert used({"gen_ai.usage.details.input_tokens": 26, **GENERIC}) == {"input": 26, "output": 6, "total": 32}


def test_wb_21_total_of_openllmetry() -> None:
    assert used({"llm.usage.total_tokens": 40, **GENERIC})["total"] == 40
    assert used({"llm.usage.total_tokens": 40, "gen_ai.usage.total_tokens": 41})["total"] == 41


def test_wb_21_reasoning_of_ai_sdk_7_in_scope_gen_ai() -> None:
    found = used({"ai.usage.outputTokenDetails.reasoningTokens": 4, **GENERIC}, "gen_ai")
    assert found == {"input": 26, "output": 2, "output_reasoning_tokens": 4, "total": 32}


def test_strands_repeats_its_counts_under_old_and_new_names() -> None:
    sent = {
        "gen_ai.usage.prompt_tokens": 19,
        "gen_ai.usage.input_tokens": 19,
        "gen_ai.usage.completion_tokens": 12,
        "gen_ai.usage.output_tokens": 12,
        "gen_ai.usage.total_tokens": 31,
        "gen_ai.usage.cache_read.input_tokens": 5,
        "gen_ai.usage.cache_read_input_tokens": 5,
        "gen_ai.usage.cache_creation.input_tokens": 2,
        "gen_ai.usage.cache_write_input_tokens": 2,
    }
    found = used(sent)
    assert found == {"input": 12, "input_cached_tokens": 5, "input_cache_creation": 2, "output": 12, "total": 31}
    assert token_sums(found) == Tokens(19, 12, 31, 5, 0)


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
