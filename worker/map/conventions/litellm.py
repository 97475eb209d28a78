"""LiteLLM's own callback: scope `litellm`, the semantic conventions for GenAI with what the API counted beside them."""

from __future__ import annotations

import re

from worker.map.conventions import genai
from worker.map.counts import counted, net, with_total
from worker.map.span import Span

SCOPE = "litellm"
#: The counts as the text of a Python dict: `{'prompt_tokens': 26, …, 'prompt_tokens_details': {…, 'cached_tokens': 8}}`.
_COUNTS = "metadata.usage_object"
_DETAILS = (
    ("input", "input_cached_tokens", re.compile(r"['\"]cached_tokens['\"]: (\d{1,19})\b")),
    ("output", "output_reasoning_tokens", re.compile(r"['\"]reasoning_tokens['\"]: (\d{1,19})\b")),
)
#: Longer texts are no counts.
_LONGEST = 10_000


def usage(span: Span) -> dict[str, int]:
    """GenAI's counts; those of cached and reasoning tokens, which LiteLLM sends nowhere else, from the text it has of all
    of them. They are part of its input's and output's."""
    found = genai.usage(span)
    text = span.attributes.get(_COUNTS)
    if not found or not isinstance(text, str) or len(text) > _LONGEST:
        return found
    for base, kind, spelt in _DETAILS:
        match = spelt.search(text) if kind not in found and base in found else None
        count = counted(match.group(1)) if match else None
        if count:
            found[base], found[kind] = net(found[base], count), count
    with_total(found)
    return found
