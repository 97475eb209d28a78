"""Stated cost (otel-mapping.md section 12), in picodollars."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worker.map.cost import MAX_USD, picodollars, stated_cost
from worker.map.span import Span

USD = 10**12


def cost(**attributes: Any) -> dict[str, int] | None:
    return stated_cost(Span(attributes=attributes))


def details(value: Any) -> dict[str, int] | None:
    return cost(**{"langfuse.observation.cost_details": value if isinstance(value, str) else json.dumps(value)})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (0.0, 0),
        (1, USD),
        (0.1, USD // 10),
        (3.2999999999999997e-06, 3_300_000),
        ("0.000006", 6_000_000),
        (" 1e-6 ", 1_000_000),
        ("0.0000000000005", 0),
        ("0.0000000000015", 2),
        ("0.0000000000025", 2),
        (MAX_USD, MAX_USD * USD),
    ],
)
def test_section_12_costs_are_exact_and_rounded_half_even(value: Any, expected: int) -> None:
    assert picodollars(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        -0.1, "-1", "", " ", "free", "$1", "1_0", "NaN", "sNaN", "Infinity", "1e999999999", "9" * 70, float("nan"),
        float("inf"), float("-inf"), MAX_USD + 1, "900000.01", 10**400, True, False, None, [1], {"usd": 1},
    ],
)  # fmt: skip
def test_section_12_what_is_no_cost_is_dropped(value: Any) -> None:
    assert picodollars(value) is None


def test_section_12_row_1_cost_details() -> None:
    found = details({"input": 0.00015, "output": 0.00018, "total": 0.00033, "input_cached_tokens": 0})
    assert found == {"input": 150_000_000, "output": 180_000_000, "total": 330_000_000, "input_cached_tokens": 0}


def test_section_12_row_1_only_non_negative_numbers() -> None:
    assert details({"input": 1, "output": -1, "odd": "x", "flag": True, "deep": {"a": 1}}) == {
        "input": USD,
        "total": USD,
    }


@pytest.mark.parametrize("value", ["{", "", "{}", "[1]", '{"input": "x"}', "5"])
def test_section_12_row_1_bad_json_or_nothing_passes_on(value: str) -> None:
    found = cost(**{"langfuse.observation.cost_details": value, "gen_ai.usage.cost": 2})
    assert found == {"total": 2 * USD}


def test_section_12_row_1_wins_over_all_others() -> None:
    found = cost(**{"langfuse.observation.cost_details": '{"total": 1}', "gen_ai.usage.cost": 2, "llm.cost.total": 3})
    assert found == {"total": USD}


@pytest.mark.parametrize("value", [0, 0.0, "0"])
def test_section_12_row_2_usage_cost_a_zero_too(value: Any) -> None:
    assert cost(**{"gen_ai.usage.cost": value, "llm.cost.total": 3}) == {"total": 0}


def test_section_12_row_2_an_unreadable_cost_passes_on() -> None:
    assert cost(**{"gen_ai.usage.cost": "", "llm.cost.total": 3}) == {"total": 3 * USD}


def test_section_12_row_3_total_of_openinference() -> None:
    assert cost(**{"llm.cost.total": 0.5}) == {"total": USD // 2}


def test_wb_24_parts_of_openinference() -> None:
    sent = {"llm.cost.total": 5, "llm.cost.prompt": 1, "llm.cost.completion": "3"}
    assert cost(**sent) == {"input": USD, "output": 3 * USD, "total": 5 * USD}
    del sent["llm.cost.total"]
    assert cost(**sent) == {"input": USD, "output": 3 * USD, "total": 4 * USD}


@pytest.mark.parametrize("as_sent", [json.dumps, dict])
def test_wb_24_and_section_19_cost_of_mlflow(as_sent: Any) -> None:
    sent = as_sent({"input_cost": 0.25, "output_cost": 0.5, "total_cost": 0.75})
    assert cost(**{"mlflow.llm.cost": sent}) == {"input": USD // 4, "output": USD // 2, "total": USD * 3 // 4}


def test_wb_24_cost_of_litellm() -> None:
    sent = {"gen_ai.cost.input_cost": 3.3e-6, "gen_ai.cost.output_cost": 3.6e-6, "gen_ai.cost.total_cost": 6.9e-6}
    found = cost(**sent, **{"gen_ai.cost.cache_read_cost": 6e-7, "gen_ai.cost.discount_percent": 0})
    assert found == {"input": 3_300_000, "output": 3_600_000, "total": 6_900_000}


def test_section_12_order_of_mlflow_and_litellm() -> None:
    sent = {"gen_ai.cost.total_cost": 2, "mlflow.llm.cost": '{"total_cost": 1}'}
    assert cost(**sent) == {"total": USD}
    assert cost(**sent, **{"llm.cost.total": 3}) == {"total": 3 * USD}


def test_section_12_missing_total_of_input_and_output() -> None:
    assert details({"input": 0.1, "output": 0.2}) == {"input": USD // 10, "output": USD // 5, "total": 3 * USD // 10}


def test_wb_24_missing_total_is_the_sum_of_all_parts() -> None:
    found = details({"input": 1, "output": 2, "input_cached_tokens": 4, "cache_write": 8})
    assert found is not None
    assert found["total"] == 15 * USD


def test_wb_24_numeric_strings_are_numbers() -> None:
    assert details({"input": "0.5", "output": "1e-3"}) == {
        "input": USD // 2,
        "output": USD // 1000,
        "total": 501 * USD // 1000,
    }


def test_section_12_a_total_beyond_the_column_is_left_out() -> None:
    assert details({"input": MAX_USD, "output": MAX_USD}) == {"input": MAX_USD * USD, "output": MAX_USD * USD}


def test_section_21_no_nul_in_names_of_cost_details() -> None:
    assert details('{"a\\u0000b": 1}') == {"a\ufffdb": USD, "total": USD}


def test_section_12_nothing_stated_is_none_so_that_a_price_is_looked_up() -> None:
    assert cost() is None
    assert cost(**{"gen_ai.usage.cost": -1, "llm.cost.total": "x", "mlflow.llm.cost": "[]"}) is None


@pytest.mark.parametrize("operation", ["invoke_agent", "agent_step"])
def test_section_12_agents_that_repeat_totals_have_no_cost(operation: str) -> None:
    assert cost(**{"gen_ai.operation.name": operation, "gen_ai.usage.cost": 1}) is None
    assert cost(**{"gen_ai.operation.name": "chat", "gen_ai.usage.cost": 1}) == {"total": USD}
