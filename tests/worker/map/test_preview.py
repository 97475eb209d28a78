"""One line of an input and of an output."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from worker.map.mapped import Mapped, ToolCall
from worker.map.preview import LENGTH, folded, previews

CALLS = [ToolCall("1", "get_weather", '{"city": "Paris", "days": 2}'), ToolCall("2", "get_time", "{}")]


def preview(given: Any = "", answer: Any = "", **fields: Any) -> tuple[str, str]:
    texts = [value if isinstance(value, str) else json.dumps(value) for value in (given, answer)]
    return previews(texts[0], texts[1], Mapped(**fields))


def test_the_last_words_of_the_user_and_the_answer() -> None:
    chat = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi!"},
            {"role": "user", "content": "What is the capital\n   of France?"},
            {"role": "assistant", "content": None, "tool_calls": []},
        ],
        "tools": [],
    }
    assert preview(chat, {"choices": [{"message": {"role": "assistant", "content": "Paris."}}]}) == (
        "What is the capital of France?",
        "Paris.",
    )


def test_an_answer_of_calls_shows_them() -> None:
    answer = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    assert preview("x", answer, tool_calls=CALLS)[1] == "get_weather(city=Paris, days=2) get_time()"
    assert preview("x", "", tool_calls=CALLS[1:])[1] == "get_time()"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [("[1]", "f([1])"), ("{broken", "f({broken)"), ("", "f()"), ('{"a": {"b": 1}}', 'f(a={"b":1})')],
)
def test_arguments_that_are_no_object_are_shown_as_they_are(arguments: str, shown: str) -> None:
    assert preview("x", "", tool_calls=[ToolCall("", "f", arguments)])[1] == shown


def test_the_error_stands_where_nothing_came_out() -> None:
    assert preview("x", "", level="ERROR", level_message="no\nsuch model") == ("x", "no such model")
    assert preview("x", "", level="WARNING", level_message="slow") == ("x", "")
    assert preview("x", "half", level="ERROR", level_message="no") == ("x", "half")


def test_text_is_one_line_of_at_most_200_characters() -> None:
    given, answer = preview("  a\tb\r\n\nc " * 100, "ä" * 200)
    assert given.startswith("a b c a b c")
    assert len(given) == LENGTH
    assert given.endswith("…")
    assert answer == "ä" * 200


def test_blanks_before_a_text_are_no_text() -> None:
    assert folded("\n" * 10_000 + "Hello") == "Hello"
    assert folded(" " * 10_000) == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"city": "Paris"}, "Paris"),
        ({"question": "Why?", "tags": None}, "Why?"),
        ({"question": "Why?", "language": "en"}, "Why?"),
        ({"args": ["Why?"], "kwargs": {}}, "Why?"),
        ({"query_bundle": {"query_str": "Why?", "image_path": None}}, "Why?"),
        ([{"page_content": "Paris is a city.", "metadata": {"page": 1}}], "Paris is a city."),
        ({"a": 1, "b": [2]}, '{"a": 1, "b": [2]}'),
        ({"n": 3}, '{"n": 3}'),
        ({"result": 3}, "3"),
        ({"d": {"x": 1, "y": 2}}, '{"x":1,"y":2}'),
        ([], "[]"),
        ({}, "{}"),
        ([1, 2], "[1, 2]"),
        ("12", "12"),
    ],
)
def test_what_is_no_chat_shows_its_most_telling_field(value: Any, shown: str) -> None:
    assert preview(value, value) == (shown, shown)


def test_media_without_words_are_named() -> None:
    parts = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    assert preview([{"role": "user", "content": parts}])[0] == "[image/png]"


def test_vectors_are_no_answer() -> None:
    assert preview("x", {"object": "list", "data": [{"embedding": [0.1, 0.2], "index": 0}]}) == ("x", "")


def test_only_reasoning_is_no_answer() -> None:
    assert preview("x", {"output": [{"type": "reasoning", "summary": []}]}) == ("x", "")


def test_a_parsed_value_gives_the_same() -> None:
    value = [{"role": "user", "content": "Hello"}]
    assert previews(json.dumps(value), "", Mapped(), value) == preview(value)


@pytest.mark.parametrize(
    "value",
    [
        [{"role": "user", "content": "word\n" * 400_000}],
        [{"a": i} for i in range(100_000)],
        [["a"]] * 100_000,
        {"messages": [{"role": "assistant", "content": "Hi"}] * 100_000},
        "word\n" * 400_000,
    ],
    ids=["a long text", "many objects", "many lists", "a long history", "plain"],
)
def test_a_large_value_costs_no_more_than_its_parse(value: Any) -> None:
    """Processor time, so that what else the machine does has no part in it; the best of five."""
    text = value if isinstance(value, str) else json.dumps(value)
    spent = []
    for _ in range(5):
        begun = time.process_time()
        previews(text, text, Mapped(), value, value)
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.01


@pytest.mark.parametrize(
    "text", ["[" * 10_000, '{"a":' * 10_000, '"', "\ud800", "null", "[null]", '[{"role": 3, "content": {}}]']
)
def test_any_text_has_previews(text: str) -> None:
    for line in previews(text, text, Mapped(level="ERROR", level_message="no")):
        assert len(line) <= LENGTH
        assert "\n" not in line
