"""Requests as the APIs of models take them: the name of a shape, its value and the messages in it."""

from __future__ import annotations

from typing import Any

from litefuse.chat import Call, Media, Message
from tests.chat.support import ARGUMENTS, ASKS, CALL, HELLO, OPENAI_CALL, RESULT

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
}
