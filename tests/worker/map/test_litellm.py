"""LiteLLM's own callback: what it counts beside the semantic conventions."""

from __future__ import annotations

from typing import Any

import pytest

from worker.map.span import Span
from worker.map.usage import usage

GENERIC = {"gen_ai.usage.input_tokens": 26, "gen_ai.usage.output_tokens": 16, "gen_ai.usage.total_tokens": 42}
OBJECT = (
    "{'completion_tokens': 16, 'completion_tokens_details': {'reasoning_tokens': 4, 'text_tokens': None}, "
    "'prompt_tokens_details': {'audio_tokens': 0, 'cached_tokens': 8}}"
)


def used(counts: Any, scope: str = "litellm", cached: int | None = None) -> dict[str, int]:
    more = {} if cached is None else {"gen_ai.usage.cache_read.input_tokens": cached}
    return usage(Span(scope_name=scope, attributes=GENERIC | {"metadata.usage_object": counts} | more), "GENERATION")


def test_cached_and_reasoning_tokens_are_taken_from_the_text_of_all_counts() -> None:
    assert used(OBJECT) == {
        "input": 18,
        "input_cached_tokens": 8,
        "output": 12,
        "output_reasoning_tokens": 4,
        "total": 42,
    }


def test_a_cached_count_that_is_an_attribute_wins() -> None:
    assert used(OBJECT, cached=3)["input_cached_tokens"] == 3


def test_only_in_its_scope() -> None:
    assert used(OBJECT, scope="other") == {"input": 26, "output": 16, "total": 42}


@pytest.mark.parametrize(
    "counts", ["", "{}", "None", "{'cached_tokens': None}", 8, None, {"cached_tokens": 8}, "x" * 20_000]
)
def test_other_texts_change_nothing(counts: Any) -> None:
    assert used(counts) == {"input": 26, "output": 16, "total": 42}


def test_no_counts_no_usage() -> None:
    assert usage(Span(scope_name="litellm", attributes={"metadata.usage_object": OBJECT}), "GENERATION") == {}
