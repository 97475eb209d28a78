"""Input and output of a span, convention by convention (otel-mapping.md section 8)."""

from __future__ import annotations

import json
import math
import random
from itertools import combinations, permutations
from typing import Any

import pytest

from tests.worker.map.sides import sides
from worker.map.io import STEPS, stored
from worker.map.span import Event

#: Step of section 8.1 → scope, and what a span of that convention alone carries; the input is `i`, the output `o`.
STEP_SPANS: dict[str, tuple[str, dict[str, Any]]] = {
    "1 langfuse": ("langfuse-sdk", {"langfuse.observation.input": "i", "langfuse.observation.output": "o"}),
    "2 genkit": ("genkit-tracer", {"genkit:input": '"i"', "genkit:output": '{"message": "o"}'}),
    "3 vercel": ("ai", {"ai.prompt": "i", "ai.response.text": "o"}),
    "4 flue": ("@flue/opentelemetry", {"flue.turn.input": "i", "flue.turn.output": "o"}),
    "8 adk": ("", {"gcp.vertex.agent.llm_request": "i", "gcp.vertex.agent.llm_response": "o"}),
    "9 logfire agent": ("", {"prompt": "i", "all_messages_events": "o"}),
    "10 livekit": ("", {"lk.input_text": "i", "lk.function_tool.output": "o"}),
    "12 mlflow": ("", {"mlflow.spanInputs": "i", "mlflow.spanOutputs": "o"}),
    "13 traceloop": ("", {"traceloop.entity.input": "i", "traceloop.entity.output": "o"}),
    "14 openinference": ("", {"input.value": "i", "output.value": "o"}),
    "15 bare": ("", {"input": "i", "output": "o"}),
    "16 pydantic agent": ("pydantic-ai", {"pydantic_ai.all_messages": "i", "final_result": "o"}),
    "17 pydantic tool": ("", {"tool_arguments": "i", "tool_response": "o"}),
    "18 indexed": ("", {"gen_ai.prompt": "i", "gen_ai.completion": "o"}),
    "19 openinference messages": ("", {"llm.input_messages": "i", "llm.output_messages": "o"}),
    "20 genai": ("", {"gen_ai.input.messages": "i", "gen_ai.output.messages": "o"}),
    "21 claude code": ("", {"user_prompt": "i", "response.model_output": "o"}),
    "21 laminar": ("", {"lmnr.span.input": "i", "lmnr.span.output": "o"}),
    "late genai": ("", {"gen_ai.retrieval.query.text": "i", "gen_ai.retrieval.documents": "o"}),
    "late vercel": ("", {"ai.documents": "i", "ai.ranking": "o"}),
    "late haystack": ("", {"haystack.component.input": "i", "haystack.component.output": "o"}),
}


@pytest.mark.parametrize("step", STEP_SPANS)
def test_section_8_1_each_convention_gives_both_sides(step: str) -> None:
    scope, attributes = STEP_SPANS[step]
    assert sides(attributes, scope) == ("i", "o")


@pytest.mark.parametrize(("before", "after"), list(combinations(STEP_SPANS, 2)))
def test_section_8_1_the_convention_further_up_wins(before: str, after: str) -> None:
    scope, attributes = STEP_SPANS[before]
    late_scope, late = STEP_SPANS[after]
    both = {key: f"{value}!" for key, value in late.items()} | attributes
    for order in (both, dict(reversed(both.items()))):
        assert sides(order, scope or late_scope) == ("i", "o")


@pytest.mark.parametrize(("before", "after"), list(permutations(STEP_SPANS, 2)))
def test_wb_12_a_side_that_the_first_convention_lacks_is_taken_from_the_next(before: str, after: str) -> None:
    scope, attributes = STEP_SPANS[before]
    late_scope, late = STEP_SPANS[after]
    of_input, of_output = next(iter(attributes)), list(late)[1]
    assert sides({of_input: attributes[of_input], of_output: late[of_output]}, scope) == ("i", "o")
    assert sides({of_input: attributes[of_input], of_output: late[of_output]}, late_scope) == ("i", "o")


