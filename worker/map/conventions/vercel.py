"""Vercel AI SDK: scope `ai`, attributes under `ai.`; from version 7 on GenAI attributes in the same scope."""

from __future__ import annotations

from schemas.usage_names import (
    USAGE_SPELLINGS,
    VERCEL_INPUT,
    VERCEL_OUTPUT,
    VERCEL_PARAMETERS,
    VERCEL_TOTAL,
)
from worker.map.conventions import genai
from worker.map.counts import counted, dig, first_count, net, with_total
from worker.map.span import Span
from worker.map.values import Value, as_text, filled, first

SCOPE = "ai"
_METADATA = "ai.response.providerMetadata"
_CACHED = tuple([f"gen_ai.usage.{name}" for name in USAGE_SPELLINGS["input_cached_tokens"]])


def usage(span: Span, kind: str) -> dict[str, int]:
    """Counts of a model call (otel-mapping.md section 11.4); none for what wraps one, whose counts repeat it (WB-22).
    What providers add is JSON in `ai.response.providerMetadata`; when that is broken, GenAI's rules do."""
    if kind not in ("GENERATION", "EMBEDDING"):
        return {}
    metadata = span.json(_METADATA)
    if metadata is None and filled(span.attributes.get(_METADATA)):
        return genai.usage(span)
    gross_input = first_count(span.attributes, VERCEL_INPUT)
    gross_output = first_count(span.attributes, VERCEL_OUTPUT)
    parts = _parts(span, metadata)
    inside = ("cached_tokens", "cache_creation", "cache_creation_5m", "cache_creation_1h", "cache_read")
    found = {
        "input": None if gross_input is None else net(gross_input, *[parts[f"input_{part}"] for part in inside]),
        "output": None if gross_output is None else net(gross_output, parts["output_reasoning_tokens"]),
        "total": first_count(span.attributes, VERCEL_TOTAL),
    } | parts
    return with_total({key: tokens for key, tokens in found.items() if tokens is not None}, gross_input, gross_output)


def _parts(span: Span, metadata: Value) -> dict[str, int | None]:
    """What is counted apart from input and output, by our names."""
    attributes = span.attributes
    openai, anthropic = dig(metadata, "openai"), dig(metadata, "anthropic", "usage")
    bedrock = dig(metadata, "bedrock", "usage")
    split = dig(anthropic, "cache_creation")
    five_minutes = counted(dig(split, "ephemeral_5m_input_tokens"))
    one_hour = counted(dig(split, "ephemeral_1h_input_tokens"))
    creation = counted(dig(anthropic, "cache_creation_input_tokens"))
    if creation is not None:
        creation = net(creation, five_minutes, one_hour)
    else:
        creation = counted(dig(bedrock, "cacheCreationInputTokens"))
    cached_by_bedrock = counted(dig(bedrock, "cacheReadInputTokens"))
    written = counted(dig(bedrock, "cacheWriteInputTokens"))
    if creation is None and written is None and not five_minutes and not one_hour:
        # AI SDK 6 says it of any provider; a 0 is only its default.
        creation = counted(attributes.get("ai.usage.inputTokenDetails.cacheWriteTokens")) or None
    cached = _either(
        counted(attributes.get("ai.usage.cachedInputTokens")),
        counted(dig(openai, "cachedPromptTokens")),
        counted(dig(anthropic, "cache_read_input_tokens")),
        first_count(attributes, _CACHED),
        counted(attributes.get("ai.usage.inputTokenDetails.cacheReadTokens")),
    )
    return {
        # What Bedrock read from its cache is one count, whoever else repeats it.
        "input_cached_tokens": cached if cached_by_bedrock is None else None,
        "input_cache_creation": creation,
        "input_cache_creation_5m": five_minutes,
        "input_cache_creation_1h": one_hour,
        "input_cache_read": cached_by_bedrock,
        "input_cache_write": written,
        "output_reasoning_tokens": _either(
            counted(attributes.get("ai.usage.reasoningTokens")),
            counted(dig(openai, "reasoningTokens")),
            counted(attributes.get("ai.usage.outputTokenDetails.reasoningTokens")),
        ),
        "accepted_prediction_tokens": counted(dig(openai, "acceptedPredictionTokens")),
        "rejected_prediction_tokens": counted(dig(openai, "rejectedPredictionTokens")),
    }


def _either(*counts: int | None) -> int | None:
    return next((found for found in counts if found is not None), None)


def model_parameters(span: Span) -> dict[str, Value]:
    """The fixed set of section 9 row 3, without those that have no value (WB-18)."""
    found = {name: first(span.attributes, keys) for name, keys in VERCEL_PARAMETERS.items()}
    reasons = found["finishReason"]
    if isinstance(reasons, list):
        found["finishReason"] = ",".join([as_text(reason) for reason in reasons])
    tier = dig(span.json(_METADATA), "openai", "serviceTier")
    found["service_tier"] = tier if filled(tier) else span.attributes.get("gen_ai.request.service_tier")
    return {name: value for name, value in found.items() if filled(value)}


def rerank(span: Span) -> tuple[Value, Value]:
    """What was put in order, and the order."""
    return span.attributes.get("ai.documents"), span.attributes.get("ai.ranking")


_INPUT = ("ai.prompt.messages", "ai.prompt", "ai.toolCall.args", "ai.value", "ai.values")
_OUTPUT = (
    "ai.response.text",
    "ai.result.text",
    "ai.toolCall.result",
    "ai.response.object",
    "ai.result.object",
    "ai.response.toolCalls",
    "ai.result.toolCalls",
)


def input_output(span: Span) -> tuple[Value, Value]:
    """Attributes of the SDK (section 8.2), of version 3 (`ai.result.`) too; then GenAI's, which version 7 writes. What
    was embedded is input, its vectors are no output (WB-14)."""
    attributes = span.attributes
    text, calls = attributes.get("ai.response.text"), attributes.get("ai.response.toolCalls")
    output = first(attributes, _OUTPUT)
    if text is not None and filled(calls):
        output = {"role": "assistant", "content": text, "tool_calls": calls}
    given = first(attributes, _INPUT)
    if given is not None and output is not None:
        return given, output
    late = genai.input_output(attributes)
    return late[0] if given is None else given, late[1] if output is None else output
