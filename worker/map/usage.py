"""How many tokens, or other units, a call used: kind of usage → count, each token in one kind (otel-mapping.md section 11).

Counts are whole numbers from 0 to 2⁶³-1. One that is sent and is none of these is left out, as if it had not been sent;
sums that would be larger are 2⁶³-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from schemas.usage_names import CACHED_KINDS, REASONING_KINDS
from worker.map.conventions import adk, claude_code, genai, genkit, langfuse, litellm, mlflow, vercel
from worker.map.counts import added
from worker.map.scalars import repeats_totals
from worker.map.span import Span


class Tokens(NamedTuple):
    """The columns input_tokens, output_tokens … of the table `spans`."""

    input: int
    output: int
    total: int
    cached: int
    reasoning: int


def usage(span: Span, kind: str) -> dict[str, int]:
    """Counts of a span of this observation type, from the first convention that gives any (section 11.1); empty for
    none, and for spans of agents that repeat the totals of their calls (section 6)."""
    if repeats_totals(span):
        return {}
    families = span.families
    if "langfuse" in families and (found := langfuse.usage(span)):
        return found
    if span.scope_name == vercel.SCOPE:
        found = vercel.usage(span, kind)
    elif span.scope_name == genkit.SCOPE and (counts := genkit.usage(span)):
        found = counts
    elif span.scope_name == adk.SCOPE:
        found = adk.usage(span)
    elif span.scope_name == litellm.SCOPE:
        found = litellm.usage(span)
    elif not families.isdisjoint(("gen_ai", "llm", "ai")):
        found = genai.usage(span)
    else:
        found = {}
    if not found and "mlflow" in families:
        return mlflow.usage(span, kind)
    return found or claude_code.usage(span)


def token_sums(usage: Mapping[str, int]) -> Tokens:
    """What went in (all kinds with `input` in their name), what came out (`output`), the total, and of these what was
    read from a cache and what was reasoning."""
    return Tokens(
        added([tokens for kind, tokens in usage.items() if "input" in kind]),
        added([tokens for kind, tokens in usage.items() if "output" in kind]),
        usage.get("total", 0),
        added([usage.get(kind, 0) for kind in CACHED_KINDS]),
        added([usage.get(kind, 0) for kind in REASONING_KINDS]),
    )
