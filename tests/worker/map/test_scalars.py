"""Level, environment, version, release, name, model, provider (otel-mapping.md sections 3, 4, 6 and 7)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from worker.map.scalars import (
    app_version,
    environment,
    level,
    model,
    observation_name,
    plain_environment,
    provider,
    release,
    repeats_totals,
    totals_skipped,
)
from worker.map.span import Event, Span

LEVEL = "langfuse.observation.level"


def span(attributes: Mapping[str, Any] | None = None, **fields: Any) -> Span:
    return Span(attributes=attributes or {}, **fields)


def failed(attributes: Mapping[str, Any] | None = None, **fields: Any) -> Span:
    return span(attributes, status_code="ERROR", **fields)


# --- Level (section 3) ---


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("debug trace verbose", "DEBUG"),
        ("default info log notice ok success", "DEFAULT"),
        ("warning warn", "WARNING"),
        ("error fatal critical", "ERROR"),
    ],
)
def test_section_3_level_aliases(words: str, expected: str) -> None:
    for word in words.split():
        assert level(span({LEVEL: f" {word.title()} "}))[0] == expected


def test_section_3_an_explicit_level_beats_the_status() -> None:
    assert level(failed({LEVEL: "INFO"}))[0] == "DEFAULT"


@pytest.mark.parametrize("value", ["loud", "", 40, True, ["error"], {}])
def test_section_3_a_level_that_is_no_word_of_the_table_is_ignored(value: Any) -> None:
    assert level(span({LEVEL: value}))[0] == "DEFAULT"
    assert level(failed({LEVEL: value}))[0] == "ERROR"


@pytest.mark.parametrize(
    "name",
    [
        "user_speaking",
        "eou_detection",
        "llm_request_run",
        "tts_node",
        "tts_request",
        "tts_request_run",
        "tts_stream_adapter",
        "agent_speaking",
        "drain_agent_activity",
        "start_agent_activity",
        "on_enter",
        "on_exit",
        "llm_fallback_adapter",
        "tts_fallback_adapter",
    ],
)
def test_section_7_livekit_plumbing_is_debug(name: str) -> None:
    of_livekit: dict[str, Any] = {"scope_name": "livekit-agents", "name": name}
    assert level(span(**of_livekit))[0] == "DEBUG"
    assert level(failed(**of_livekit))[0] == "ERROR"
    assert level(span({LEVEL: "warn"}, **of_livekit))[0] == "WARNING"
    assert level(span(name=name))[0] == "DEFAULT"
    assert level(span(scope_name="livekit-agents", name="agent_turn"))[0] == "DEFAULT"


def test_wb_8_a_failed_tool_of_livekit_is_an_error() -> None:
    of_livekit: dict[str, Any] = {"scope_name": "livekit-agents", "name": "function_tool"}
    assert level(span({"lk.function_tool.is_error": True}, **of_livekit))[0] == "ERROR"
    assert level(span({"lk.function_tool.is_error": False}, **of_livekit))[0] == "DEFAULT"
    assert level(span({"lk.function_tool.is_error": True, LEVEL: "info"}, **of_livekit))[0] == "DEFAULT"


@pytest.mark.parametrize(
    ("number", "expected"), [(10, "DEBUG"), (20, "DEFAULT"), (30, "WARNING"), (40, "ERROR"), (50, "ERROR")]
)
def test_section_19_mlflow_log_level(number: int, expected: str) -> None:
    for sent in (number, str(number)):
        assert level(span({"mlflow.spanLogLevel": sent}))[0] == expected
        assert level(failed({"mlflow.spanLogLevel": sent}))[0] == "ERROR"
        assert level(span({"mlflow.spanLogLevel": sent, LEVEL: "warn"}))[0] == "WARNING"
    assert level(span({"mlflow.spanLogLevel": 15}))[0] == "DEFAULT"


# --- Status message (section 3) ---

BROKEN = Event("exception", {"exception.type": "ValueError", "exception.message": "no such city"})


def test_section_3_status_message_from_attribute_then_status() -> None:
    said = {"langfuse.observation.status_message": "said"}
    assert level(failed(said, status_message="status"))[1] == "said"
    assert level(failed(status_message="status", events=(BROKEN,)))[1] == "status"
    assert level(span(status_message="status"))[1] == "status"
    assert level(span())[1] == ""


def test_wb_8_an_error_without_a_message_has_that_of_its_exception() -> None:
    assert level(failed(events=(Event("log", {}), BROKEN, Event("exception", {"exception.message": "later"}))))[1] == (
        "ValueError: no such city"
    )
    assert level(failed(events=(Event("exception", {"exception.message": "only"}),)))[1] == "only"
    assert level(failed(events=(Event("exception", {"exception.type": "KeyError"}),)))[1] == "KeyError"
    assert level(failed(events=(Event("exception", {}),)))[1] == ""
    assert level(span(events=(BROKEN,))) == ("DEFAULT", "")


def test_wb_4_a_status_message_that_is_a_number_is_text() -> None:
    assert level(span({"langfuse.observation.status_message": 404}))[1] == "404"


# --- Environment (section 3) ---

ENVIRONMENT_KEYS = ("langfuse.environment", "deployment.environment.name", "deployment.environment")


def test_section_3_environment_key_before_place() -> None:
    for place, key in enumerate(ENVIRONMENT_KEYS):
        later = dict.fromkeys(ENVIRONMENT_KEYS[place + 1 :], "later")
        assert environment(span({key: "own", **later}, resource={key: "res", **later})) == "own"
        assert environment(span(later, resource={key: "res", **later})) == "res"
    assert environment(span()) == "default"


def test_wb_3_an_empty_environment_falls_through() -> None:
    assert environment(span({"langfuse.environment": "", "deployment.environment": "b"})) == "b"
    assert environment(span({"langfuse.environment": ""}, resource={"langfuse.environment": "a"})) == "a"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("Production", "production"),
        ("langfuse", "default"),
        ("langfuse-prod", "prod"),
        ("langfuse_prod", "prod"),
        ("langfuseprod", "prod"),
        ("Langfuse-langfuse_langfuse-x", "x"),
        ("langfuse--prod", "-prod"),
        ("my-langfuse", "my-langfuse"),
        ("a" * 50, "a" * 40),
        ("langfuse-" * 5 + "b" * 50, "b" * 40),
        ("a" * 40 + " not seen", "a" * 40),
        ("eu west", "default"),
        ("größe", "default"),
        (" prod", "default"),
        ("prod\n", "default"),
        (7, "default"),
        (True, "default"),
        (["prod"], "default"),
        ({"a": 1}, "default"),
        ("sdk-experiment", "sdk-experiment"),
    ],
)
def test_section_3_environment_is_made_a_name(sent: Any, expected: str) -> None:
    assert environment(span({"langfuse.environment": sent})) == expected
    assert plain_environment({"deployment.environment": sent}) == expected


def test_section_3_environment_of_a_resource_alone() -> None:
    assert plain_environment({}) == "default"
    assert plain_environment({"deployment.environment": "b", "langfuse.environment": "a"}) == "a"


def judged(**changes: Any) -> Span:
    completion = {"completion": None, "rawRequest": {"trace": {"environment": "langfuse-llm-as-a-judge"}}}
    attributes = {"openrouter.source": "openrouter", "gen_ai.completion": json.dumps(completion | changes)}
    return span(attributes, resource={"service.name": "openrouter", "deployment.environment": "prod"})


def test_section_3_openrouter_failures_of_judges_have_their_own_environment() -> None:
    assert environment(judged()) == "llm-as-a-judge"


@pytest.mark.parametrize(
    "other",
    [
        judged(completion="text"),
        judged(rawRequest={"trace": {"environment": "prod"}}),
        judged(rawRequest=[]),
        span({**judged().attributes, "openrouter.source": "x"}, resource=judged().resource),
        span({**judged().attributes, "gen_ai.completion": "no json"}, resource=judged().resource),
        span(judged().attributes, resource={"service.name": "other", "deployment.environment": "prod"}),
    ],
)
def test_section_3_openrouter_otherwise_the_usual_environment(other: Span) -> None:
    assert environment(other) == "prod"


# --- Version and release (section 3) ---


def test_section_3_version_and_release_and_whose_they_are() -> None:
    resource = {"service.version": "1", "langfuse.release": "r1"}
    assert app_version(span({"langfuse.version": "2"}, resource=resource)) == ("2", True)
    assert app_version(span({"langfuse.version": ""}, resource=resource)) == ("1", False)
    assert release(span({"langfuse.release": "r2"}, resource=resource)) == ("r2", True)
    assert release(span(resource=resource)) == ("r1", False)
    assert app_version(span()) == ("", False)
    assert release(span()) == ("", False)


def test_wb_4_a_version_that_is_a_number_is_text() -> None:
    assert app_version(span({"langfuse.version": 7})) == ("7", True)
    assert release(span({"langfuse.release": {"a": [1]}})) == ('{"a":[1]}', True)


# --- Name (section 4) ---

NAMES = ("gen_ai.tool.name", "genkit:name", "logfire.msg", "ai.toolCall.name", "ai.operationId")


@pytest.mark.parametrize("place", range(len(NAMES)))
def test_section_4_name_in_order(place: int) -> None:
    attributes = {key: f"by {key}" for key in NAMES[place:]}
    assert observation_name(span(attributes, name="span")) == f"by {NAMES[place]}"
    attributes[NAMES[place]] = ""
    expected = f"by {NAMES[place + 1]}" if place + 1 < len(NAMES) else "span"
    assert observation_name(span(attributes, name="span")) == expected  # WB-3


def test_section_4_an_operation_of_vercel_has_the_function_before_it() -> None:
    attributes = {"ai.operationId": "ai.generateText", "ai.telemetry.functionId": "answer"}
    assert observation_name(span(attributes)) == "answer:ai.generateText"
    assert observation_name(span({**attributes, "ai.telemetry.functionId": ""})) == "ai.generateText"


def test_section_4_the_name_of_the_span_is_kept_as_sent() -> None:
    name = "Größe 世界 " * 500
    assert observation_name(span(name=name)) == name


def test_section_4_a_name_that_is_no_text_is_made_text() -> None:
    assert observation_name(span({"gen_ai.tool.name": 48151623})) == "48151623"


# --- Model and provider (section 6) ---

MODELS = (
    "langfuse.observation.model.name",
    "gen_ai.response.model",
    "ai.model.id",
    "gen_ai.request.model",
    "llm.response.model",
    "llm.model_name",
    "model",
    "genkit:name",
    "llm.response.model_name",
    "llm.request.model_name",
    "embedding.model_name",
    "reranker.model_name",
    "mlflow.llm.model",
)


@pytest.mark.parametrize("place", range(len(MODELS)))
def test_section_6_and_wb_11_model_in_order(place: int) -> None:
    attributes = {key: f"by {key}" for key in MODELS[place:]}
    attributes |= {"genkit:metadata:subtype": "model", "llm.invocation_parameters": '{"model": "inside"}'}
    assert model(span(attributes)) == f"by {MODELS[place]}"
    attributes[MODELS[place]] = ""
    expected = f"by {MODELS[place + 1]}" if place + 1 < len(MODELS) else "inside"
    assert model(span(attributes)) == expected  # WB-3


def test_section_6_genkit_names_a_model_only_where_it_is_one() -> None:
    assert model(span({"genkit:name": "flow", "genkit:metadata:subtype": "flow"})) == ""


@pytest.mark.parametrize("operation", ["invoke_agent", "agent_step", " Invoke_Agent "])
def test_section_6_spans_that_repeat_totals_have_no_model(operation: str) -> None:
    repeating = span({"gen_ai.operation.name": operation, "gen_ai.request.model": "m"})
    assert model(repeating) == ""
    assert totals_skipped(repeating)
    assert not totals_skipped(span({"gen_ai.operation.name": "chat"}))
    assert not totals_skipped(span())


@pytest.mark.parametrize("value", ["[1]", "no json", '{"model": ""}', "{}", 5, ["x"]])
def test_wb_11_parameters_without_a_model(value: Any) -> None:
    assert model(span({"llm.invocation_parameters": value})) == ""


def test_section_19_mlflow_model_inside_the_inputs_of_a_model_call() -> None:
    inputs = {"mlflow.spanInputs": '{"model": "gpt-4o-mini", "messages": []}'}
    for kind in ("LLM", "CHAT_MODEL", "EMBEDDING"):
        assert model(span({"mlflow.spanType": kind, **inputs})) == "gpt-4o-mini"
    assert model(span({"mlflow.spanType": "CHAIN", **inputs})) == ""
    assert model(span({"mlflow.spanType": "LLM", "mlflow.llm.model": "own", **inputs})) == "own"


def test_wb_4_a_model_that_is_no_text_is_made_text() -> None:
    assert model(span({"gen_ai.request.model": 4})) == "4"


PROVIDERS = (
    "gen_ai.provider.name",
    "gen_ai.system",
    "llm.provider",
    "llm.system",
    "ai.model.provider",
    "mlflow.llm.provider",
)


@pytest.mark.parametrize("place", range(len(PROVIDERS)))
def test_provider_in_order(place: int) -> None:
    assert provider(span({key: f"by {key}" for key in PROVIDERS[place:]})) == f"by {PROVIDERS[place]}"
    assert provider(span()) == ""


@pytest.mark.parametrize("value", [1, -1.5, float("nan"), True, [], [None], {}, {"a": [1]}, "", "\0", "[" * 100_000])
def test_bad_input_any_type_in_any_attribute(value: Any) -> None:
    keys = (
        *MODELS, *NAMES, *PROVIDERS, *ENVIRONMENT_KEYS, LEVEL, "langfuse.observation.status_message", "mlflow.spanLogLevel",
        "lk.function_tool.is_error", "openrouter.source", "gen_ai.completion", "gen_ai.operation.name", "langfuse.version",
        "langfuse.release", "llm.invocation_parameters", "mlflow.spanInputs",
    )  # fmt: skip
    events = (Event("exception", {"exception.type": value, "exception.message": value}),)
    bad = failed(dict.fromkeys(keys, value), resource=dict.fromkeys(keys, value), events=events)
    texts = (*level(bad), environment(bad), app_version(bad)[0], release(bad)[0], observation_name(bad), model(bad))
    assert all(isinstance(text, str) for text in (*texts, provider(bad), plain_environment(bad.resource)))


@pytest.mark.parametrize("kind", ["AGENT", " chain "])
def test_agents_and_chains_of_openinference_that_name_no_model_repeat_totals(kind: str) -> None:
    assert repeats_totals(Span(attributes={"openinference.span.kind": kind, "llm.token_count.total": 9}))
    assert not repeats_totals(Span(attributes={"openinference.span.kind": kind, "llm.model_name": "gpt-4o"}))
    assert not repeats_totals(Span(attributes={"openinference.span.kind": "LLM"}))
    assert not repeats_totals(Span(attributes={"openinference.span.kind": ["AGENT"]}))
    assert repeats_totals(Span(attributes={"gen_ai.operation.name": "invoke_agent", "llm.model_name": "gpt-4o"}))
