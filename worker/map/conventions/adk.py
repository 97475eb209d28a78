"""Google ADK: scope `gcp.vertex.agent`, requests and responses as JSON under `gcp.vertex.agent.`."""

from __future__ import annotations

from worker.map.conventions import genai
from worker.map.counts import counted, dig, net, with_total
from worker.map.span import Span
from worker.map.values import Value

SCOPE = "gcp.vertex.agent"
_RESPONSE = "gcp.vertex.agent.llm_response"


def usage(span: Span) -> dict[str, int]:
    """GenAI's counts; the cached ones from the response if they are nowhere else (otel-mapping.md section 11.1 row 4)."""
    found = genai.usage(span)
    if "input_cached_tokens" not in found:
        cached = counted(dig(span.json(_RESPONSE), "usage_metadata", "cached_content_token_count"))
        if cached:
            if "input" in found:
                found["input"] = net(found["input"], cached)
            found["input_cached_tokens"] = cached
            with_total(found)
    return found


def input_output(span: Span) -> tuple[Value, Value]:
    """Request and response of a model, else of a tool (section 8.1 step 8): spans of tools carry an empty request."""
    return (
        _either(span, "gcp.vertex.agent.llm_request", "gcp.vertex.agent.tool_call_args"),
        _either(span, _RESPONSE, "gcp.vertex.agent.tool_response"),
    )


def _either(span: Span, of_model: str, of_tool: str) -> Value:
    value = span.attributes.get(of_model)
    return span.attributes.get(of_tool) if value is None or value in ("", "{}") or value == {} else value
