"""A trace as the public API gives it, in the form that tests/corpus_expected.py compares with `expected.json`.

What that form takes from columns comes from the API's answer alone. Of what version 1 of the API does not show, the events of a
span, names come from the trace's OTLP.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from litefuse.chat import messages
from tests.corpus_merge import Row, Trace

Json = dict[str, Any]


def trace(answer: Json, otlp: Json) -> Trace:
    """From `GET /traces/{id}` and `GET /otel/v1/traces/{id}` as JSON."""
    events = {
        span["spanId"]: [event.get("name", "") for event in span.get("events", ())]
        for resource in otlp["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    }
    rows = [_row(observation, events.get(observation["id"], [])) for observation in answer["observations"]]
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


def _row(observation: Json, events: list[str]) -> Row:
    """The columns that are compared."""
    metadata = observation["metadata"]
    usage = observation["usageDetails"]
    calls = observation["toolCalls"]
    given, answered = _text(observation["input"]), _text(observation["output"])
    return {
        "span_id": observation["id"],
        "parent_span_id": observation["parentObservationId"] or "",
        "name": observation["name"],
        "type": observation["type"],
        "model": observation["model"] or "",
        "model_parameters": {name: _text(value) for name, value in (observation["modelParameters"] or {}).items()},
        "usage": usage,
        "cost": observation["costDetails"],
        "level": observation["level"],
        "level_message": observation["statusMessage"] or "",
        "input": given,
        "output": answered,
        "input_preview": _last(given, "user"),
        "output_preview": _last(answered, ""),
        "tool_calls.name": [call["name"] for call in calls],
        "tool_calls.arguments": [_text(call["arguments"]) for call in calls],
        "input_tokens": sum(count for name, count in usage.items() if "input" in name),
        "output_tokens": sum(count for name, count in usage.items() if "output" in name),
        "cached_tokens": _of(usage, "input_cached_tokens", "input_cache_read"),
        "reasoning_tokens": _of(usage, "output_reasoning_tokens"),
        "completion_start_time": observation["completionStartTime"],
        "attributes_string": metadata.get("attributes", {}),
        "events.name": events,
    }


def _text(value: Any) -> str:
    """What was stored, of a value that the API has decoded."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _last(text: str, role: str) -> str:
    said = [message.text for message in messages(text) if message.text and role in ("", message.role)]
    return said[-1] if said else ""


def _of(usage: Mapping[str, int], *names: str) -> int:
    return sum(usage.get(name, 0) for name in names)