def test_wb_12_empty_text_is_a_side_that_is_missing() -> None:
    assert sides({"langfuse.observation.input": "", "input.value": "i"}) == ("i", "")


def test_section_8_1_zero_false_and_empty_lists_are_values() -> None:
    assert sides({"input.value": 0, "output.value": False}) == ("0", "false")
    assert sides({"input.value": [], "output.value": {}}) == ("[]", "{}")


# Step 2


def test_step_2_genkit_takes_messages_and_message() -> None:
    asked = {"messages": [{"role": "user", "content": [{"text": "hi"}]}], "config": {"temperature": 1}}
    answer = {"message": {"role": "model", "content": [{"text": "hello"}]}, "usage": {"inputTokens": 3}}
    found = sides({"genkit:input": json.dumps(asked), "genkit:output": json.dumps(answer)}, "genkit-tracer")
    assert [json.loads(side) for side in found] == [asked["messages"], answer["message"]]


def test_step_2_genkit_takes_all_of_other_json_and_text_that_is_none() -> None:
    assert sides({"genkit:input": '{"city": "Paris"}', "genkit:output": '"sunny"'}, "genkit-tracer") == (
        '{"city":"Paris"}',
        "sunny",
    )
    assert sides({"genkit:input": "{broken", "genkit:output": "null"}, "genkit-tracer") == ("{broken", "")


# Step 3, section 8.2


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"ai.prompt.messages": "m", "ai.prompt": "p", "ai.toolCall.args": "a"}, "m"),
        ({"ai.prompt": "p", "ai.toolCall.args": "a"}, "p"),
        ({"ai.toolCall.args": "a", "gen_ai.input.messages": "g"}, "a"),
        ({"gen_ai.input.messages": "g", "gen_ai.prompt": "late"}, "g"),
    ],
)
def test_section_8_2_input(attributes: dict[str, str], expected: str) -> None:
    assert sides(attributes, "ai")[0] == expected


def test_section_8_2_output_in_order() -> None:
    names = [
        "ai.response.text",
        "ai.result.text",
        "ai.toolCall.result",
        "ai.response.object",
        "ai.result.object",
        "ai.response.toolCalls",
        "ai.result.toolCalls",
        "gen_ai.output.messages",
    ]
    for place, name in enumerate(names):
        rest = {later: later for later in names[place + 1 :] if later != "ai.response.toolCalls"}
        assert sides(rest | {name: "o"}, "ai")[1] == "o", name


@pytest.mark.parametrize("text", ["Let me see.", ""])
def test_section_8_2_text_and_tool_calls_are_one_message_with_the_calls_as_sent(text: str) -> None:
    calls = '[{"toolCallId": "1", "toolName": "f", "input": {}}]'
    output = sides({"ai.response.text": text, "ai.response.toolCalls": calls}, "ai")[1]
    assert json.loads(output) == {"role": "assistant", "content": text, "tool_calls": calls}
    assert sides({"ai.response.text": text, "ai.response.toolCalls": ""}, "ai")[1] == text


def test_wb_14_what_was_embedded_is_input_and_its_vectors_are_no_output() -> None:
    assert sides({"ai.value": '"a"', "ai.embedding": "[0.1,0.2]"}, "ai") == ('"a"', "")
    assert sides({"ai.values": ['"a"', '"b"'], "ai.embeddings": ["[0.1]", "[0.2]"]}, "ai") == (
        '["\\"a\\"","\\"b\\""]',
        "",
    )


# Step 4


def test_step_4_flue_in_order() -> None:
    scope = "@flue/opentelemetry"
    inputs = ["flue.turn.input", "flue.tool.arguments", "flue.task.prompt", "flue.workflow.payload"]
    outputs = [
        "flue.turn.output",
        "flue.tool.result",
        "flue.task.result",
        "flue.operation.result",
        "flue.workflow.result",
    ]
    for side, names in enumerate((inputs, outputs)):
        for place in range(len(names)):
            assert sides({name: name for name in reversed(names[place:])}, scope)[side] == names[place]


