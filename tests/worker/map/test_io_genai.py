"""Input and output in GenAI's conventions: events, indexed keys, messages, instructions (otel-mapping.md section 8)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.worker.map.sides import sides
from worker.map.span import Event

# Steps 5, 6, 7: events


def test_step_5_the_first_details_event_that_yields_anything() -> None:
    name = "gen_ai.client.inference.operation.details"
    messages = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
    answers = [{"role": "assistant", "parts": [{"type": "text", "content": "hello"}], "finish_reason": "stop"}]
    events = [
        Event(name, {"gen_ai.request.model": "m"}),
        Event(
            name,
            {
                "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
                "gen_ai.input.messages": messages,
                "gen_ai.output.messages": answers,
            },
        ),
        Event(name, {"gen_ai.input.messages": "late"}),
    ]
    given, output = sides({"gen_ai.input.messages": "of the span"}, events=events)
    assert json.loads(given) == [{"role": "system", "content": "Be brief."}, *messages]
    assert json.loads(output) == answers


def test_step_6_message_events_as_strands_writes_them() -> None:
    """Attributes stay as they are: JSON text in them is not decoded (section 8.5)."""
    events = [
        Event("gen_ai.system.message", {"content": '[{"text": "Use the tool."}]'}),
        Event("other", {"content": "no message"}),
        Event("gen_ai.user.message", {"content": '[{"text": "Weather?"}]'}),
        Event("gen_ai.tool.message", {"role": "function", "content": "18", "id": "c1"}),
        Event("gen_ai.choice", {"finish_reason": "end_turn", "message": '[{"text": "18 degrees"}]'}),
    ]
    given, output = sides({"input.value": "late"}, events=events)
    assert json.loads(given) == [
        {"role": "system", "content": '[{"text": "Use the tool."}]'},
        {"role": "user", "content": '[{"text": "Weather?"}]'},
        {"role": "function", "content": "18", "id": "c1"},
    ]
    assert json.loads(output) == {"finish_reason": "end_turn", "message": '[{"text": "18 degrees"}]'}


def test_step_6_several_choices_are_a_list_and_an_empty_one_is_none() -> None:
    events = [Event("gen_ai.choice", {"index": 0, "message": "a"}), Event("gen_ai.choice", {"index": 1})]
    assert json.loads(sides(events=events)[1]) == [{"index": 0, "message": "a"}, {"index": 1}]
    assert sides({"output.value": "o"}, events=[Event("gen_ai.choice", {})]) == ("", "o")


def test_step_7_content_events() -> None:
    events = [
        Event("gen_ai.content.prompt", {"gen_ai.prompt": "user: hi"}),
        Event("gen_ai.content.completion", {"gen_ai.completion": '[{"role": "assistant"}]'}),
    ]
    assert sides({"input.value": "late"}, events=events) == ("user: hi", '[{"role": "assistant"}]')


def test_step_7_runs_the_whole_list_on_the_attributes_of_the_event() -> None:
    event = Event("gen_ai.content.prompt", {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "hi"})
    assert json.loads(sides(events=[event])[0]) == [{"role": "user", "content": "hi"}]


def test_step_7_attributes_of_no_convention_are_an_object() -> None:
    assert sides(events=[Event("gen_ai.content.completion", {"answer": 42})]) == ("", '{"answer":42}')


def test_wb_15_a_content_event_without_attributes_is_no_empty_object() -> None:
    events = [Event("gen_ai.content.prompt", {"gen_ai.prompt": "hi"}), Event("gen_ai.content.completion", {})]
    assert sides(events=events) == ("hi", "")


# Steps 18, 19


def test_step_18_indexed_messages() -> None:
    attributes = {
        "gen_ai.completion.0.tool_calls.0.name": "f",
        "gen_ai.prompt.1.content": "hi",
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.1.role": "user",
        "gen_ai.completion.0.role": "assistant",
    }
    given, output = sides(attributes)
    assert json.loads(given) == [{"role": "system"}, {"content": "hi", "role": "user"}]
    assert json.loads(output) == [{"tool_calls": [{"name": "f"}], "role": "assistant"}]


def test_step_19_openinference_messages_when_there_are_no_values() -> None:
    attributes = {"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "hi"}
    given, output = sides(attributes)
    assert json.loads(given) == [{"message": {"role": "user", "content": "hi"}}]
    assert output == "", "WB-15: not an empty object"


# Step 20


def test_step_20_a_tool_call_has_arguments_and_a_result() -> None:
    attributes = {"gen_ai.tool.call.arguments": '{"city": "Paris"}', "gen_ai.tool.call.result": {"t": 18}}
    assert sides(attributes) == ('{"city": "Paris"}', '{"t":18}')


def test_step_20_arguments_only_without_messages_a_result_without_answers() -> None:
    tool = {"gen_ai.tool.call.arguments": "a", "gen_ai.tool.call.result": "r"}
    assert sides(tool | {"gen_ai.input.messages": "m"}) == ("m", "r")
    assert sides(tool | {"gen_ai.output.messages": "m"}) == ("", "m")


# Section 8.4


MESSAGES = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]


@pytest.mark.parametrize("key", ["gen_ai.input.messages", "pydantic_ai.all_messages"])
@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize(
    ("instructions", "content"),
    [
        ([{"type": "text", "content": "Be brief."}, {"type": "text", "content": "Be kind."}], "Be brief.\nBe kind."),
        ('[{"type": "text", "content": "Be brief."}]', "Be brief."),
        (["Be brief.", {"no": "content"}, 5], 'Be brief.\n{"no":"content"}\n5'),
        ("Be brief.", "Be brief."),
        ({"text": "Be brief."}, '{"text":"Be brief."}'),
    ],
)
def test_section_8_4_instructions_come_first(key: str, as_text: bool, instructions: Any, content: str) -> None:
    attributes = {key: json.dumps(MESSAGES) if as_text else MESSAGES, "gen_ai.system_instructions": instructions}
    given = sides(attributes, "pydantic-ai")[0]
    assert json.loads(given) == [{"role": "system", "content": content}, *MESSAGES]


@pytest.mark.parametrize(
    "messages",
    ["plain text", '{"role": "user"}', '[{"role": "user"}, {"role": "system", "content": "mine"}]', "[broken"],
)
def test_section_8_4_other_messages_are_unchanged(messages: str) -> None:
    attributes = {"gen_ai.input.messages": messages, "gen_ai.system_instructions": "Be brief."}
    assert sides(attributes)[0] == messages


def test_section_8_4_no_input_no_instructions() -> None:
    assert sides({"gen_ai.system_instructions": "Be brief."}) == ("", "")
    assert sides({"gen_ai.input.messages": "[{}]", "gen_ai.system_instructions": "[]"})[0] == "[{}]"
