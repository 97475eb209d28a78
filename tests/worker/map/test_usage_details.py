"""Usage in `langfuse.observation.usage_details` (otel-mapping.md section 11.2): shapes and any other object."""

from __future__ import annotations

import pytest

from tests.worker.map.usages import details


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
