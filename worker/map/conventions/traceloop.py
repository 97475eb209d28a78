"""OpenLLMetry's decorators: scope `traceloop.tracer`, attributes under `traceloop.`."""

from __future__ import annotations

from worker.map.span import Span
from worker.map.values import Value


def input_output(span: Span) -> tuple[Value, Value]:
    """Arguments and result of a workflow, task, agent or tool (otel-mapping.md section 8.1 step 13)."""
    return span.attributes.get("traceloop.entity.input"), span.attributes.get("traceloop.entity.output")
