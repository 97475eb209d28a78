"""Usage of the Vercel AI SDK (otel-mapping.md section 11.4): every row of its table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.worker.map.usages import used


def vercel(metadata: Any = None, **attributes: Any) -> dict[str, int]:
    """A model call in scope `ai`; `_` stands for `.` after the first word, `__` for `_`."""
    named = {k.replace("__", "\0").replace("_", ".").replace("\0", "_"): v for k, v in attributes.items()}
    if metadata is not None:
        named["ai.response.providerMetadata"] = metadata if isinstance(metadata, str) else json.dumps(metadata)
    return used(named, "ai")


GROSS = {"gen__ai_usage_input__tokens": 100, "gen__ai_usage_output__tokens": 20}


@pytest.mark.parametrize(
    "name",
    ["gen__ai_usage_prompt__tokens", "gen__ai_usage_input__tokens", "ai_usage_promptTokens", "ai_usage_inputTokens"],
)
def test_section_11_4_and_wb_22_spellings_of_input(name: str) -> None:
    assert vercel(**{name: "7"}) == {"input": 7, "total": 7}


@pytest.mark.parametrize(
    "name",
    [
        "gen__ai_usage_completion__tokens",
        "gen__ai_usage_output__tokens",
        "ai_usage_completionTokens",
        "ai_usage_outputTokens",
    ],
)
def test_section_11_4_and_wb_22_spellings_of_output(name: str) -> None:
    assert vercel(**{name: 7}) == {"output": 7, "total": 7}


def test_section_11_4_order_of_input_and_output() -> None:
    found = vercel(
        gen__ai_usage_prompt__tokens=1,
        gen__ai_usage_input__tokens=2,
        ai_usage_promptTokens=3,
        gen__ai_usage_completion__tokens=4,
        gen__ai_usage_output__tokens=5,
        ai_usage_completionTokens=6,
    )
    assert found == {"input": 1, "output": 4, "total": 5}


def test_section_11_4_total() -> None:
    assert vercel(ai_usage_tokens=9, ai_usage_totalTokens=8) == {"total": 9}
    assert vercel(ai_usage_totalTokens=8, **GROSS)["total"] == 8


def test_section_11_4_cached_tokens_in_order() -> None:
    everywhere = {"openai": {"cachedPromptTokens": 11}, "anthropic": {"usage": {"cache_read_input_tokens": 12}}}
    assert vercel(everywhere, ai_usage_cachedInputTokens=10, **GROSS) == {
        "input": 90,
        "input_cached_tokens": 10,
        "output": 20,
        "total": 120,
    }
    assert vercel(everywhere, **GROSS)["input_cached_tokens"] == 11
    del everywhere["openai"]
    assert vercel(everywhere, gen__ai_usage_cache__read_input__tokens=13, **GROSS)["input_cached_tokens"] == 12


def test_wb_22_cached_tokens_in_spellings_of_gen_ai() -> None:
    assert vercel(gen__ai_usage_cache__read_input__tokens=13, **GROSS)["input"] == 87


def test_section_11_4_reasoning_tokens_in_order() -> None:
    metadata = {"openai": {"reasoningTokens": 6}}
    assert vercel(metadata, ai_usage_reasoningTokens=5, **GROSS)["output"] == 15
    assert vercel(metadata, ai_usage_outputTokenDetails_reasoningTokens=7, **GROSS)["output_reasoning_tokens"] == 6


def test_wb_22_reasoning_tokens_of_ai_sdk_7() -> None:
    assert vercel(ai_usage_outputTokenDetails_reasoningTokens=7, **GROSS)["output"] == 13


def test_section_11_4_predictions() -> None:
    found = vercel({"openai": {"acceptedPredictionTokens": 3, "rejectedPredictionTokens": 4}}, **GROSS)
    assert found == {
        "input": 100,
        "output": 20,
        "accepted_prediction_tokens": 3,
        "rejected_prediction_tokens": 4,
        "total": 120,
    }


def test_section_11_4_cache_creation_of_anthropic_with_and_without_its_split() -> None:
    counts: dict[str, Any] = {"cache_creation_input_tokens": 30}
    found = vercel({"anthropic": {"usage": counts}}, **GROSS)
    assert (found["input"], found["input_cache_creation"]) == (70, 30)
    counts["cache_creation"] = {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 15}
    assert vercel({"anthropic": {"usage": counts}}, **GROSS) == {
        "input": 70,
        "input_cache_creation": 5,
        "input_cache_creation_5m": 10,
        "input_cache_creation_1h": 15,
        "output": 20,
        "total": 120,
    }


def test_section_11_4_bedrock_reads_are_subtracted_and_writes_are_not() -> None:
    counts = {"cacheReadInputTokens": 40, "cacheWriteInputTokens": 50, "cacheCreationInputTokens": 5}
    assert vercel({"bedrock": {"usage": counts}}, **GROSS) == {
        "input": 55,
        "input_cache_creation": 5,
        "input_cache_read": 40,
        "input_cache_write": 50,
        "output": 20,
        "total": 120,
    }


def test_section_11_4_broken_metadata_is_read_as_generic() -> None:
    sent = {"gen__ai_usage_cache__creation_input__tokens": 5, **GROSS}
    assert vercel("{broken", **sent) == {"input": 95, "input_cache_creation": 5, "output": 20, "total": 120}
    assert vercel("{broken", ai_usage_promptTokens=9) == {}


@pytest.mark.parametrize(
    "metadata", ['"text"', "[1]", '{"openai": 5}', '{"anthropic": {"usage": [1]}}', '{"bedrock": null}']
)
def test_section_11_4_metadata_of_another_shape_says_nothing(metadata: str) -> None:
    assert vercel(metadata, **GROSS) == {"input": 100, "output": 20, "total": 120}


@pytest.mark.parametrize("kind", ["SPAN", "TOOL", "AGENT", "CHAIN"])
@pytest.mark.parametrize("metadata", ["{}", "{broken"])
def test_wb_22_only_model_calls_have_usage(kind: str, metadata: str) -> None:
    attributes = {"gen_ai.usage.input_tokens": 100, "ai.response.providerMetadata": metadata}
    assert used(attributes, "ai", kind) == {}
    assert used(attributes, "ai", "EMBEDDING") == {"input": 100, "total": 100}


def test_wb_22_no_zeros_without_a_gross_count() -> None:
    assert vercel({"openai": {"reasoningTokens": 6}}) == {"output_reasoning_tokens": 6, "total": 6}
    assert vercel() == {}
