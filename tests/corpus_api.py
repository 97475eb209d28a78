"""A trace as the public API gives it, in the form that tests/corpus_expected.py compares with `expected.json`.

What that form takes from columns comes from the API's answer alone. What version 1 of the API does not show, the name of a span
as sent and those of its events, comes from the trace's OTLP.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.corpus_merge import Row, Trace
from worker.map.mapped import Mapped
from worker.map.preview import previews

Json = dict[str, Any]


def trace(answer: Json, otlp: Json) -> Trace:
    """From `GET /traces/{id}` and `GET /otel/v1/traces/{id}` as JSON."""
    spans = {
        span["spanId"]: span
        for resource in otlp["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    }
    rows = [_row(observation, spans[observation["id"]]) for observation in answer["observations"]]
    root = next((row for row in rows if not row["parent_span_id"]), None)
    metadata = answer["metadata"]
    return Trace(
        rows,
        root,
        name=answer["name"] or "",
        user=answer["userId"] or "",
        session=answer["sessionId"] or "",
        release=answer["release"] or "",
        version=answer["version"] or "",
        input=_text(answer["input"]),
        output=_text(answer["output"]),
        environment=answer["environment"],
        public=answer["public"],
        tags=tuple(answer["tags"]),
        metadata={
            **{name: _text(value) for name, value in metadata.items()},
            **{f"attributes.{name}": _text(value) for name, value in metadata.get("attributes", {}).items()},
        },
    )


def _row(observation: Json, span: Json) -> Row:
    """The columns that are compared."""
    metadata = observation["metadata"]
    usage = observation["usageDetails"]
    calls = observation["toolCalls"]
    given, answered = _text(observation["input"]), _text(observation["output"])
    asked, said = previews(given, answered, Mapped())
    return {
        "span_id": observation["id"],
        "parent_span_id": observation["parentObservationId"] or "",
        "name": span.get("name", ""),
        "type": observation["type"],
        "model": observation["model"] or "",
        "model_parameters": {name: _text(value) for name, value in (observation["modelParameters"] or {}).items()},
        "usage": usage,
        "cost": observation["costDetails"],
        "level": observation["level"],
        "level_message": observation["statusMessage"] or "",
        "input": given,
        "output": answered,
        "input_preview": asked,
        "output_preview": said,
        "tool_calls.name": [call["name"] for call in calls],
        "tool_calls.arguments": [_text(call["arguments"]) for call in calls],
        "input_tokens": sum(count for name, count in usage.items() if "input" in name),
        "output_tokens": sum(count for name, count in usage.items() if "output" in name),
        "cached_tokens": _of(usage, "input_cached_tokens", "input_cache_read"),
        "reasoning_tokens": _of(usage, "output_reasoning_tokens"),
        "completion_start_time": observation["completionStartTime"],
        "attributes_string": metadata.get("attributes", {}),
        "events.name": [event.get("name", "") for event in span.get("events", ())],
    }


def _text(value: Any) -> str:
    """What was stored, of a value that the API has decoded."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _of(usage: Mapping[str, int], *names: str) -> int:
    return sum(usage.get(name, 0) for name in names)
