"""Messages put together from indexed keys (otel-mapping.md section 8.3)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from worker.map.deep import json_text
from worker.map.indexed import SLOTS, rebuild

P = "gen_ai.completion"


def of(paths: dict[str, Any]) -> Any:
    return rebuild({f"{P}.{path}": value for path, value in paths.items()}, P)


@pytest.mark.parametrize("bare", ["text", [], {}, 0, False])
def test_section_8_3_1_a_filled_bare_key_hides_the_indexed_ones(bare: Any) -> None:
    assert rebuild({P: bare, f"{P}.0.role": "user"}, P) == bare


def test_section_8_3_1_an_empty_bare_key_hides_nothing() -> None:
    assert rebuild({P: "", f"{P}.0.role": "user"}, P) == [{"role": "user"}]


def test_section_8_3_2_a_list_when_a_path_goes_on_after_its_index_else_an_object() -> None:
    assert of({"0.role": "user"}) == [{"role": "user"}]
    assert of({"role": "user", "content": "hi"}) == {"role": "user", "content": "hi"}
    assert of({"0": "hi"}) == {"0": "hi"}
    assert of({"0": "hi", "1.role": "user", "name": "lost"}) == ["hi", {"role": "user"}]


def test_section_8_3_3_segments_index_lists_and_name_fields_at_every_depth() -> None:
    assert of({"0.tool_calls.1.name": "f"}) == [{"tool_calls": [None, {"name": "f"}]}]
    assert of({"0.a.0.1.b": 1}) == [{"a": [[None, {"b": 1}]]}]


def test_section_8_3_3_the_index_decides_not_the_order() -> None:
    paths = {f"{n}.{name}": f"{name}{n}" for n in range(12) for name in ("role", "content")}
    expected = [{"role": f"role{n}", "content": f"content{n}"} for n in range(12)]
    items = list(paths.items())
    for seed in range(5):
        random.Random(seed).shuffle(items)
        assert of(dict(items)) == expected
    assert of({"3.role": "user"}) == [None, None, None, {"role": "user"}]


def test_section_8_3_4_a_key_beyond_the_budget_is_dropped_and_its_siblings_stay() -> None:
    huge = {"999999999.content": "x", "0.role": "user", "9" * 5000 + ".a": 1, "0.a.99999999999.b": 1}
    assert of(huge) == [{"role": "user"}]
    assert of({"999999999.content": "x"}) is None
    assert len(of({f"{SLOTS - 1}.role": "last"})) == SLOTS
    assert of({f"{SLOTS}.role": "one too many"}) is None


def test_section_8_3_4_slots_are_counted_over_all_lists_with_their_gaps() -> None:
    paths = {"0.a.4999.x": 1, "1.a.4998.x": 1, "1.a.4999.x": 1}  # 2 + 5000 + 4999 are all there are; one more is not
    found = of(paths)
    assert [len(found[0]["a"]), len(found[1]["a"])] == [5000, 4999]
    assert of(dict(reversed(paths.items()))) == found, "which keys fit does not depend on their order"


def test_section_8_3_4_many_hostile_keys_cost_no_memory() -> None:
    found = of({f"{n}.a.{SLOTS - 1 - n}.b.9000.c": n for n in range(2000)})
    assert found is None or len(found) <= SLOTS


@pytest.mark.parametrize("name", ["__proto__", "constructor", "prototype"])
def test_section_8_3_5_inner_names_of_javascript_are_dropped(name: str) -> None:
    assert of({f"0.{name}.polluted": 1, "0.role": "user", name: 1, f"{name}.0.x": 1}) == [{"role": "user"}]
    assert of({".".join(["a"] * 200) + f".{name}": 1}) is None


def test_section_8_3_6_openinference_keeps_its_nesting() -> None:
    attributes = {"llm.input_messages.0.message.role": "user"}
    assert rebuild(attributes, "llm.input_messages") == [{"message": {"role": "user"}}]


def test_wb_16_only_keys_that_go_on_with_a_dot_belong_to_the_prefix() -> None:
    attributes = {"gen_ai.prompt_tokens": 5, "gen_ai.prompts.0.a": 1, "gen_ai.prompt.0.role": "user"}
    assert rebuild(attributes, "gen_ai.prompt") == [{"role": "user"}]
    assert rebuild({"gen_ai.prompt_tokens": 5}, "gen_ai.prompt") is None


def test_wb_15_nothing_is_none() -> None:
    assert rebuild({}, P) is None


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ({"0.content": "x", "0.content.0.type": "text"}, [{"content": [{"type": "text"}]}]),
        ({"0.a.0.b": 1, "0.a.name": 2}, [{"a": {"0": {"b": 1}, "name": 2}}]),
        ({"01.a": 1}, [None, {"a": 1}]),
        ({"²": 1, "٣.a": 1}, {"²": 1, "٣": {"a": 1}}),
        ({"-1.a": 1}, {"-1": {"a": 1}}),
        ({"": 1, "0..x": 2}, [{"": {"x": 2}}]),
    ],
)
def test_keys_that_contradict_each_other_give_the_same_in_any_order(paths: dict[str, Any], expected: Any) -> None:
    assert of(paths) == expected
    assert of(dict(reversed(paths.items()))) == expected


def test_deep_paths_stay_writable_as_json() -> None:
    found = of({".".join(["0", *["a"] * 20_000]): 1})
    assert json_text(found).count('{"a"') == 63
    assert "a.a.a" in json_text(found)
