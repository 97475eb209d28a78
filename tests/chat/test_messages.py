"""Chats read out of stored inputs and outputs: each API's and SDK's shape, and values that only look like one."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from litefuse.chat import Call, Media, Message, conversation, messages, of_value, tools
from litefuse.chat.messages import backwards

CALL = Call("call_1", "get_weather", '{"city":"Paris"}')
ARGUMENTS = {"city": "Paris"}
ASKS = Message("assistant", tool_calls=(CALL,))
RESULT = Message("tool", "18 degrees", call_id="call_1")
HELLO = [Message("system", "Be brief."), Message("user", "Hello")]
OPENAI_CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": CALL.arguments}}

REQUESTS: dict[str, tuple[Any, list[Message]]] = {
    "OpenAI chat": (
        {
            "model": "gpt-4o",
            "messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        },
        HELLO,
    ),
    "OpenAI chat with a tool": (
        [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": None, "tool_calls": [OPENAI_CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees"},
        ],
        [Message("user", "Weather?"), ASKS, RESULT],
    ),
    "OpenAI's old function calls": (
        [
            {"role": "assistant", "content": "", "function_call": {"name": "get_weather", "arguments": CALL.arguments}},
            {"role": "function", "name": "get_weather", "content": "18 degrees"},
        ],
        [
            Message("assistant", tool_calls=(Call("", "get_weather", CALL.arguments),)),
            Message("tool", "18 degrees", name="get_weather"),
        ],
    ),
    "OpenAI with a picture": (
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                ],
            }
        ],
        [
            Message(
                "user",
                "What is it?",
                media=(Media("image", "", "https://example.com/a.png"), Media("image", "image/png", "")),
            )
        ],
    ),
    "OpenAI Responses": ({"model": "o4-mini", "instructions": "Be brief.", "input": "Hello"}, HELLO),
    "OpenAI Responses with items": (
        {
            "instructions": "Be brief.",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Weather is asked."}]},
                {
                    "type": "function_call",
                    "call_id": "call_1",
                    "name": "get_weather",
                    "arguments": CALL.arguments,
                    "id": "f",
                },
                {"type": "function_call_output", "call_id": "call_1", "output": "18 degrees"},
            ],
        },
        [*HELLO, Message("assistant", reasoning="Weather is asked."), ASKS, RESULT],
    ),
    "embeddings": ({"model": "e", "input": ["one", "two"]}, [Message("user", "one"), Message("user", "two")]),
    "completions": ({"prompt": "Hello"}, [Message("user", "Hello")]),
    "Anthropic": (
        {
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": [
                {"role": "user", "content": "Hello"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Hm.", "signature": "x"},
                        {"type": "text", "text": "I look."},
                        {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": ARGUMENTS},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "call_1",
                            "content": [{"type": "text", "text": "18 degrees"}],
                        },
                        {"type": "text", "text": "And now?"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                    ],
                },
            ],
        },
        [
            *HELLO,
            Message("assistant", "I look.", "Hm.", (CALL,)),
            RESULT,
            Message("user", "And now?", media=(Media("image", "image/png"),)),
        ],
    ),
    "Gemini": (
        {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "Hello"}, {"inlineData": {"mimeType": "image/png", "data": "AA"}}]},
                {
                    "role": "model",
                    "parts": [{"functionCall": {"name": "get_weather", "args": ARGUMENTS, "id": "call_1"}}],
                },
                {
                    "role": "user",
                    "parts": [
                        {
                            "functionResponse": {
                                "name": "get_weather",
                                "id": "call_1",
                                "response": {"result": "18 degrees"},
                            }
                        }
                    ],
                },
            ],
        },
        [
            HELLO[0],
            Message("user", "Hello", media=(Media("image", "image/png"),)),
            ASKS,
            Message("tool", "18 degrees", call_id="call_1", name="get_weather"),
        ],
    ),
    "Gemini, one text": ({"contents": "Hello"}, [Message("user", "Hello")]),
    "ADK": (
        {
            "model": "gemini",
            "config": {"system_instruction": "Be brief.", "tools": []},
            "contents": [{"parts": [{"text": "Hello"}], "role": "user"}],
        },
        HELLO,
    ),
    "Bedrock Converse": (
        {
            "system": [{"text": "Be brief."}],
            "messages": [
                {"role": "user", "content": [{"text": "Hello"}]},
                {
                    "role": "assistant",
                    "content": [{"toolUse": {"toolUseId": "call_1", "name": "get_weather", "input": ARGUMENTS}}],
                },
                {
                    "role": "user",
                    "content": [{"toolResult": {"toolUseId": "call_1", "content": [{"text": "18 degrees"}]}}],
                },
            ],
        },
        [*HELLO, ASKS, RESULT],
    ),
    "Strands' events": (
        [
            {"role": "system", "content": '[{"text": "Be brief."}]'},
            {"role": "user", "content": '[{"text": "Hello"}]'},
            {
                "role": "assistant",
                "content": '[{"toolUse": {"toolUseId": "call_1", "name": "get_weather", "input": {"city":"Paris"}}}]',
            },
            {
                "role": "tool",
                "content": '[{"toolResult": {"toolUseId": "call_1", "content": [{"text": "18 degrees"}]}}]',
            },
        ],
        [*HELLO, ASKS, RESULT],
    ),
    "semantic conventions": (
        [
            {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
            {
                "role": "user",
                "parts": [
                    {"type": "text", "content": "Hello"},
                    {"type": "uri", "modality": "image", "mime_type": "image/png", "uri": "https://example.com/a.png"},
                ],
            },
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "Hm."},
                    {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": ARGUMENTS},
                ],
            },
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "18 degrees"}]},
        ],
        [
            HELLO[0],
            Message("user", "Hello", media=(Media("image", "image/png", "https://example.com/a.png"),)),
            Message("assistant", "", "Hm.", (CALL,)),
            RESULT,
        ],
    ),
    "OpenInference": (
        [
            {"message": {"role": "system", "content": "Be brief."}},
            {"message": {"role": "user", "contents": [{"message_content": {"type": "text", "text": "Hello"}}]}},
            {
                "message": {
                    "role": "assistant",
                    "tool_calls": [
                        {
                            "tool_call": {
                                "id": "call_1",
                                "function": {"name": "get_weather", "arguments": CALL.arguments},
                            }
                        }
                    ],
                }
            },
            {"message": {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees"}},
        ],
        [*HELLO, ASKS, RESULT],
    ),
    "OpenInference with a picture": (
        [
            {
                "message": {
                    "role": "user",
                    "contents": [
                        {"message_content": {"type": "image", "image": {"image": {"url": "data:image/png;base64,AA"}}}}
                    ],
                }
            }
        ],
        [Message("user", media=(Media("image", "image/png"),))],
    ),
    "indexed GenAI": (
        [{"role": "system", "content": "Be brief."}, None, {"role": "user", "content": "Hello"}],
        HELLO,
    ),
    "LangChain, serialised": (
        {
            "messages": [
                [
                    {
                        "lc": 1,
                        "type": "constructor",
                        "id": ["langchain", "schema", "messages", "SystemMessage"],
                        "kwargs": {"content": "Be brief."},
                    },
                    {"lc": 1, "type": "constructor", "id": ["x"], "kwargs": {"content": "Hello", "type": "human"}},
                    {
                        "lc": 1,
                        "type": "constructor",
                        "id": ["x", "AIMessage"],
                        "kwargs": {
                            "content": "",
                            "tool_calls": [
                                {"name": "get_weather", "args": ARGUMENTS, "id": "call_1", "type": "tool_call"}
                            ],
                            "additional_kwargs": {"tool_calls": [OPENAI_CALL]},
                        },
                    },
                    {
                        "lc": 1,
                        "type": "constructor",
                        "id": ["x", "ToolMessage"],
                        "kwargs": {"content": "18 degrees", "tool_call_id": "call_1", "type": "tool"},
                    },
                ]
            ]
        },
        [*HELLO, ASKS, RESULT],
    ),
    "LangChain, data": (
        {
            "messages": [
                {"type": "system", "data": {"content": "Be brief.", "type": "system"}},
                {"type": "human", "data": {"content": "Hello", "additional_kwargs": {}, "type": "human", "name": None}},
                {"type": "ai", "data": {"content": "", "additional_kwargs": {"tool_calls": [OPENAI_CALL]}}},
                {"type": "tool", "data": {"content": "18 degrees", "tool_call_id": "call_1", "id": None}},
            ]
        },
        [*HELLO, ASKS, RESULT],
    ),
    "LangChain, flat": (
        {
            "messages": [
                {"content": "Be brief.", "type": "system", "additional_kwargs": {}},
                {"content": "Hello", "type": "human", "additional_kwargs": {}},
            ]
        },
        HELLO,
    ),
    "LangGraph": (
        [{"graph": None, "update": {"messages": [{"type": "human", "data": {"content": "Hello"}}]}, "goto": []}],
        HELLO[1:],
    ),
    "LlamaIndex": (
        {
            "messages": [
                "ChatMessage(role=<MessageRole.SYSTEM: 'system'>, additional_kwargs={}, blocks=[TextBlock("
                "block_type='text', text='Be brief.')])",
                "ChatMessage(role=<MessageRole.USER: 'user'>, additional_kwargs={}, blocks=[TextBlock("
                'block_type=\'text\', text="It\'s \\"Hello\\"\\nhere")])',
            ]
        },
        [HELLO[0], Message("user", 'It\'s "Hello"\nhere')],
    ),
    "smolagents": (
        {
            "messages": [
                "ChatMessage(role=<MessageRole.USER: 'user'>, content=[{'type': 'text', 'text': 'Hello'}], tool_calls=None)",
                "ChatMessage(role=<MessageRole.TOOL_RESPONSE: 'tool-response'>, content=[{'type': 'text', 'text': "
                "'Observation:\\n18'}], tool_calls=None)",
            ],
            "stop_sequences": ["Observation:"],
        },
        [Message("user", "Hello"), Message("user", "Observation:\n18")],
    ),
    "Vercel": (
        [
            {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "reasoning", "text": "Hm."},
                    {"type": "tool-call", "toolCallId": "call_1", "toolName": "get_weather", "args": ARGUMENTS},
                ],
            },
            {
                "role": "tool",
                "content": [
                    {
                        "type": "tool-result",
                        "toolCallId": "call_1",
                        "toolName": "get_weather",
                        "output": {"type": "text", "value": "18 degrees"},
                    }
                ],
            },
        ],
        [
            HELLO[1],
            Message("assistant", "", "Hm.", (CALL,)),
            Message("tool", "18 degrees", call_id="call_1", name="get_weather"),
        ],
    ),
    "Vercel's prompt": ({"system": "Be brief.", "prompt": "Hello"}, HELLO),
    "Pydantic AI": (
        [
            {
                "kind": "request",
                "parts": [
                    {"part_kind": "system-prompt", "content": "Be brief."},
                    {"part_kind": "user-prompt", "content": "Hello"},
                ],
            },
            {
                "kind": "response",
                "parts": [
                    {"part_kind": "thinking", "content": "Hm."},
                    {"part_kind": "tool-call", "tool_name": "get_weather", "args": ARGUMENTS, "tool_call_id": "call_1"},
                ],
            },
            {
                "kind": "request",
                "parts": [
                    {
                        "part_kind": "tool-return",
                        "tool_name": "get_weather",
                        "content": "18 degrees",
                        "tool_call_id": "call_1",
                    }
                ],
            },
        ],
        [
            *HELLO,
            Message("assistant", "", "Hm.", (CALL,)),
            Message("tool", "18 degrees", call_id="call_1", name="get_weather"),
        ],
    ),
    "Logfire's events": (
        [
            {"event.name": "gen_ai.system.message", "content": "Be brief."},
            {"event.name": "gen_ai.user.message", "content": "Hello", "role": "user"},
            {"event.name": "gen_ai.assistant.message", "role": "assistant", "tool_calls": [OPENAI_CALL]},
            {"event.name": "gen_ai.tool.message", "content": "18 degrees", "id": "call_1", "role": "tool"},
        ],
        [*HELLO, ASKS, RESULT],
    ),
    "Genkit": (
        [
            {"role": "system", "content": [{"text": "Be brief."}]},
            {"role": "user", "content": [{"text": "Hello"}]},
            {
                "role": "model",
                "content": [{"toolRequest": {"ref": "call_1", "name": "get_weather", "input": ARGUMENTS}}],
            },
            {"role": "tool", "content": [{"toolResponse": {"ref": "call_1", "name": "w", "output": "18 degrees"}}]},
        ],
        [*HELLO, ASKS, Message("tool", "18 degrees", call_id="call_1", name="w")],
    ),
    "joined tools": (
        {"messages": [{"role": "user", "content": "Hello"}], "tools": [{"name": "get_weather"}]},
        HELLO[1:],
    ),
    "joined tools of a prompt": ({"prompt": "Hello", "tools": [{"name": "get_weather"}]}, HELLO[1:]),
}


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
