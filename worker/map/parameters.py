"""Temperature and the like: name → value as text (otel-mapping.md section 9, WB-18)."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.usage_names import PARAMETER_OBJECTS
from worker.map.conventions import genai, genkit, langfuse, mlflow, vercel
from worker.map.span import Span
from worker.map.values import Value, as_text, without_nul


def model_parameters(span: Span, kind: str) -> dict[str, str]:
    """Parameters of the call, from the first convention that has any; empty for none. Text is as it was sent, numbers
    and all else are JSON text."""
    return _texts(_found(span, kind))


def _found(span: Span, kind: str) -> Mapping[str, Value]:
    families = span.families
    stated = langfuse.model_parameters(span) if "langfuse" in families else None
    if span.scope_name == vercel.SCOPE:
        return {**vercel.model_parameters(span), **(stated or {})}
    if stated is not None:
        return stated
    if span.scope_name == genkit.SCOPE and (config := genkit.model_parameters(span)) is not None:
        return config
    for name in PARAMETER_OBJECTS:
        parameters = span.json(name) if name in span.attributes else None
        if isinstance(parameters, dict):
            return parameters
    if ("gen_ai" in families or "llm" in families) and (parameters := genai.model_parameters(span)):
        return parameters
    return mlflow.model_parameters(span, kind) if "mlflow" in families else {}


def _texts(parameters: Mapping[str, Value]) -> dict[str, str]:
    return {without_nul(name): without_nul(as_text(value)) for name, value in parameters.items()}
