"""Attributes called `input` and `output`: Pipecat, Pydantic, and whoever writes spans by hand."""

from __future__ import annotations

from worker.map.span import Span
from worker.map.values import Value


def input_output(span: Span) -> tuple[Value, Value]:
    """As they are (otel-mapping.md section 8.1 step 15)."""
    return span.attributes.get("input"), span.attributes.get("output")
