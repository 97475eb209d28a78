"""Any value is read without an error, in bounded time and to a bounded depth."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from litefuse.chat import messages, of_value
from litefuse.chat.messages import backwards


def test_backwards_reads_the_last_first() -> None:
    value = [{"role": "user", "content": str(i)} for i in range(500)]
    assert next(backwards(value)).text == "499"
    assert len(list(backwards(value))) == 100


def test_a_million_entries_are_read_in_bounded_time_from_the_end() -> None:
    value = [[{"a": 1}] * 10] * 100_000
    started = time.perf_counter()
    assert list(backwards(value)) == []
    assert time.perf_counter() - started < 0.5


_KEYS = (
    *(
        "role",
        "content",
        "contents",
        "parts",
        "type",
        "text",
        "message",
        "messages",
        "delta",
        "choices",
        "output",
        "input",
    ),
    *("tool_calls", "function", "name", "arguments", "args", "kwargs", "data", "lc", "id", "functionCall", "toolUse"),
    *(
        "toolResult",
        "generations",
        "candidates",
        "system",
        "config",
        "additional_kwargs",
        "part_kind",
        "kind",
        "source",
    ),
    *(
        "image_url",
        "url",
        "message_content",
        "reasoning",
        "summary",
        "event.name",
        "toolName",
        "result",
        "update",
        "prompt",
    ),
)


_WORDS = (
    *(
        "user",
        "assistant",
        "tool",
        "text",
        "tool_use",
        "tool_call",
        "tool_result",
        "reasoning",
        "human",
        "ai",
        "constructor",
    ),
    *("user-prompt", "tool-return", "blob", "image", "", "gen_ai.choice", '[{"text": "a"}]', '{"a": 1}', "[", "é"),
)


def _any(made: random.Random, depth: int) -> Any:
    kind = made.randrange(9 if depth else 6)
    if kind < 3:
        return made.choice(_WORDS)
    if kind < 6:
        return made.choice((None, True, 0, -1, 1.5, 2**70, [], {}))
    if kind == 6:
        return [_any(made, depth - 1) for _ in range(made.randrange(4))]
    return {made.choice(_KEYS): _any(made, depth - 1) for _ in range(made.randrange(6))}


def test_any_value_under_any_name_gives_messages_and_never_an_error() -> None:
    made = random.Random(7)
    for _ in range(20_000):
        value = _any(made, 5)
        for message in of_value(value, "assistant"):
            assert isinstance(message.text, str)
            assert all(isinstance(c.name, str) and isinstance(c.arguments, str) for c in message.tool_calls)
        list(backwards(value))


@pytest.mark.parametrize(
    "key", ["content", "message", "kwargs", "data", "parts", "messages", "output", "update", "config"]
)
def test_depth_is_bounded(key: str) -> None:
    value: Any = {"role": "user", "content": "x"}
    for _ in range(5_000):
        value = {key: [value]} if key in ("content", "parts", "messages", "output") else {key: value}
    assert isinstance(of_value(value), list)
    assert isinstance(messages("[" * 5_000 + "]" * 5_000), list)
