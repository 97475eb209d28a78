"""OpenInference: `input.value` and `output.value`, and the messages spread over `llm.input_messages.N.message.…`."""

from __future__ import annotations

from worker.map.indexed import rebuild
from worker.map.span import Span
from worker.map.values import Value

OUTPUT_MESSAGES = "llm.output_messages"


def input_output(span: Span) -> tuple[Value, Value]:
    """The request and the answer as the library took and gave them (otel-mapping.md section 8.1 step 14)."""
    return span.attributes.get("input.value"), span.attributes.get("output.value")


def messages(span: Span) -> tuple[Value, Value]:
    """The messages, `[{message: {role, content}}]` (step 19)."""
    return rebuild(span.attributes, "llm.input_messages"), rebuild(span.attributes, OUTPUT_MESSAGES)
