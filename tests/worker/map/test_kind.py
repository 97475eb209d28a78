"""The type of an observation (otel-mapping.md section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from worker.map.kind import observation_type
from worker.map.span import Span


def kind(attributes: Mapping[str, Any] | None = None, **fields: Any) -> str:
    return observation_type(Span(attributes=attributes or {}, **fields))


def old_sdk(version: str = "3.2.1", **fields: Any) -> Span:
    attributes = {"langfuse.observation.type": "span", "langfuse.observation.usage_details": "{}"}
    return Span(
        **{
            "attributes": attributes,
            "scope_name": "langfuse-sdk",
            "scope_version": version,
            "resource": {"telemetry.sdk.language": "python"},
        }
        | fields
    )


@pytest.mark.parametrize("version", ["", "2.0", "3", "3.0.1", "3.3.9", "03.3"])
def test_section_5_step_0_a_span_of_the_old_python_sdk_with_values_of_a_generation_is_one(version: str) -> None:
    assert observation_type(old_sdk(version)) == "GENERATION"


@pytest.mark.parametrize(
    "span",
    [
        old_sdk("3.4.0"),
        old_sdk("4"),
        old_sdk("33333333333333.0"),
        old_sdk("next"),
        old_sdk(scope_name="other"),
        old_sdk(resource={"telemetry.sdk.language": "nodejs"}),
        old_sdk(attributes={"langfuse.observation.type": "span", "langfuse.observation.input": "x"}),
    ],
)
def test_section_5_step_0_any_other_span_stays_a_span(span: Span) -> None:
    assert observation_type(span) == "SPAN"


@pytest.mark.parametrize(
    "name",
    ["span", "generation", "event", "embedding", "agent", "tool", "chain", "retriever", "guardrail", "evaluator"],
)
def test_section_5_step_1_langfuse_type(name: str) -> None:
    assert kind({"langfuse.observation.type": name, "openinference.span.kind": "LLM"}) == name.upper()


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        *((name, name) for name in ["CHAIN", "RETRIEVER", "EMBEDDING", "AGENT", "TOOL", "GUARDRAIL", "EVALUATOR"]),
        ("LLM", "GENERATION"),
    ],
)
def test_section_5_step_2_openinference_kind(sent: str, expected: str) -> None:
    assert kind({"openinference.span.kind": sent, "gen_ai.operation.name": "chat"}) == expected


@pytest.mark.parametrize(
    ("sent", "expected"), [("RERANKER", "RETRIEVER"), ("PROMPT", "CHAIN"), ("DECISION", "EVALUATOR")]
)
def test_wb_10_openinference_reranker_and_friends(sent: str, expected: str) -> None:
    assert kind({"openinference.span.kind": sent}) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"langfuse.observation.type": " Generation "}, "GENERATION"),
        ({"openinference.span.kind": "llm\n"}, "GENERATION"),
        ({"gen_ai.operation.name": " Chat"}, "GENERATION"),
    ],
)
def test_wb_10_words_in_any_case_and_with_blanks(attributes: dict[str, str], expected: str) -> None:
    assert kind(attributes) == expected


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        *((name, "GENERATION") for name in ["chat", "completion", "text_completion", "generate_content", "generate"]),
        ("embeddings", "EMBEDDING"),
        ("invoke_agent", "AGENT"),
        ("create_agent", "AGENT"),
        ("execute_tool", "TOOL"),
    ],
)
def test_section_5_step_3_genai_operation(operation: str, expected: str) -> None:
    assert kind({"gen_ai.operation.name": operation, "gen_ai.request.model": "m"}) == expected


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("retrieval", "RETRIEVER"),
        ("search_memory", "RETRIEVER"),
        ("invoke_workflow", "CHAIN"),
        ("plan", "CHAIN"),
        ("agent_step", "AGENT"),
        ("CHAIN", "CHAIN"),
        ("retriever", "RETRIEVER"),
        ("Reranker", "RETRIEVER"),
        ("PARSER", "CHAIN"),
        ("CHAT_MODEL", "GENERATION"),
    ],
)
def test_wb_9_newer_operations_and_types_of_mlflow(operation: str, expected: str) -> None:
    assert kind({"gen_ai.operation.name": operation}) == expected


def test_section_5_an_operation_that_is_not_known_leaves_it_to_the_next_step() -> None:
    assert kind({"gen_ai.operation.name": "UNKNOWN", "gen_ai.tool.name": "look"}) == "TOOL"
    assert kind({"gen_ai.operation.name": "UNKNOWN"}) == "SPAN"


@pytest.mark.parametrize(
    ("subtype", "expected"),
    [
        ("model", "GENERATION"),
        ("background-model", "GENERATION"),
        ("embedder", "EMBEDDING"),
        ("tool", "TOOL"),
        ("tool.v2", "TOOL"),
        ("retriever", "RETRIEVER"),
        ("evaluator", "EVALUATOR"),
        ("flow", "SPAN"),
    ],
)
def test_section_5_step_4_genkit_subtype(subtype: str, expected: str) -> None:
    assert kind({"genkit:metadata:subtype": subtype}) == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("ai.generateText.doGenerate", "GENERATION"),
        ("ai.streamText.doStream", "GENERATION"),
        ("ai.generateObject.doGenerate", "GENERATION"),
        ("ai.streamObject.doStream", "GENERATION"),
        ("ai.embed.doEmbed", "EMBEDDING"),
        ("ai.embedMany.doEmbed", "EMBEDDING"),
    ],
)
def test_section_5_step_5_vercel_call_of_a_model(call: str, expected: str) -> None:
    assert kind({"operation.name": f"{call} my-function", "ai.model.id": "m"}) == expected
    assert kind({"ai.operationId": call, "ai.model.id": "m"}) == expected
    assert kind({"ai.operationId": f"{call} more", "ai.model.id": "m"}) == "SPAN"
    assert kind({"ai.operationId": call}) == "SPAN"
    assert kind({"ai.operationId": call, "ai.model.id": ""}) == "SPAN"


@pytest.mark.parametrize("outer", ["ai.generateText", "ai.streamText"])
def test_section_5_outer_vercel_spans_stay_spans(outer: str) -> None:
    assert kind({"operation.name": outer, "ai.operationId": outer, "ai.model.id": "m"}) == "SPAN"
    assert kind({"operation.name": outer, "gen_ai.request.model": "m"}) == "GENERATION"


def test_section_5_step_6_vercel_tool() -> None:
    assert kind({"operation.name": "ai.toolCall look"}) == "TOOL"
    assert kind({"ai.operationId": "ai.toolCall"}) == "TOOL"


@pytest.mark.parametrize("key", ["gen_ai.tool.name", "gen_ai.tool.call.id"])
def test_section_5_step_7_genai_tool(key: str) -> None:
    assert kind({key: "x", "gen_ai.request.model": "m"}) == "TOOL"
    assert kind({key: "", "gen_ai.request.model": "m"}) == "GENERATION"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("flue.tool.name", "TOOL"),
        ("flue.tool.call_id", "TOOL"),
        ("flue.task.id", "AGENT"),
        ("flue.task.agent", "AGENT"),
    ],
)
def test_section_5_step_8_flue(key: str, expected: str) -> None:
    assert kind({key: "x"}) == expected
    assert kind({key: "x", "flue.tool.name": "look"}) == "TOOL"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("agent_turn", "AGENT"), ("start_agent_activity", "AGENT"), ("function_tool", "TOOL"), ("tts_node", "SPAN")],
)
def test_section_5_step_9_livekit_by_name(name: str, expected: str) -> None:
    assert kind(scope_name="livekit-agents", name=name) == expected
    assert kind(scope_name="other", name=name) == "SPAN"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("LLM", "GENERATION"),
        ("CHAT_MODEL", "GENERATION"),
        *((name, name) for name in ["AGENT", "TOOL", "RETRIEVER", "EMBEDDING", "GUARDRAIL", "EVALUATOR", "CHAIN"]),
        ("RERANKER", "RETRIEVER"),
        *((name, "CHAIN") for name in ["PARSER", "WORKFLOW", "TASK", "MEMORY"]),
        ("UNKNOWN", "SPAN"),
        ("my type", "SPAN"),
    ],
)
def test_wb_9_and_section_19_mlflow_span_type(sent: str, expected: str) -> None:
    assert kind({"mlflow.spanType": sent}) == expected


@pytest.mark.parametrize(
    ("sent", "expected"), [("workflow", "CHAIN"), ("task", "CHAIN"), ("agent", "AGENT"), ("tool", "TOOL")]
)
def test_wb_9_traceloop_kind(sent: str, expected: str) -> None:
    assert kind({"traceloop.span.kind": sent}) == expected


@pytest.mark.parametrize(
    ("key", "sent", "expected"),
    [
        ("lmnr.span.type", "LLM", "GENERATION"),
        ("lmnr.span.type", "TOOL", "TOOL"),
        ("lmnr.span.type", "EVALUATOR", "EVALUATOR"),
        ("llm.request.type", "chat", "GENERATION"),
        ("llm.request.type", "completion", "GENERATION"),
        ("llm.request.type", "embedding", "EMBEDDING"),
        ("llm.request.type", "rerank", "RETRIEVER"),
    ],
)
def test_wb_9_laminar_and_openllmetry(key: str, sent: str, expected: str) -> None:
    assert kind({key: sent}) == expected


@pytest.mark.parametrize(
    "key",
    [
        "langfuse.observation.model.name",
        "gen_ai.request.model",
        "gen_ai.response.model",
        "llm.model_name",
        "model",
        "mlflow.llm.model",
    ],
)
def test_section_5_step_10_a_named_model_makes_a_generation(key: str) -> None:
    assert kind({key: "m"}) == "GENERATION"
    empty: tuple[Any, ...] = ("", [], {})
    for nothing in empty:
        assert kind({key: nothing}) == "SPAN"
    assert kind({"ai.model.id": "m"}) == "SPAN"


def test_section_5_a_value_that_is_not_recognised_passes_on() -> None:
    assert kind({"langfuse.observation.type": "thing", "openinference.span.kind": "TOOL"}) == "TOOL"
    assert kind({"openinference.span.kind": "thing", "llm.model_name": "m"}) == "GENERATION"


@pytest.mark.parametrize("value", [1, 1.5, True, [], ["x"], {}, {"a": 1}, "", "\0", "x" * 100_000])
def test_bad_input_any_type_in_any_attribute(value: Any) -> None:
    keys = [
        "langfuse.observation.type",
        "openinference.span.kind",
        "gen_ai.operation.name",
        "genkit:metadata:subtype",
        "operation.name",
        "ai.operationId",
        "mlflow.spanType",
        "traceloop.span.kind",
        "lmnr.span.type",
        "llm.request.type",
    ]
    assert kind(dict.fromkeys(keys, value)) == "SPAN"
