"""Langfuse SDKs: attributes under `langfuse.observation.`, which say what they mean and go before all others."""

from __future__ import annotations

from schemas.usage_names import USAGE_SHAPES
from worker.map.counts import counted, net, only_counts, with_total
from worker.map.span import Span
from worker.map.values import Value, json_object


def usage(span: Span) -> dict[str, int]:
    """`langfuse.observation.usage_details` (otel-mapping.md section 11.2, WB-20). OpenAI's two shapes are told by both
    counts, or one of them beside the total, whatever else there is; other objects keep their names."""
    details = json_object(span.attributes.get("langfuse.observation.usage_details"))
    if not details:
        return {}
    for names in USAGE_SHAPES:
        if sum([name in details for name in names[:3]]) >= 2:
            return with_total(_shaped(details, names))
    return with_total(only_counts(details))


def _shaped(details: dict[str, Value], names: tuple[str, str, str, str, str]) -> dict[str, int]:
    """Input, output and total by our names, their details as kinds of their own that are taken out of them."""
    found: dict[str, int] = {}
    for side, name, of_details in (("input", names[0], names[3]), ("output", names[1], names[4])):
        parts = details.get(of_details)
        kinds = only_counts(parts) if isinstance(parts, dict) else {}
        gross = counted(details.get(name))
        if gross is not None:
            found[side] = net(gross, *kinds.values())
        found |= {f"{side}_{kind}": tokens for kind, tokens in kinds.items()}
    total = counted(details.get(names[2]))
    if total is not None:
        found["total"] = total
    # What is beside the shape keeps its name, but replaces nothing of it.
    return only_counts({key: value for key, value in details.items() if key not in names}) | found


def model_parameters(span: Span) -> dict[str, Value] | None:
    """`langfuse.observation.model.parameters` when it is a JSON object (section 9 row 1, WB-18)."""
    return json_object(span.attributes.get("langfuse.observation.model.parameters"))


def input_output(span: Span) -> tuple[Value, Value]:
    """What the SDK says of the observation (section 8.1 step 1)."""
    return span.attributes.get("langfuse.observation.input"), span.attributes.get("langfuse.observation.output")
