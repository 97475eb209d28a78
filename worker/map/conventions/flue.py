"""Flue: scope `@flue/opentelemetry`, attributes under `flue.`."""

from __future__ import annotations

from worker.map.span import Span
from worker.map.values import Value, first

SCOPE = "@flue/opentelemetry"
INPUT = ("flue.turn.input", "flue.tool.arguments", "flue.task.prompt", "flue.workflow.payload")
OUTPUT = (
    "flue.turn.output",
    "flue.tool.result",
    "flue.task.result",
    "flue.operation.result",
    "flue.workflow.result",
)


def input_output(span: Span) -> tuple[Value, Value]:
    """Of the turn, else of the tool, the task, the operation, the workflow (otel-mapping.md section 8.1 step 4)."""
    return first(span.attributes, INPUT), first(span.attributes, OUTPUT)
