"""Spans of the corpus as the mapping reads them, by a plain walk over opentelemetry-proto's objects."""

from __future__ import annotations

import json
from typing import Any

from worker.map.io import input_output, stored
from worker.map.span import Event, Span


def span_of(scope: Any, sent: Any) -> tuple[Span, Any]:
    """A captured span, MLflow's texts unquoted (WB-32), and its output."""
    attributes = _attributes(sent.attributes)
    if scope.name.startswith("mlflow"):
        attributes = {key: _unquoted(value) for key, value in attributes.items()}
    span = Span(
        name=sent.name,
        attributes=attributes,
        scope_name=scope.name,
        events=[Event(event.name, _attributes(event.attributes)) for event in sent.events],
    )
    output = input_output(span)[1]
    return span, stored(output) if isinstance(output, str) else output


def _attributes(pairs: Any) -> dict[str, Any]:
    found = {pair.key: _plain(pair.value) for pair in pairs}
    return {key: value for key, value in found.items() if value is not None}


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_plain(inner) for inner in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind)


def _unquoted(value: Any) -> Any:
    if isinstance(value, str) and value.startswith('"'):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
