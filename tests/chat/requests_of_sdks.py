"""Inputs as SDKs, frameworks and conventions store them: the name of a shape, its value and the messages in it."""

from __future__ import annotations

from typing import Any

from litefuse.chat import Media, Message
from tests.chat.support import ARGUMENTS, ASKS, CALL, HELLO, OPENAI_CALL, RESULT

REQUESTS: dict[str, tuple[Any, list[Message]]] = {
    "ADK": (
        {
            "model": "gemini",
            "config": {"system_instruction": "Be brief.", "tools": []},
            "contents": [{"parts": [{"text": "Hello"}], "role": "user"}],
        },
        HELLO,
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
