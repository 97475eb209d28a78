"""Usage under generic names (otel-mapping.md section 11.3): every spelling, their order, parts out of their base."""

from __future__ import annotations

import pytest

from schemas.usage_names import USAGE_SPELLINGS
from tests.worker.map.usages import GENERIC, used
from worker.map.usage import Tokens, token_sums

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
