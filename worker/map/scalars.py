"""Fields that are one word or one line: level, environment, version, release, name, model, provider (otel-mapping.md
sections 3, 4, 6 and 7)."""

from __future__ import annotations

from collections.abc import Sequence

from litefuse.environment import DEFAULT, environment_name
from schemas.conventions import (
    FIELDS,
    LEVELS,
    LIVEKIT_DEBUG,
    MLFLOW_LEVELS,
    MLFLOW_MODEL_CALLS,
    REPEATING_OPERATIONS,
    RESOURCE_FIELDS,
)
from worker.map.conventions import livekit
from worker.map.kind import word
from worker.map.span import Event, Span
from worker.map.values import Attributes, Value, as_text, count, filled, first, first_text, without_nul

_ENVIRONMENT = FIELDS["environment"]
_MODEL, _MODEL_LATE = FIELDS["model"], FIELDS["model_late"]
_MESSAGE, _PROVIDER = FIELDS["level_message"], FIELDS["provider"]
_VERSION, _RELEASE = FIELDS["app_version"], FIELDS["release"]
_RESOURCE_VERSION, _RESOURCE_RELEASE = RESOURCE_FIELDS["app_version"], RESOURCE_FIELDS["release"]

_JUDGE = "langfuse-llm-as-a-judge"


def level(span: Span) -> tuple[str, str]:
    """DEBUG, DEFAULT, WARNING or ERROR, and why: the message its SDK gives, else that of the status, else, of an ERROR,
    its exception (WB-8)."""
    found = _level(span)
    message = first_text(span.attributes, _MESSAGE) or span.status_message
    if not message and found == "ERROR" and span.events:
        message = exception_message(span.events)
    return found, message


def _level(span: Span) -> str:
    attributes, families = span.attributes, span.families
    if "langfuse" in families:
        said = LEVELS.get(word(attributes.get("langfuse.observation.level")).lower())
        if said:
            return said
    if span.status_code == "ERROR":
        return "ERROR"
    if "lk" in families and attributes.get("lk.function_tool.is_error") in (True, "true"):
        return "ERROR"
    if "mlflow" in families:
        number = count(attributes.get("mlflow.spanLogLevel"))
        if number in MLFLOW_LEVELS:
            return MLFLOW_LEVELS[number]
    if span.scope_name == livekit.SCOPE and span.name in LIVEKIT_DEBUG:
        return "DEBUG"
    return "DEFAULT"


def exception_message(events: Sequence[Event]) -> str:
    """`type: message` of the first exception that has a message; without any, the type of the first."""
    only_type = ""
    for event in events:
        if event.name != "exception":
            continue
        kind, message = event.attributes.get("exception.type"), event.attributes.get("exception.message")
        if filled(message):
            return f"{as_text(kind)}: {as_text(message)}" if filled(kind) else as_text(message)
        if not only_type and filled(kind):
            only_type = as_text(kind)
    return only_type


def environment(span: Span) -> str:
    """Deployment environment: each key is looked for in the span, then in its resource, before the next key."""
    attributes, resource = span.attributes, span.resource
    if attributes.get("openrouter.source") == "openrouter" and _is_judged(span):
        return "llm-as-a-judge"
    for key in _ENVIRONMENT:
        value = attributes.get(key)
        if value is None or value == "":
            value = resource.get(key)
        if value is not None and value != "":
            return environment_name(value)
    return DEFAULT


def plain_environment(resource: Attributes) -> str:
    """What a span gets that has no attribute of its own."""
    return environment_name(first(resource, _ENVIRONMENT))


def _is_judged(span: Span) -> bool:
    """A call that OpenRouter made for a judge, and that failed: judged again, it would fail again, for ever."""
    if span.resource.get("service.name") != "openrouter":
        return False
    found = span.json("gen_ai.completion")
    if not isinstance(found, dict) or found.get("completion", "") is not None:
        return False
    for name in ("rawRequest", "trace", "environment"):
        found = found.get(name) if isinstance(found, dict) else None
    return bool(found == _JUDGE)


def app_version(span: Span) -> tuple[str, bool]:
    """Version of the application, and whether the span says it itself."""
    own = first_text(span.attributes, _VERSION)
    return (own, True) if own else (first_text(span.resource, _RESOURCE_VERSION), False)


def release(span: Span) -> tuple[str, bool]:
    """Release of the application, and whether the span says it itself."""
    own = first_text(span.attributes, _RELEASE)
    return (own, True) if own else (first_text(span.resource, _RESOURCE_RELEASE), False)


def observation_name(span: Span) -> str:
    """What to call it: the tool, step or function that its SDK names, else the name of the span (section 4)."""
    attributes, families = span.attributes, span.families
    if "gen_ai" in families and filled(found := attributes.get("gen_ai.tool.name")):
        return as_text(found)
    if filled(found := attributes.get("genkit:name")):
        return as_text(found)
    if "logfire" in families and filled(found := attributes.get("logfire.msg")):
        return as_text(found)
    if "ai" in families:
        if filled(found := attributes.get("ai.toolCall.name")):
            return as_text(found)
        if filled(found := attributes.get("ai.operationId")):
            function = attributes.get("ai.telemetry.functionId")
            return f"{as_text(function)}:{as_text(found)}" if filled(function) else as_text(found)
    return span.name


def totals_skipped(span: Span) -> bool:
    """Whether the span repeats the totals of its children: then it has no model, usage or cost (section 6)."""
    operation = span.attributes.get("gen_ai.operation.name")
    return operation is not None and word(operation) in REPEATING_OPERATIONS


def repeats_totals(span: Span) -> bool:
    """Whether the counts of the span are those of the calls below it: also OpenInference's agents and chains that name no
    model. To count them again would double what a trace used."""
    if totals_skipped(span):
        return True
    kind = span.attributes.get("openinference.span.kind")
    return isinstance(kind, str) and kind.strip().upper() in ("AGENT", "CHAIN") and not model(span)


def model(span: Span) -> str:
    """The model as it is called where the span says it (section 6); empty for none."""
    if totals_skipped(span):
        return ""
    attributes = span.attributes
    found = first(attributes, _MODEL)
    if found is None and attributes.get("genkit:metadata:subtype") == "model":
        found = first(attributes, ("genkit:name",))
    if found is None:
        found = first(attributes, _MODEL_LATE)
    if found is None:
        found = _model_inside(span)
    return as_text(found) if filled(found) else ""


def _model_inside(span: Span) -> Value:
    """`model` among the parameters of a call, or in the request that MLflow keeps as inputs of a model call."""
    families = span.families
    if "llm" in families:
        parameters = span.json("llm.invocation_parameters")
        if isinstance(parameters, dict) and filled(parameters.get("model")):
            return _clean(parameters["model"])
    if "mlflow" in families and word(span.attributes.get("mlflow.spanType")) in MLFLOW_MODEL_CALLS:
        inputs = span.json("mlflow.spanInputs")
        if isinstance(inputs, dict):
            return _clean(inputs.get("model"))
    return None


def _clean(value: Value) -> Value:
    return without_nul(value) if isinstance(value, str) else value


def provider(span: Span) -> str:
    """Who serves the model, for its price, as sent; empty for not said."""
    return first_text(span.attributes, _PROVIDER)
