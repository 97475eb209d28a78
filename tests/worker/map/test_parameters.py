"""Model parameters (otel-mapping.md section 9, and section 19 for MLflow)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worker.map.parameters import model_parameters
from worker.map.span import Span


def parameters(attributes: dict[str, Any], scope: str = "", kind: str = "GENERATION") -> dict[str, str]:
    return model_parameters(Span(attributes=attributes, scope_name=scope), kind)


LANGFUSE = "langfuse.observation.model.parameters"


def test_section_9_row_1_langfuse_replaces_everything_below() -> None:
    others = {"llm.invocation_parameters": '{"seed": 1}', "gen_ai.request.top_p": 0.5}
    assert parameters({LANGFUSE: '{"temperature": 0.7}', **others}) == {"temperature": "0.7"}
    assert parameters({LANGFUSE: '{"temperature": 0.7}', **others}, "genkit-tracer") == {"temperature": "0.7"}


def test_section_9_row_1_is_laid_over_row_3_in_scope_ai() -> None:
    sent = {LANGFUSE: '{"temperature": 0.7, "seed": 3}', "gen_ai.request.temperature": 0.1, "ai.settings.maxSteps": 4}
    assert parameters(sent, "ai") == {"maxSteps": "4", "temperature": "0.7", "seed": "3"}


@pytest.mark.parametrize("value", ["{", "", None])
def test_section_9_row_1_bad_json_passes_on(value: Any) -> None:
    assert parameters({LANGFUSE: value, "gen_ai.request.seed": 1}) == {"seed": "1"}


@pytest.mark.parametrize("value", ["[1]", "5", '"text"', "null", "true", [1], 5, True])
def test_wb_18_json_that_is_no_object_is_bad_json(value: Any) -> None:
    for name in (LANGFUSE, "llm.invocation_parameters", "model_config"):
        assert parameters({name: value, "gen_ai.request.seed": 1}) == {"seed": "1"}


def test_section_9_row_2_config_of_genkit() -> None:
    sent = {"genkit:input": json.dumps({"config": {"temperature": 0.2, "stopSequences": ["##"]}})}
    assert parameters(sent, "genkit-tracer") == {"temperature": "0.2", "stopSequences": '["##"]'}
    assert parameters(sent) == {}


def test_section_9_row_2_config_of_the_request_in_genkits_output() -> None:
    sent = {"genkit:input": '{"config": "none"}', "genkit:output": json.dumps({"request": {"config": {"topK": 4}}})}
    assert parameters(sent, "genkit-tracer") == {"topK": "4"}


def test_section_9_row_3_the_fixed_set_of_vercel() -> None:
    sent = {
        "ai.settings.maxSteps": 5,
        "ai.prompt.toolChoice": '{"type":"auto"}',
        "gen_ai.request.max_tokens": 100,
        "gen_ai.response.finish_reasons": ["stop", "length"],
        "gen_ai.system": "openai",
        "ai.settings.maxRetries": 2,
        "ai.settings.mode": "json",
        "gen_ai.request.temperature": 0.1,
        "gen_ai.request.service_tier": "slow",
        "gen_ai.request.top_p": 0.5,
        "ai.response.providerMetadata": json.dumps({"openai": {"serviceTier": "flex"}}),
    }
    assert parameters(sent, "ai") == {
        "maxSteps": "5",
        "toolChoice": '{"type":"auto"}',
        "maxTokens": "100",
        "finishReason": "stop,length",
        "system": "openai",
        "maxRetries": "2",
        "mode": "json",
        "temperature": "0.1",
        "service_tier": "flex",
    }


def test_section_9_row_3_second_sources_of_vercel() -> None:
    sent = {
        "gen_ai.finishReason": "stop",
        "ai.model.provider": "openai.chat",
        "gen_ai.request.service_tier": "slow",
        "ai.response.providerMetadata": "{broken",
    }
    assert parameters(sent, "ai") == {"finishReason": "stop", "system": "openai.chat", "service_tier": "slow"}


def test_wb_18_keys_without_a_value_are_left_out_in_scope_ai() -> None:
    assert parameters({"ai.settings.mode": "", "gen_ai.request.temperature": 0}, "ai") == {"temperature": "0"}


@pytest.mark.parametrize("name", ["llm.invocation_parameters", "model_config"])
def test_section_9_rows_4_and_5_json_objects(name: str) -> None:
    sent = {name: '{"model": "m", "temperature": 0.3, "stop": ["##"], "stream": true}', "gen_ai.request.seed": 1}
    assert parameters(sent) == {"model": "m", "temperature": "0.3", "stop": '["##"]', "stream": "true"}
    assert parameters({name: "{", "gen_ai.request.seed": 1}) == {"seed": "1"}


def test_section_9_row_4_before_row_5() -> None:
    assert parameters({"model_config": '{"b": 1}', "llm.invocation_parameters": '{"a": 1}'}) == {"a": "1"}
    assert parameters({"model_config": '{"b": 1}', "llm.invocation_parameters": "{"}) == {"b": "1"}


def test_section_9_row_6_prefixes_are_merged_without_the_model() -> None:
    sent = {
        "gen_ai.request.model": "m",
        "gen_ai.request.temperature": 0.1,
        "gen_ai.request.stop_sequences": ["a", "b"],
        "llm.invocation_parameters.model": "m",
        "llm.invocation_parameters.max_tokens": 99,
        "gen_ai.request.empty": "",
    }
    assert parameters(sent) == {"temperature": "0.1", "stop_sequences": '["a","b"]', "max_tokens": "99"}


def test_section_9_row_6_does_not_depend_on_the_order_of_attributes() -> None:
    sent = {"gen_ai.request.seed": 1, "llm.invocation_parameters.seed": 2}
    assert parameters(sent) == parameters(dict(reversed(sent.items()))) == {"seed": "1"}


INPUTS = json.dumps(
    {
        "model": "m",
        "messages": [{"role": "user"}],
        "temperature": 0,
        "stop": ["x"],
        "stream": False,
        "seed": None,
        "n": 2,
    }
)


def test_wb_18_and_section_19_parameters_of_mlflow() -> None:
    expected = {"temperature": "0", "stop": '["x"]', "stream": "false", "n": "2"}
    assert parameters({"mlflow.spanInputs": INPUTS}) == expected
    assert parameters({"mlflow.spanInputs": INPUTS, "mlflow.message.format": "openai"}, kind="CHAIN") == expected
    assert parameters({"mlflow.spanInputs": INPUTS}, kind="CHAIN") == {}


@pytest.mark.parametrize("name", ["top_p", "top_k", "max_tokens", "max_completion_tokens", "frequency_penalty",
                                  "presence_penalty", "response_format", "tool_choice"])  # fmt: skip
def test_section_19_each_parameter_of_mlflow(name: str) -> None:
    assert parameters({"mlflow.spanInputs": json.dumps({name: 1})}) == {name: "1"}


def test_wb_18_mlflow_is_asked_last() -> None:
    assert parameters({"mlflow.spanInputs": INPUTS, "gen_ai.request.top_p": 1}) == {"top_p": "1"}


@pytest.mark.parametrize("inputs", ["[1]", "text", "{", 5, "", {"temperature": ""}])
def test_section_19_inputs_of_another_shape_have_no_parameters(inputs: Any) -> None:
    assert parameters({"mlflow.spanInputs": inputs}) == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (1, "1"), (0.7, "0.7"), (1 << 70, str(1 << 70)), (True, "true"), (None, "null"), (["##"], '["##"]'),
     ({"a": {"b": 1}}, '{"a":{"b":1}}'), ("a\0b", "a\ufffdb")],
)  # fmt: skip
def test_section_9_values_as_text(value: Any, text: str) -> None:
    assert parameters({LANGFUSE: {"k": value}}) == {"k": text}


def test_section_9_parameters_are_kept_for_agents() -> None:
    sent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.temperature": 0.1}
    assert parameters(sent, kind="AGENT") == {"temperature": "0.1"}
