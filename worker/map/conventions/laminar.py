"""Laminar: attributes under `lmnr.`."""

from __future__ import annotations

from worker.map.span import Span
from worker.map.values import Value


def input_output(span: Span) -> tuple[Value, Value]:
    """Of the span (otel-mapping.md section 8.1 step 21)."""
    return span.attributes.get("lmnr.span.input"), span.attributes.get("lmnr.span.output")
