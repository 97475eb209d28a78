"""Which managed prompt a generation used (otel-mapping.md section 13)."""

from __future__ import annotations

from schemas.usage_names import PROMPT_NAME, PROMPT_VERSION
from worker.map.conventions import mlflow
from worker.map.counts import counted
from worker.map.span import Span
from worker.map.values import Value, as_text, filled, first, json_object, without_nul

_VERCEL = "ai.telemetry.metadata.langfusePrompt"
#: The column is a UInt16.
_MAX_VERSION = 65_535


def prompt_link(span: Span, kind: str) -> tuple[str, int | None]:
    """Name and version of the prompt, each from the first source that has it; only a GENERATION has any. A name without a
    version is kept (WB-4), and what is no version from 0 to 65535 is None."""
    if kind != "GENERATION":
        return "", None
    families = span.families
    name: Value = None
    version: Value = None
    if "langfuse" in families:
        name, version = first(span.attributes, PROMPT_NAME), first(span.attributes, PROMPT_VERSION)
    if _VERCEL in span.attributes and not (filled(name) and filled(version)):
        linked = json_object(span.attributes[_VERCEL]) or {}
        name = name if filled(name) else linked.get("name")
        version = version if filled(version) else linked.get("version")
    if not filled(name) and "mlflow" in families:
        linked = mlflow.linked_prompt(span)
        # A version alone, from elsewhere, would be that of another prompt.
        name, version = (linked["name"], linked.get("version")) if linked else (name, version)
    number = counted(version)
    text = without_nul(as_text(name)) if filled(name) else ""
    return text, number if number is not None and number <= _MAX_VERSION else None
