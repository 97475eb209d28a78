"""Chats read out of stored inputs and outputs: each API's and SDK's shape, and values that only look like one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from litefuse.chat import Message, conversation, messages, tools
from tests.chat import requests_of_apis, requests_of_sdks
from tests.chat.support import ARGUMENTS, ASKS, CALL, HELLO, OPENAI_CALL

REQUESTS = requests_of_apis.REQUESTS | requests_of_sdks.REQUESTS


@pytest.mark.parametrize("shape", REQUESTS)
def test_messages_of_an_input(shape: str) -> None:
    value, wanted = REQUESTS[shape]
    assert messages(json.dumps(value)) == wanted


ANSWER = [Message("assistant", "Paris.")]

RESPONSES: dict[str, tuple[Any, list[Message]]] = {
    "plain text": ("Paris.", ANSWER),
    "OpenAI chat": ({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris."}}]}, ANSWER),
    "OpenAI chat with calls": (
        {"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": [OPENAI_CALL]}}]},
        [ASKS],
    ),
    "DeepSeek's reasoning": (
        {"choices": [{"message": {"role": "assistant", "content": "Paris.", "reasoning_content": "Hm."}}]},
        [Message("assistant", "Paris.", "Hm.")],
    ),
    "completions": ({"choices": [{"text": "Paris.", "finish_reason": "stop"}]}, ANSWER),
    "OpenAI Responses": (
        {
            "object": "response",
            "instructions": "Be brief.",
            "output": [
                {"type": "reasoning", "summary": []},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Paris."}]},
                {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": CALL.arguments},
            ],
        },
        [Message("assistant"), *ANSWER, ASKS],
    ),
    "Anthropic": (
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Paris."},
                {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": ARGUMENTS},
            ],
        },
        [Message("assistant", "Paris.", tool_calls=(CALL,))],
    ),
    "Gemini": (
        {
            "candidates": [
                {
                    "content": {"role": "model", "parts": [{"text": "Hm.", "thought": True}, {"text": "Paris."}]},
                    "index": 0,
                }
            ]
        },
        [Message("assistant", "Paris.", "Hm.")],
    ),
    "ADK": ({"content": {"parts": [{"text": "Paris."}], "role": "model"}, "partial": False}, ANSWER),
    "Bedrock Converse": (
        {"output": {"message": {"role": "assistant", "content": [{"text": "Paris."}]}}, "stopReason": "end_turn"},
        ANSWER,
    ),
    "a choice event": ({"finish_reason": "stop", "message": '[{"text": "Paris."}]'}, ANSWER),
    "a choice event with a message": ({"index": 0, "message": {"role": "assistant", "content": "Paris."}}, ANSWER),
    "a choice event with text": ({"message": "Paris.\n", "finish_reason": "end"}, [Message("assistant", "Paris.\n")]),
    "semantic conventions": (
        [{"role": "assistant", "parts": [{"type": "text", "content": "Paris."}], "finish_reason": "stop"}],
        ANSWER,
    ),
    "LangChain": (
        {
            "generations": [
                [
                    {
                        "text": "Paris.",
                        "generation_info": {},
                        "message": {
                            "lc": 1,
                            "type": "constructor",
                            "id": ["x", "AIMessageChunk"],
                            "kwargs": {"content": "Paris."},
                        },
                    }
                ]
            ],
            "llm_output": None,
        },
        ANSWER,
    ),
    "LangChain's completion": ({"generations": [[{"text": "Paris.", "generation_info": None}]]}, ANSWER),
    "LlamaIndex": ("assistant: Paris.", ANSWER),
    "DSPy": (["Paris."], ANSWER),
    "Vercel, text and calls": (
        {
            "role": "assistant",
            "content": "Paris.",
            "tool_calls": json.dumps([{"toolCallId": "call_1", "toolName": "get_weather", "args": ARGUMENTS}]),
        },
        [Message("assistant", "Paris.", tool_calls=(CALL,))],
    ),
    "Vercel, calls": (
        [{"toolCallType": "function", "toolCallId": "call_1", "toolName": "get_weather", "input": ARGUMENTS}],
        [ASKS],
    ),
    "Ollama": ({"model": "llama3", "message": {"role": "assistant", "content": "Paris."}, "done": True}, ANSWER),
    "Cohere": ({"message": {"role": "assistant", "content": [{"type": "text", "text": "Paris."}]}}, ANSWER),
}


@pytest.mark.parametrize("shape", RESPONSES)
def test_messages_of_an_output(shape: str) -> None:
    value, wanted = RESPONSES[shape]
    assert messages(value if isinstance(value, str) else json.dumps(value), "assistant") == wanted


@pytest.mark.parametrize("text", ["Hello", "{broken", '[{"role": ', "12", "null", "true", "- a list\n- of things"])
def test_text_that_is_no_json_is_one_message(text: str) -> None:
    assert messages(text) == [Message("user", text)]
    assert messages(text, "assistant") == [Message("assistant", text)]


def test_a_json_string_is_the_text_it_is_of() -> None:
    assert messages('"Hello"') == [Message("user", "Hello")]


@pytest.mark.parametrize(
    "value", [{}, [], {"city": "Paris"}, {"a": {"b": 1}}, [1, 2], [None], {"messages": None}, {"output": 3}]
)
def test_json_without_messages_gives_none(value: Any) -> None:
    assert messages(json.dumps(value)) == []


def test_nothing_is_no_message() -> None:
    assert messages("") == []


def test_a_user_who_asks_about_a_list_of_objects_keeps_it_as_text() -> None:
    asked = '[{"name": "Paris", "text": "a city"}]'
    assert messages(json.dumps([{"role": "user", "content": asked}])) == [Message("user", asked)]


def test_instructions_that_came_back_with_the_answer_stand_first() -> None:
    asked, answers = conversation(
        '[{"role": "user", "content": "Hello"}]',
        '{"instructions": "Be brief.", "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}]}',
    )
    assert asked == HELLO
    assert answers == [Message("assistant", "Hi")]


def test_instructions_are_not_told_twice() -> None:
    asked, _ = conversation(
        '{"instructions": "Be brief.", "input": "Hello"}', '{"instructions": "Be brief.", "output": []}'
    )
    assert asked == HELLO


def test_tools_of_an_input() -> None:
    tool = {"name": "get_weather"}
    assert tools(json.dumps({"prompt": "Hello", "tools": [tool, json.dumps(tool), 3]})) == [tool, tool]
    assert tools("Hello") == tools("{}") == tools('{"tools": 3}') == tools("") == []
