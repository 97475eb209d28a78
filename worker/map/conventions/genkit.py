"""Genkit: scope `genkit-tracer`, JSON in `genkit:input` and `genkit:output`."""

from __future__ import annotations

from worker.map.counts import counted, dig, net, with_total
from worker.map.span import Span
from worker.map.values import Value

SCOPE = "genkit-tracer"


def usage(span: Span) -> dict[str, int]:
    """`usage` in the output (otel-mapping.md section 11.1 row 2): thoughts are taken out of the output, zeros are left
    out. A span of type `util`, such as `generate`, wraps the calls of models whose usage it repeats (as WB-22)."""
    if span.attributes.get("genkit:type") == "util":
        return {}
    counts = dig(span.json("genkit:output"), "usage")
    gross_input, gross_output = counted(dig(counts, "inputTokens")), counted(dig(counts, "outputTokens"))
    thoughts, total = counted(dig(counts, "thoughtsTokens")), counted(dig(counts, "totalTokens"))
    found = {
        "input": gross_input,
        "output": None if gross_output is None else net(gross_output, thoughts),
        "output_reasoning": thoughts,
        "total": total,
    }
    return with_total({key: tokens for key, tokens in found.items() if tokens}, gross_input, gross_output)


def tools(span: Span) -> Value:
    """The tools a model was offered, which are beside the messages (WB-25); None for none."""
    return dig(span.json("genkit:input"), "tools")


def model_parameters(span: Span) -> dict[str, Value] | None:
    """`config` of the input, else of the request in the output (section 9 row 2)."""
    for config in (dig(span.json("genkit:input"), "config"), dig(span.json("genkit:output"), "request", "config")):
        if isinstance(config, dict):
            return config
    return None


def input_output(span: Span) -> tuple[Value, Value]:
    """`messages` of the input and `message` of the output, else all of each (section 8.1 step 2)."""
    return _part(span, "genkit:input", "messages"), _part(span, "genkit:output", "message")


def _part(span: Span, key: str, name: str) -> Value:
    text = span.attributes.get(key)
    if not isinstance(text, str) or text.strip() == "null":
        return None if isinstance(text, str) else text
    value = span.json(key)
    if value is None:
        return text
    part = dig(value, name)
    return value if part is None else part