# Step 8


@pytest.mark.parametrize("empty", [None, "", "{}"])
def test_step_8_adk_takes_the_tool_where_the_request_of_the_model_is_empty(empty: str | None) -> None:
    attributes = {"gcp.vertex.agent.tool_call_args": '{"city": "Paris"}', "gcp.vertex.agent.tool_response": '{"t": 18}'}
    if empty is not None:
        attributes |= {"gcp.vertex.agent.llm_request": empty, "gcp.vertex.agent.llm_response": empty}
    assert sides(attributes, "gcp.vertex.agent") == ('{"city": "Paris"}', '{"t": 18}')


# Step 10


@pytest.mark.parametrize("middle", ["", "pii."])
def test_wb_13_livekit_in_order_under_both_names(middle: str) -> None:
    inputs = ["input_text", "user_transcript", "chat_ctx", "user_input", "function_tool.arguments"]
    outputs = ["function_tool.output", "response.text", "response.function_calls"]
    for side, names in enumerate((inputs, outputs)):
        for place in range(len(names)):
            attributes = {f"lk.{middle}{name}": name for name in reversed(names[place:])}
            assert sides(attributes, "livekit-agents")[side] == names[place]


# Step 11


@pytest.mark.parametrize("as_text", [True, False])
def test_step_11_logfire_events(as_text: bool) -> None:
    events = [
        {"event.name": "gen_ai.system.message", "content": "Be brief."},
        {"event.name": "gen_ai.choice", "message": {"role": "assistant", "content": "ok"}},
        {"event.name": "gen_ai.user.message", "content": "hi"},
        {"event.name": "gen_ai.choice", "message": {"content": "second"}},
    ]
    given, output = sides({"events": json.dumps(events) if as_text else events})
    assert json.loads(given) == [events[0], events[2]]
    assert json.loads(output) == events[1]


@pytest.mark.parametrize("value", ['{"event.name": "gen_ai.choice"}', "text", 5, True, [], "[]", {"a": 1}, "[null]"])
def test_wb_2_events_that_are_no_list_say_nothing(value: Any) -> None:
    assert sides({"events": value}) == ("", "")


# Step 12, section 19


def test_section_19_mlflow_inputs_that_are_empty_json_are_values() -> None:
    attributes = {"mlflow.spanInputs": "{}", "mlflow.spanOutputs": "[]", "input.value": "late", "output.value": "late"}
    assert sides(attributes) == ("{}", "[]")


def test_section_19_mlflow_messages_of_older_releases_only_without_inputs() -> None:
    assert sides({"mlflow.chat.messages": "[1]", "mlflow.spanOutputs": "o"}) == ("[1]", "o")
    assert sides({"mlflow.chat.messages": "[1]", "mlflow.spanInputs": "i"}) == ("i", "")


# Step 21


@pytest.mark.parametrize("step", ["2 genkit", "3 vercel", "4 flue", "16 pydantic agent"])
def test_wb_14_content_of_another_scope_is_rescued(step: str) -> None:
    assert sides(STEP_SPANS[step][1], "someone else") == ("i", "o")


def test_wb_14_rescued_content_comes_after_all_others() -> None:
    attributes = STEP_SPANS["3 vercel"][1] | STEP_SPANS["20 genai"][1]
    attributes["ai.prompt"] = attributes["ai.response.text"] = "late"
    assert sides(attributes, "someone else") == ("i", "o")


def test_step_21_claude_code_takes_what_is_new_in_the_context() -> None:
    assert sides({"new_context": "n", "response.model_output": "o"}) == ("n", "o")
    assert sides({"new_context": "n", "user_prompt": "u"})[0] == "u"


def test_wb_17_arguments_of_pydantic_tools_are_input() -> None:
    assert sides({"tool_arguments": '{"a": 1}', "tool_response": "r", "gen_ai.tool.name": "f"}) == ('{"a": 1}', "r")


# Section 8.5


