"""Claude Code: prompts and answers of its command line."""

from __future__ import annotations

from worker.map.span import Span
from worker.map.values import Value, first


def input_output(span: Span) -> tuple[Value, Value]:
    """The prompt, else what was new in the context; the answer (otel-mapping.md section 8.1 step 21)."""
    return first(span.attributes, ("user_prompt", "new_context")), span.attributes.get("response.model_output")
