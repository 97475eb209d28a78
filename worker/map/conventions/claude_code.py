"""Claude Code: prompts and answers of its command line."""

from __future__ import annotations

from schemas.usage_names import CLAUDE_CODE_USAGE
from worker.map.counts import counted, with_total
from worker.map.span import Span
from worker.map.values import Value, first

_NAMES = "claude_code."


def usage(span: Span) -> dict[str, int]:
    """Counts of a call of a model, which have no prefix there, each token in one of them."""
    if not span.name.startswith(_NAMES):
        return {}
    found = {kind: counted(span.attributes.get(name)) for kind, name in CLAUDE_CODE_USAGE.items()}
    return with_total({kind: tokens for kind, tokens in found.items() if tokens is not None})


def input_output(span: Span) -> tuple[Value, Value]:
    """The prompt, else what was new in the context; the answer (otel-mapping.md section 8.1 step 21)."""
    return first(span.attributes, ("user_prompt", "new_context")), span.attributes.get("response.model_output")