def test_section_8_5_text_is_stored_as_sent_and_values_as_compact_json() -> None:
    assert stored(' {"a" : 1} ') == ' {"a" : 1} '
    assert stored({"a": [1, "ü", None], "b": '{"c": 1}'}) == '{"a":[1,"ü",null],"b":"{\\"c\\": 1}"}'
    assert [stored(v) for v in (None, "", 5, 1.5, True, math.nan, 2**70)] == [
        "",
        "",
        "5",
        "1.5",
        "true",
        "NaN",
        str(2**70),
    ]


def test_section_18_references_to_media_are_left_alone() -> None:
    reference = "@@@langfuseMedia:type=image/png|id=abc-1|source=base64_data_uri@@@"
    messages = json.dumps([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": reference}}]}])
    assert sides({"langfuse.observation.input": messages, "langfuse.observation.output": reference}) == (
        messages,
        reference,
    )
    rebuilt = sides({"gen_ai.prompt.0.content": reference})[0]
    assert json.loads(rebuilt) == [{"content": reference}]


# Bad input

_NESTED: Any = "x"
for _ in range(900):
    _NESTED = [_NESTED]
HOSTILE: list[Any] = [
    None, "", "x", "{", "[[[[", "[" * 5000, "[" * 1000 + "]" * 1000, '"t"', "null", "5", -1, 2**70, 1.5, math.nan,
    math.inf, True, False, [], {}, [None], [[]], {"": None}, {"messages": 5}, [{"role": ["system"]}], _NESTED,
    {"tools": 7, "content": {}, "message": "["}, '{"messages":{"a":[]},"message":null}', "é" * 10,
    [{"event.name": []}, 5, None, "x"], '[{"event.name":{}}]', {"__proto__": {"a": 1}},
]  # fmt: skip
KEYS = [key for _, attributes in STEP_SPANS.values() for key in attributes] + [
    "events", "ai.prompt.messages", "ai.response.toolCalls", "gen_ai.system_instructions", "gen_ai.prompt.0.a",
    "gen_ai.prompt.0", "gen_ai.prompt.999999999.content", "gen_ai.completion.0.__proto__.x", "gen_ai.completion.x.0.y",
    "llm.input_messages.0.message.role", "gen_ai.tool.call.arguments", "mlflow.chat.messages", "llm.input_messages.²",
]  # fmt: skip
SCOPES = ["", "ai", "genkit-tracer", "@flue/opentelemetry", "pydantic-ai"]
EVENTS = [
    "gen_ai.choice", "gen_ai.user.message", "gen_ai.content.prompt", "gen_ai.content.completion",
    "gen_ai.client.inference.operation.details", "x",
]  # fmt: skip


def test_any_value_in_any_attribute_is_survived_and_stored_as_text() -> None:
    for key in KEYS:
        for value in HOSTILE:
            for scope in SCOPES:
                assert all(isinstance(side, str) for side in sides({key: value}, scope))


def test_random_spans_give_the_same_in_any_order_of_attributes() -> None:
    made = random.Random(8)
    for _ in range(600):
        attributes = {key: made.choice(HOSTILE) for key in made.sample(KEYS, 8)}
        events = [
            Event(made.choice(EVENTS), {key: made.choice(HOSTILE) for key in made.sample(KEYS, 2)})
            for _ in range(made.randrange(3))
        ]
        scope = made.choice(SCOPES)
        found = sides(attributes, scope, events)
        shuffled = dict(made.sample(list(attributes.items()), len(attributes)))
        again = sides(shuffled, scope, events)
        assert [_same(side) for side in found] == [_same(side) for side in again]


def _same(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def test_deep_values_are_stored_whole() -> None:
    text = '{"messages":' + "[" * 990 + "]" * 990 + "}"
    given = sides({"genkit:input": text}, "genkit-tracer")[0]
    assert given == "[" * 990 + "]" * 990


def test_every_step_has_a_span_here() -> None:
    families = {key.partition(".")[0] for key in KEYS}
    assert all(step.of_events or not step.families.isdisjoint(families) for step in STEPS)
