"""Tool calls of an output, in every shape (otel-mapping.md section 14.2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.corpus_files import CORPUS, captured
from worker.map.mapped import ToolCall
from worker.map.span import Span
from worker.map.tools import tool_calls

ARGUMENTS = '{"city": "Paris"}'
OPENAI = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": ARGUMENTS}, "index": 2}
FOUND = ToolCall(id="c1", name="f", arguments=ARGUMENTS, type="function", index=2)


def calls(output: Any, attributes: dict[str, Any] | None = None) -> list[ToolCall]:
    """The calls found, the same whether the output is a value or its JSON text."""
    span = Span(attributes=attributes or {})
    found = tool_calls(span, output)
    if not isinstance(output, str):
        assert tool_calls(span, json.dumps(output)) == found
    return found


def call(name: str = "f", id_: str = "", arguments: str = '{"city":"Paris"}', kind: str = "") -> ToolCall:
    return ToolCall(id=id_, name=name, arguments=arguments, type=kind)


@pytest.mark.parametrize(
    "output",
    [
        {"role": "assistant", "content": None, "tool_calls": [OPENAI]},
        {"role": "assistant", "tool_calls": json.dumps([OPENAI])},
        {"toolCalls": [OPENAI]},
        {"choices": [{"message": {"role": "assistant", "tool_calls": [OPENAI]}, "finish_reason": "tool_calls"}]},
        {"role": "assistant", "content": "", "additional_kwargs": {"tool_calls": [OPENAI]}},
        OPENAI,
        [OPENAI],
        [{"role": "assistant", "tool_calls": [OPENAI]}],
        [{"role": "assistant", "toolCalls": json.dumps([OPENAI])}],
    ],
)
def test_section_14_2_openai(output: Any) -> None:
    assert calls(output) == [FOUND]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"city": "Paris"}}],
            },
            call(id_="t", kind="tool_use"),
        ),
        ({"type": "tool_use", "name": "f", "input": {"city": "Paris"}}, call(kind="tool_use")),
        (
            [{"content": [{"type": "tool-call", "toolCallId": "t", "toolName": "f", "input": {"city": "Paris"}}]}],
            call(id_="t", kind="tool-call"),
        ),
        ([{"toolCallId": "t", "toolName": "f", "args": {"city": "Paris"}}], call(id_="t")),
        ([{"type": "tool-call", "toolCallId": "t", "toolName": "f"}], call(id_="t", arguments="{}", kind="tool-call")),
        ({"call_id": "c", "id": "i", "name": "f", "arguments": {"city": "Paris"}}, call(id_="c")),
        ({"index": 0, "name": "f", "arguments": {"city": "Paris"}}, call()),
        ({"type": "function_call", "name": "f", "arguments": {"city": "Paris"}}, call(kind="function_call")),
        ({"tool_calls": [{"id": 7, "name": "f"}]}, call(id_="7", arguments="{}")),
        ({"tool_calls": [{"id": "a", "name": "f", "arguments": ""}]}, call(id_="a", arguments="{}")),
    ],
)
def test_section_14_2_is_a_call(output: Any, expected: ToolCall) -> None:
    assert calls(output) == [expected]


@pytest.mark.parametrize(
    "output",
    [
        {"type": "tool-result", "toolCallId": "t", "toolName": "f", "input": {}, "result": 1},
        {"name": "f", "arguments": "{}"},
        {"name": "f", "id": "person", "city": "Paris"},
        {"role": "assistant", "id": "m", "name": "f", "arguments": "{}"},
        {"content": "x", "id": "m", "name": "f", "arguments": "{}"},
        {"type": "function", "function": {"name": "f", "parameters": {}}},
        [{"type": "function", "function": {"name": "f", "description": "a definition"}}],
        {"tool_calls": [{"id": "1", "function": {"arguments": "{}"}}, {"name": 5}, {"name": None}, None, "x"]},
        {"tool_calls": None, "function_call": None},
        {"messages": [{"role": "assistant", "tool_calls": [OPENAI]}]},
        "I would call f with arguments",
        "",
        None,
    ],
)
def test_section_14_2_is_no_call(output: Any) -> None:
    assert calls(output) == []


def test_section_14_2_once_an_id_or_a_name_with_its_arguments() -> None:
    same = [{"name": "f", "args": {"a": 1}}, {"name": "f", "args": {"a": 1}}, {"name": "f", "args": {"a": 2}}]
    assert [c.arguments for c in calls({"tool_calls": same})] == ['{"a":1}', '{"a":2}']
    both = {"tool_calls": [OPENAI], "additional_kwargs": {"tool_calls": [OPENAI, OPENAI | {"id": "c2"}]}}
    assert [c.id for c in calls(both)] == ["c1", "c2"]


@pytest.mark.parametrize("index", [-1, 2**32, "1", True, None, 1.5])
def test_section_14_2_an_index_that_is_none_is_zero(index: Any) -> None:
    assert calls({"tool_calls": [OPENAI | {"index": index}]})[0].index == 0


# WB-26


def test_wb_26_parts_of_genai_messages() -> None:
    part = {"type": "tool_call", "id": "c", "name": "f", "arguments": {"city": "Paris"}}
    output = [
        {"role": "assistant", "parts": [{"type": "text", "content": "Well."}, part], "finish_reason": "tool_call"}
    ]
    assert calls(output) == [call(id_="c", kind="tool_call")]


def test_wb_26_openinference_messages() -> None:
    message = {
        "role": "assistant",
        "tool_calls": [{"tool_call": {"id": "c", "function": {"name": "f", "arguments": "{}"}}}],
    }
    assert calls([{"message": message}]) == [call(id_="c", arguments="{}")]


@pytest.mark.parametrize(
    "message",
    [
        [{"text": "Well."}, {"toolUse": {"toolUseId": "c", "name": "f", "input": {"city": "Paris"}}}],
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c", "name": "f", "input": {"city": "Paris"}}}]},
    ],
)
def test_wb_26_a_message_of_a_choice_event_that_is_json_text(message: Any) -> None:
    assert calls({"finish_reason": "tool_use", "message": json.dumps(message)}) == [call(id_="c")]
    assert calls([{"index": 0, "message": json.dumps(message)}, {"index": 1, "message": "text"}]) == [call(id_="c")]


@pytest.mark.parametrize("name", ["functionCall", "function_call"])
def test_wb_26_gemini(name: str) -> None:
    part = {name: {"name": "f", "args": {"city": "Paris"}}}
    for output in (
        {"role": "model", "parts": [{"text": "Well."}, part]},
        {"content": {"role": "model", "parts": [part]}},
        {"candidates": [{"content": {"parts": [part]}}]},
        {"role": "model", "content": [part]},
        [{"role": "model", "parts": [part]}],
    ):
        assert calls(output) == [call()]


def test_wb_26_livekit() -> None:
    sent = json.dumps([{"id": "item_1", "call_id": "c", "name": "f", "arguments": ARGUMENTS}])
    for key in ("lk.response.function_calls", "lk.pii.response.function_calls"):
        expected = [call(id_="c", arguments=ARGUMENTS)]
        assert calls(sent, {key: sent}) == expected
        assert calls("Let me see.", {"lk.response.text": "Let me see.", key: sent}) == expected


def test_wb_26_openai_responses() -> None:
    output = [
        {"type": "reasoning", "summary": []},
        {
            "type": "function_call",
            "id": "fc",
            "call_id": "c",
            "name": "f",
            "arguments": ARGUMENTS,
            "status": "completed",
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Well."}]},
    ]
    assert calls({"object": "response", "output": output}) == [call(id_="c", arguments=ARGUMENTS, kind="function_call")]


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_calls": [{"name": "f", "args": {"city": "Paris"}, "id": "c1", "type": "tool_call"}]},
        {"additional_kwargs": {"tool_calls": [OPENAI]}},
    ],
)
def test_wb_26_langchain(fields: dict[str, Any]) -> None:
    of_lc = {"generations": [[{"text": "", "message": {"lc": 1, "kwargs": {"content": ""} | fields}}]]}
    plain = {"generations": [[{"text": "", "message": {"content": "", "type": "ai"} | fields}]]}
    assert [(c.id, c.name) for c in calls(of_lc)] == [("c1", "f")] == [(c.id, c.name) for c in calls(plain)]


def test_wb_26_bedrock() -> None:
    part = {"toolUse": {"toolUseId": "c", "name": "f", "input": {"city": "Paris"}}}
    assert calls({"role": "assistant", "content": [part]}) == [call(id_="c")]
    assert calls({"output": {"message": {"role": "assistant", "content": [part]}}}) == [call(id_="c")]


def test_wb_26_the_old_function_call() -> None:
    message = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ARGUMENTS}}
    for output in (message, [message], {"choices": [{"message": message}]}):
        assert calls(output) == [call(arguments=ARGUMENTS)]


def test_wb_26_openinference_messages_are_asked_when_the_output_has_no_call() -> None:
    prefix = "llm.output_messages.0.message.tool_calls.0.tool_call"
    attributes = {
        f"{prefix}.id": "c",
        f"{prefix}.function.name": "f",
        f"{prefix}.function.arguments": ARGUMENTS,
    }
    expected = [call(id_="c", arguments=ARGUMENTS)]
    assert calls("ChatMessage(role='assistant', tool_calls=[...])", attributes) == expected
    assert calls({"tool_calls": [OPENAI]}, attributes) == [FOUND]


def test_the_output_of_an_attribute_is_parsed_once() -> None:
    span = Span(attributes={"output.value": json.dumps({"tool_calls": [OPENAI]})})
    first = span.json("output.value")
    assert tool_calls(span, span.attributes["output.value"]) == [FOUND]
    assert span.json("output.value") is first


# The corpus


def test_every_tool_call_of_the_corpus_is_found() -> None:
    """By client, trace and tool: the calls that were made, as expected.json lists them."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    from tests.worker.map.corpus_spans import span_of

    found: set[tuple[str, str, str, str]] = set()
    for request in captured():
        client = request.name.partition("/")[0]
        if client == "plain_otel":
            continue
        for resource_spans in ExportTraceServiceRequest.FromString(request.plain).resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for sent in scope_spans.spans:
                    span, output = span_of(scope_spans.scope, sent)
                    for one in tool_calls(span, output):
                        found.add((client, sent.trace_id.hex(), one.name, _compact(one.arguments)))
    expected = {
        (path.parent.name, trace["trace_id"], one["name"], _compact(one["arguments"]))
        for path in CORPUS.glob("*/expected.json")
        for trace in json.loads(path.read_text())["traces"]
        for model_call in trace.get("model_calls", ())
        for one in model_call.get("tool_calls") or ()
    }
    assert found == expected
    assert len(expected) >= 9


