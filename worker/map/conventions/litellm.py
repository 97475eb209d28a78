"""LiteLLM's own callback: scope `litellm`, the semantic conventions for GenAI with what the API counted beside them."""

from __future__ import annotations

from worker.map.conventions import genai
from worker.map.counts import net, spelt, with_total
from worker.map.span import Span

SCOPE = "litellm"
#: The counts as the text of a Python dict: `{'prompt_tokens': 26, …, 'prompt_tokens_details': {…, 'cached_tokens': 8}}`.
_COUNTS = "metadata.usage_object"
_DETAILS = (
    ("input", "input_cached_tokens", "cached_tokens"),
    ("output", "output_reasoning_tokens", "reasoning_tokens"),
)


def usage(span: Span) -> dict[str, int]:
    """GenAI's counts; those of cached and reasoning tokens, which LiteLLM sends nowhere else, from the text it has of all
    of them. They are part of its input's and output's."""
    found = genai.usage(span)
    if not found or _COUNTS not in span.attributes:
        return found
    counts = spelt(span.attributes[_COUNTS])
    for base, kind, name in _DETAILS:
        count = counts.get(name) if kind not in found and base in found else None
        if count:
            found[base], found[kind] = net(found[base], count), count
    with_total(found)
    return found
