"""LiveKit agents: scope `livekit-agents`, attributes under `lk.`."""

from __future__ import annotations

from worker.map.span import Span
from worker.map.values import Value, first

SCOPE = "livekit-agents"


def _both(*names: str) -> tuple[str, ...]:
    """Each name, and under `lk.pii.` as newer releases write what holds content (WB-13)."""
    return tuple([f"lk.{prefix}{name}" for name in names for prefix in ("", "pii.")])


INPUT = _both("input_text", "user_transcript", "chat_ctx", "user_input", "function_tool.arguments")
FUNCTION_CALLS = _both("response.function_calls")
OUTPUT = _both("function_tool.output", "response.text") + FUNCTION_CALLS


def input_output(span: Span) -> tuple[Value, Value]:
    """What was said, heard, or given to a tool, and the answer (otel-mapping.md section 8.1 step 10)."""
    return first(span.attributes, INPUT), first(span.attributes, OUTPUT)
