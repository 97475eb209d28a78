"""Pydantic AI: scope `pydantic-ai`; its agents, and the tools that it calls."""

from __future__ import annotations

from worker.map.conventions.genai import with_instructions
from worker.map.span import Span
from worker.map.values import Value, filled

SCOPE = "pydantic-ai"


def agent(span: Span) -> tuple[Value, Value]:
    """All messages of a run, and its result (otel-mapping.md section 8.1 step 16)."""
    messages = span.attributes.get("pydantic_ai.all_messages")
    if filled(messages):
        messages = with_instructions(messages, span.attributes.get("gen_ai.system_instructions"))
    return messages, span.attributes.get("final_result")


def tool(span: Span) -> tuple[Value, Value]:
    """Arguments and result of a tool (step 17)."""
    return span.attributes.get("tool_arguments"), span.attributes.get("tool_response")
