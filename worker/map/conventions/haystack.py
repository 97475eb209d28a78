"""Haystack: spans of pipelines, components and agents, attributes under `haystack.`."""

from __future__ import annotations

from schemas.conventions import FIELDS, HAYSTACK_COMPONENTS, HAYSTACK_SPANS
from worker.map.span import Span
from worker.map.values import Value, first


def observation_type(span: Span) -> str:
    """By the name of the span, else by the class of the component; empty for others."""
    component = span.attributes.get("haystack.component.type")
    if span.name in HAYSTACK_SPANS or not isinstance(component, str):
        return HAYSTACK_SPANS.get(span.name, "")
    return next((kind for end, kind in HAYSTACK_COMPONENTS if component.endswith(end)), "")


def input_output(span: Span) -> tuple[Value, Value]:
    """Of the component, the tool, the agent or the pipeline."""
    return first(span.attributes, FIELDS["haystack_input"]), first(span.attributes, FIELDS["haystack_output"])
