"""The type of an observation: which convention is asked first (otel-mapping.md section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from schemas.conventions import (
    FLUE_AGENT,
    FLUE_TOOL,
    GENAI_TOOL,
    GENKIT_TYPES,
    LAMINAR_TYPES,
    LIVEKIT_TYPES,
    MLFLOW_TYPES,
    MODEL_PRESENT,
    OLD_SDK_GENERATION,
    OPENINFERENCE_TYPES,
    OPERATION_TYPES,
    REQUEST_TYPES,
    TRACELOOP_TYPES,
    TYPES,
    VERCEL_CALLS,
    VERCEL_MODEL,
    VERCEL_OTHERS,
    VERCEL_TOOL,
)
from worker.map.conventions import haystack, livekit
from worker.map.span import Span
from worker.map.values import Attributes, Value, meaningful


def observation_type(span: Span) -> str:
    """SPAN, EVENT, GENERATION, AGENT, TOOL, CHAIN, RETRIEVER, EVALUATOR, GUARDRAIL or EMBEDDING: as the first step says
    that recognises its value; SPAN when none does."""
    families = span.families
    for family, step in STEPS:
        if not family or family in families:
            found = step(span)
            if found:
                return found
    return "SPAN"


def word(value: Value) -> str:
    """A word as conventions mean it, whatever its case and the blanks around it (WB-10); empty for what is no text."""
    return value.strip().upper() if isinstance(value, str) else ""


def _langfuse(span: Span) -> str:
    found = word(span.attributes.get("langfuse.observation.type"))
    if found == "SPAN" and _is_generation_of_old_sdk(span):
        return "GENERATION"
    return found if found in TYPES else ""


def _is_generation_of_old_sdk(span: Span) -> bool:
    """The Langfuse Python SDK up to 3.3 called its generations spans (step 0)."""
    return (
        span.scope_name == "langfuse-sdk"
        and span.resource.get("telemetry.sdk.language") == "python"
        and any(name in span.attributes for name in OLD_SDK_GENERATION)
        and _is_old(span.scope_version)
    )


def _is_old(version: str) -> bool:
    """Whether a version is at most 3.3, whatever follows; one that is not told is."""
    if not version:
        return True
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0] or "0"
    if not (major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit()):
        return False
    # Compared as text of one length: Python refuses to read thousands of digits as a number.
    return (major.lstrip("0").zfill(9), minor.lstrip("0").zfill(9)) <= ("3".zfill(9), "3".zfill(9))


def _openinference(span: Span) -> str:
    return OPENINFERENCE_TYPES.get(word(span.attributes.get("openinference.span.kind")), "")


def _genai(span: Span) -> str:
    return OPERATION_TYPES.get(word(span.attributes.get("gen_ai.operation.name")), "")


def _genkit(span: Span) -> str:
    return GENKIT_TYPES.get(_text(span.attributes.get("genkit:metadata:subtype")), "")


def _vercel(span: Span) -> str:
    """By `operation.name`, which may say more after it, or `ai.operationId`. A call is one of a model when it names it."""
    name, own_id = _text(span.attributes.get("operation.name")), _text(span.attributes.get("ai.operationId"))
    for call in VERCEL_CALLS:
        if (own_id == call or name.startswith(call)) and _any_of(span.attributes, VERCEL_MODEL):
            return VERCEL_CALLS[call]
    for call, kind in VERCEL_OTHERS.items():
        if own_id == call or name.startswith(call):
            return kind
    return "TOOL" if own_id == VERCEL_TOOL or name.startswith(VERCEL_TOOL) else ""


def _genai_tool(span: Span) -> str:
    return "TOOL" if _any_of(span.attributes, GENAI_TOOL) else ""


def _flue(span: Span) -> str:
    if _any_of(span.attributes, FLUE_TOOL):
        return "TOOL"
    return "AGENT" if _any_of(span.attributes, FLUE_AGENT) else ""


def _livekit(span: Span) -> str:
    return LIVEKIT_TYPES.get(span.name, "") if span.scope_name == livekit.SCOPE else ""


def _mlflow(span: Span) -> str:
    return MLFLOW_TYPES.get(word(span.attributes.get("mlflow.spanType")), "")


def _traceloop(span: Span) -> str:
    return TRACELOOP_TYPES.get(word(span.attributes.get("traceloop.span.kind")).lower(), "")


def _laminar(span: Span) -> str:
    return LAMINAR_TYPES.get(word(span.attributes.get("lmnr.span.type")), "")


def _request(span: Span) -> str:
    return REQUEST_TYPES.get(word(span.attributes.get("llm.request.type")).lower(), "")


def _model(span: Span) -> str:
    return "GENERATION" if _any_of(span.attributes, MODEL_PRESENT) else ""


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""


def _any_of(attributes: Attributes, names: Iterable[str]) -> bool:
    """Whether one of these is meaningful."""
    return any(name in attributes and meaningful(attributes[name]) for name in names)


#: In the order of section 5: the family of attributes without which a step says nothing (`Span.families`), and the step.
STEPS: tuple[tuple[str, Callable[[Span], str]], ...] = (
    ("langfuse", _langfuse),
    ("openinference", _openinference),
    ("gen_ai", _genai),
    ("genkit:metadata:subtype", _genkit),
    ("operation", _vercel),
    ("ai", _vercel),
    ("gen_ai", _genai_tool),
    ("flue", _flue),
    ("", _livekit),
    ("mlflow", _mlflow),
    ("traceloop", _traceloop),
    ("lmnr", _laminar),
    ("llm", _request),
    ("haystack", haystack.observation_type),
    ("", _model),
)
