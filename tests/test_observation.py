"""The whole metadata of an observation from a stored row (otel-mapping.md sections 8.6, 14.1, 15 and 19)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from litefuse.observation import mlflow_decoded, observation_metadata

MLFLOW = "mlflow.tracing.provider"


def attributes(sent: Mapping[str, str], **columns: Any) -> dict[str, Any]:
    found = observation_metadata({"attributes_string": sent, **columns})["attributes"]
    assert isinstance(found, dict)
    return found


# --- Parts (section 15) ---


def test_section_15_built_in_parts_and_names_of_the_user() -> None:
    row = {
        "attributes_string": {"a": "x"},
        "resource_string": {"service.name": "shop"},
        "resource_int": {"pid": 5},
        "resource_json": {"args": '["a"]', "empty": "null"},
        "scope_name": "lib",
        "scope_version": "1.0",
        "scope_attributes": {"n": "5", "t": "5", "f": "1.5", "b": "true", "j": "[1]"},
        "scope_attribute_types": {"n": "int", "f": "float", "b": "bool", "j": "json"},
        "metadata": {"team": "red", "retry.count": "3", "user.scope": "mine"},
    }
    assert observation_metadata(row) == {
        "attributes": {"a": "x"},
        "resourceAttributes": {"service.name": "shop", "pid": 5, "args": ["a"]},
        "scope": {"name": "lib", "version": "1.0", "attributes": {"n": 5, "t": "5", "f": 1.5, "b": True, "j": [1]}},
        "team": "red",
        "retry.count": "3",
        "user.scope": "mine",
    }


def test_section_15_no_attributes_of_langfuse_sdks() -> None:
    for scope in ("langfuse-sdk", "langfuse-sdk-js"):
        assert "attributes" not in observation_metadata({"scope_name": scope, "attributes_string": {"a": "x"}})
    assert "attributes" in observation_metadata({"scope_name": "other"})


def test_wb_27_built_in_parts_are_never_replaced() -> None:
    found = observation_metadata({"metadata": {"attributes": "x", "resourceAttributes": "y", "scope": "z"}})
    assert found == {"attributes": {}, "resourceAttributes": {}, "scope": {"name": "", "version": "", "attributes": {}}}


def test_section_8_6_values_that_are_no_text_are_json_text() -> None:
    found = attributes(
        {"s": "x"},
        attributes_int={"i": 9223372036854775807},
        attributes_float=[("f", 5.0), ("nan", float("nan"))],
        attributes_bool={"b": False},
        attributes_json={
            "l": "[1,null]",
            "m": '{"kvlistValue":{"bytesValue":1}}',
            "y": '{"bytesValue":"AAE="}',
            "e": "null",
        },
    )
    assert found == {
        "s": "x",
        "i": "9223372036854775807",
        "f": "5.0",
        "nan": "NaN",
        "b": "false",
        "l": "[1,null]",
        "m": '{"bytesValue":1}',
        "y": "AAE=",
    }


def test_rows_as_clients_give_them_maps_as_pairs() -> None:
    row = {"attributes_string": [("a", "x")], "attributes_json": [("b", "[]")], "metadata": [("team", "red")]}
    found = observation_metadata(row)
    assert (found["attributes"], found["team"]) == ({"a": "x", "b": "[]"}, "red")


# --- What is shown elsewhere (section 8.6) ---

REMOVED = (
    "langfuse.trace.input", "langfuse.trace.output", "langfuse.observation.input", "langfuse.observation.output",
    "langfuse.trace.metadata", "langfuse.trace.metadata.a", "langfuse.observation.metadata", "langfuse.observation.metadata.a",
    "ai.prompt.messages", "ai.prompt", "ai.toolCall.args", "ai.toolCall.result", "ai.response.text", "ai.result.text",
    "ai.response.object", "ai.result.object", "ai.response.toolCalls", "ai.result.toolCalls", "ai.telemetry.metadata.a",
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result", "gen_ai.prompt", "gen_ai.prompt.0.content", "gen_ai.completion.0.role", "llm.input_messages.0.a",
    "llm.output_messages.0.a", "gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response",
    "gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.tool_response", "prompt", "all_messages_events", "events",
    "final_result", "pydantic_ai.all_messages", "input", "output", "lk.input_text", "lk.user_transcript", "lk.chat_ctx",
    "lk.user_input", "lk.function_tool.output", "lk.response.text", "mlflow.spanInputs", "mlflow.spanOutputs",
    "traceloop.entity.input", "traceloop.entity.output", "input.value", "output.value", "genkit:input", "genkit:output",
    "flue.turn.input", "flue.tool.arguments", "flue.task.prompt", "flue.workflow.payload", "flue.turn.output",
    "flue.tool.result", "flue.task.result", "flue.operation.result", "flue.workflow.result",
)  # fmt: skip


@pytest.mark.parametrize("key", REMOVED)
def test_section_8_6_removed(key: str) -> None:
    assert attributes({key: "x", "kept": "y"}) == {"kept": "y"}


@pytest.mark.parametrize("key", ["tool_arguments", "tool_response"])
def test_wb_17_no_second_copy_of_tool_arguments(key: str) -> None:
    assert attributes({key: "x"}) == {}


@pytest.mark.parametrize(
    "name", ["input_text", "user_transcript", "chat_ctx", "user_input", "function_tool.output", "response.text"]
)
def test_wb_13_livekit_under_its_newer_names(name: str) -> None:
    assert attributes({f"lk.pii.{name}": "x"}) == {}


@pytest.mark.parametrize(
    "key",
    [
        *("input.mime_type", "retrieval.documents.0.document.content", "gen_ai.provider.name", "mlflow.traceRequestId"),
        *("langfuse.observation.type", "langfuse.metadata", "gen_ai.prompt_tokens", "gen_ai.completion_tokens", "a"),
        *("mlflow.spanFunctionName", "mlflow.spanDescription", "mlflow.message.format", "mlflow.experimentId"),
        *("mlflow.spanStartTimeNs", "mlflow.llm.provider", "traceloop.association.properties.user_id"),
    ],
)
def test_section_8_6_everything_else_stays(key: str) -> None:
    assert attributes({key: "x"}) == {key: "x"}


def test_wb_38_user_metadata_of_others_is_no_longer_an_attribute() -> None:
    assert attributes({"metadata": '{"a":1}', "traceloop.association.properties.plan": "pro"}) == {}
    assert attributes({"traceloop.association.properties.session_id": "s"}) != {}


# --- Tools (section 14.1) ---

TOOLS = '[{"type":"function","function":{"name":"look"}},{"name":"find"}]'
DEFINED = {"look": "{}", "find": "{}"}


@pytest.mark.parametrize(
    "key", ["ai.prompt.tools", "gen_ai.tool.definitions", "mlflow.chat.tools", "lk.function_tools"]
)
def test_section_14_1_tools_joined_to_the_input_are_removed(key: str) -> None:
    assert attributes({key: TOOLS}, tool_definitions=DEFINED) == {}
    assert attributes({key: TOOLS}, tool_definitions={"look": "{}"}) == {key: TOOLS}
    assert attributes({key: TOOLS}) == {key: TOOLS}
    for other in ("[]", "no json", "[1]", '{"name": "look"}'):
        assert attributes({key: other}, tool_definitions=DEFINED) == {key: other}


def test_section_14_1_tools_within_other_attributes() -> None:
    found = attributes(
        {
            "llm.tools.0.tool.json_schema": '{"name":"look"}',
            "llm.tools.1.tool.json_schema": '{"name":"unknown"}',
            "model_request_parameters": '{"function_tools":[{"name":"find"}],"output_mode":"text"}',
        },
        tool_definitions=DEFINED,
    )
    assert found == {
        "llm.tools.1.tool.json_schema": '{"name":"unknown"}',
        "model_request_parameters": '{"output_mode":"text"}',
    }


# --- MLflow (section 19) ---


@pytest.mark.parametrize(
    ("scope", "resource", "more"),
    [
        (MLFLOW, {}, {}),
        ("", {"telemetry.sdk.name": "mlflow"}, {}),
        ("", {}, {"mlflow.traceRequestId": '"tr-1"'}),
    ],
)
def test_wb_32_mlflow_is_recognised(scope: str, resource: dict[str, str], more: dict[str, str]) -> None:
    assert mlflow_decoded({"user.id": '"u"', **more}, scope, resource)["user.id"] == "u"


def test_wb_32_spans_of_others_are_not_touched() -> None:
    sent = {"user.id": '"u"', "mlflow.spanType": '"LLM"'}
    assert mlflow_decoded(sent, "other", {"telemetry.sdk.name": "opentelemetry"}) is sent


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ('"LLM"', "LLM"),
        ('"\\"twice\\""', '"twice"'),
        ('""', ""),
        ('"a\\u0000"', "a\ufffd"),
        ("3", "3"),
        ('{"a": "b"}', '{"a": "b"}'),
        ('["a"]', '["a"]'),
        ("raw", "raw"),
        ('"', '"'),
        ('"a" and "b"', '"a" and "b"'),
        (3, 3),
        (True, True),
        (["x"], ["x"]),
    ],
)
def test_wb_32_json_text_of_a_string_becomes_the_string_once(sent: Any, expected: Any) -> None:
    assert mlflow_decoded({"a": sent}, MLFLOW, {}) == {"a": expected}


def test_wb_32_trace_tags_are_raw() -> None:
    assert mlflow_decoded({"mlflow.traceTag.a": '"x"', "a": '"x"'}, MLFLOW, {}) == {
        "mlflow.traceTag.a": '"x"',
        "a": "x",
    }


def test_wb_32_metadata_shows_decoded_attributes() -> None:
    sent = {"mlflow.spanType": '"LLM"', "mlflow.spanInputs": "{}", "own": '"x"'}
    assert attributes(sent, scope_name=MLFLOW) == {"mlflow.spanType": "LLM", "own": "x"}


def test_the_result_is_json_whatever_the_row_holds() -> None:
    row = {
        "attributes_float": {"a": float("inf")},
        "resource_float": {"b": float("nan")},
        "resource_json": {"c": '{"doubleValue":"NaN"}', "d": '[{"bytesValue":"AA=="}]'},
        "scope_attributes": {"e": "NaN"},
        "scope_attribute_types": {"e": "float"},
    }
    found = observation_metadata(row)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["resourceAttributes"] == {"b": "NaN", "c": "NaN", "d": ["AA=="]}