def _compact(text: str) -> str:
    return json.dumps(json.loads(text))


# Bad input

HOSTILE: list[Any] = [
    None, "", "x", "[", '{"name"', "[" * 3000, 0, -1, 2**70, 1.5, True, [], {}, [[]], [None], {"tool_calls": 5},
    {"tool_calls": "[" * 2000}, {"tool_calls": [[]]}, {"tool_calls": {"a": 1}}, {"choices": [5, {"message": 7}]},
    {"output": 5}, {"output": [5]}, {"generations": 5}, {"generations": [5, [5, {"message": 5}]]}, {"message": [[]]},
    {"function": 5}, {"function": {"name": ["f"], "arguments": 1}}, {"name": {"a": 1}, "arguments": 1, "id": []},
    {"type": ["function"], "name": "f", "arguments": {}, "id": {"a": 1}}, {"content": [5, {"type": {}}], "parts": 5},
    {"toolName": ["x"], "input": 1}, {"functionCall": {"name": "f", "args": float("nan")}}, {"additional_kwargs": []},
]  # fmt: skip
KEYS = [
    "output.value", "llm.output_messages", "llm.output_messages.0.message.tool_calls", "lk.response.function_calls",
    "llm.output_messages.99999999999.message.tool_calls.0.tool_call.function.name", "lk.pii.response.function_calls",
]  # fmt: skip


def test_any_value_is_survived() -> None:
    for output in HOSTILE:
        for key in KEYS:
            for value in HOSTILE:
                for one in tool_calls(Span(attributes={key: value}), output):
                    assert all(isinstance(text, str) for text in (one.id, one.name, one.arguments, one.type))


def test_nested_messages_are_followed_a_bounded_way() -> None:
    for name in ("message", "content", "additional_kwargs"):
        nested: dict[str, Any] = {"tool_calls": [OPENAI]}
        for _ in range(900):
            nested = {name: nested}
        assert tool_calls(Span(), nested) == []
    assert tool_calls(Span(), "{" * 100_000) == []
