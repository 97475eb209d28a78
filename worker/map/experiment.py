"""The experiment that a span is part of (otel-mapping.md section 17)."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.metadata_names import EXPERIMENT, EXPERIMENT_ITEM_VERSION, EXPERIMENT_METADATA
from worker.map.deep import json_text
from worker.map.metadata import flatten
from worker.map.span import Span
from worker.map.values import Value, as_text, filled

_PREFIX = "langfuse.experiment."


def experiment(span: Span) -> dict[str, str]:
    """`id`, `name`, `dataset_id`, `item_id` … as text, and `metadata.<name>` and `item_metadata.<name>`, flat; what is not
    filled is left out, so most spans get an empty dict."""
    if "langfuse" not in span.families or not any(key.startswith(_PREFIX) for key in span.sdk_keys):
        return {}
    found = {name: as_text(value) for name, key in EXPERIMENT.items() if filled(value := span.attributes.get(key))}
    version = _timestamp(span.attributes.get(EXPERIMENT_ITEM_VERSION))
    if version:
        found["item_version"] = version
    for name, key in EXPERIMENT_METADATA.items():
        found.update(_metadata(span, name, key))
    return found


def _metadata(span: Span, name: str, key: str) -> dict[str, str]:
    """The object, with single names laid over it; what is no object is kept as text (WB-27)."""
    found: dict[str, Value] = {}
    sent = span.attributes.get(key)
    if filled(sent):
        value = span.json(key)
        if isinstance(value, dict):
            found = {f"{name}.{inner}": of_inner for inner, of_inner in value.items()}
        else:
            found[name] = sent if isinstance(sent, str) else json_text(sent)
    flat = flatten(found)
    flat.update(flatten({f"{name}.{inner}": value for inner, value in span.under(f"{key}.").items() if filled(value)}))
    return flat


def _timestamp(value: Value) -> str:
    """UTC as `YYYY-MM-DD hh:mm:ss.mmm`; empty for what is no ISO 8601 time, such as `v1`. Without an offset it is UTC."""
    if not isinstance(value, str) or len(value) > 64:
        return ""
    try:
        time = datetime.fromisoformat(value.strip())
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return time.replace(tzinfo=None).isoformat(" ", "milliseconds")
