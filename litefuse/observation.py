"""The whole `metadata` of an observation, put together from a stored row (otel-mapping.md sections 8.6, 15 and 19).

The row keeps every attribute once, typed, as it was sent; what of it people see as metadata is decided when it is read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson

from litefuse.ingested import SCOPE
from litefuse.json_values import parsed
from litefuse.otlp.values import float_text
from schemas.metadata_names import (
    ASSOCIATION,
    MLFLOW_TRACE_TAG,
    NOT_ASSOCIATION,
    OPENINFERENCE_METADATA,
    REMOVED,
    REMOVED_TREES,
    TOOL_LISTS,
    TOOL_NUMBERED,
    TOOL_OBJECT,
)

Attributes = Mapping[str, Any]

_MLFLOW_SCOPE = "mlflow.tracing.provider"
_BY_NAME: Mapping[str, float] = {}
_BRANCHES = tuple(f"{tree}." for tree in REMOVED_TREES)


def observation_metadata(row: Mapping[str, Any]) -> dict[str, Any]:
    """`{"attributes": …, "resourceAttributes": …, "scope": …, <names of the user's>: …}` of a row of the table `spans`.

    `row` holds the columns `attributes_{string,int,float,bool,json}`, `resource_{…}`, `scope_name`, `scope_version`,
    `scope_attributes`, `scope_attribute_types`, `metadata` and `tool_definitions`, map columns as dicts or as pairs; one
    that is absent is empty. `attributes` is left out for spans of the Langfuse SDKs, whose attributes are all fields; its
    values are text, other types as JSON text. Values of the resource and of the scope keep their types. Values of the
    user's are the text that is stored: who shows them as JSON decodes each once. What came by POST /ingestion has the names
    of the user's and nothing else.
    """
    scope_name = row.get("scope_name") or ""
    if scope_name == SCOPE:
        return dict(row.get("metadata") or ())
    resource = _typed_columns(row, "resource")
    found: dict[str, Any] = {}
    if not scope_name.startswith("langfuse-sdk"):
        own = mlflow_decoded(_typed_columns(row, "attributes"), scope_name, resource)
        shown = {key: value for key, value in own.items() if not _shown_elsewhere(key, value)}
        tools = dict(row.get("tool_definitions") or ())
        if tools:
            shown = _without(shown, tools)
        found["attributes"] = {key: _text(value) for key, value in shown.items()}
    found["resourceAttributes"] = resource
    found["scope"] = {
        "name": scope_name,
        "version": row.get("scope_version") or "",
        "attributes": _scope_attributes(row),
    }
    # User names that are those of built-in parts were renamed when they were stored (WB-27).
    return dict(row.get("metadata") or ()) | found


def mlflow_decoded(attributes: Attributes, scope_name: str, resource: Attributes) -> Attributes:
    """The attributes of a span of MLflow's with each JSON text of a string replaced by that string (WB-32); of any other
    span, or without any such text, the attributes themselves.

    MLflow writes what is set through its API as JSON: strings arrive in quotes. Its trace tags are raw, as is what is set
    by plain OpenTelemetry calls; lists, objects and numbers stay text. Not to be applied to its own result: a text that
    held quotes of its own would lose them.
    """
    if (
        scope_name != _MLFLOW_SCOPE
        and resource.get("telemetry.sdk.name") != "mlflow"
        and "mlflow.traceRequestId" not in attributes
    ):
        return attributes
    decoded: dict[str, str] = {}
    for key, value in attributes.items():
        if isinstance(value, str) and value[:1] == '"' and value[-1:] == '"' and not key.startswith(MLFLOW_TRACE_TAG):
            text = _json_string(value)
            if text is not None:
                decoded[key] = text
    return {**attributes, **decoded} if decoded else attributes


def _json_string(text: str) -> str | None:
    """The string that this JSON text is; None for anything else."""
    found = parsed(text)
    return found.replace("\0", "\ufffd") if isinstance(found, str) else None


def _shown_elsewhere(key: str, value: Any) -> bool:
    """Whether an attribute is seen as input, output or user metadata (section 8.6, WB-38)."""
    if key in REMOVED or key in REMOVED_TREES or key.startswith(_BRANCHES):
        return True
    if key == OPENINFERENCE_METADATA:
        return bool(value != "")
    return key.startswith(ASSOCIATION) and key not in NOT_ASSOCIATION and len(key) > len(ASSOCIATION)


def _without(attributes: Attributes, tools: Mapping[str, str]) -> dict[str, Any]:
    """The attributes without lists of tools that are all in the input (section 14.1); other lists stay."""
    found = dict(attributes)
    for key, value in attributes.items():
        if key in TOOL_LISTS:
            lists = parsed(value)
        elif key.startswith(TOOL_NUMBERED[0]) and key.endswith(TOOL_NUMBERED[1]):
            lists = [value]
        elif key == TOOL_OBJECT[0]:
            parameters = parsed(value)
            if isinstance(parameters, dict) and _all_in(parameters.get(TOOL_OBJECT[1]), tools):
                found[key] = {name: part for name, part in parameters.items() if name != TOOL_OBJECT[1]}
            continue
        else:
            continue
        if _all_in(lists, tools):
            del found[key]
    return found


def _all_in(entries: Any, tools: Mapping[str, str]) -> bool:
    """Whether this is a list of tools, each among the `tools` by name."""
    return isinstance(entries, list) and bool(entries) and all(_tool_name(entry) in tools for entry in entries)


def _tool_name(entry: Any) -> str:
    tool = parsed(entry)
    if not isinstance(tool, dict):
        return ""
    function = tool.get("function")
    name = (function if isinstance(function, dict) else tool).get("name")
    return name if isinstance(name, str) else ""


def _typed_columns(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The attributes in the columns `<prefix>_string` … as one dict; empty values are left out (WB-1)."""
    found: dict[str, Any] = {}
    for kind in ("string", "int", "float", "bool"):
        found.update(row.get(f"{prefix}_{kind}") or ())
    for key, text in dict(row.get(f"{prefix}_json") or ()).items():
        if text != "null":
            found[key] = plain(orjson.loads(text))
    return {key: _finite(value) for key, value in found.items()}


def _scope_attributes(row: Mapping[str, Any]) -> dict[str, Any]:
    types = dict(row.get("scope_attribute_types") or ())
    found: dict[str, Any] = {}
    for key, text in dict(row.get("scope_attributes") or ()).items():
        kind = types.get(key)
        if kind == "int":
            found[key] = int(text)
        elif kind == "float":
            found[key] = _finite(float(text))
        elif kind == "bool":
            found[key] = text == "true"
        elif kind != "json":
            found[key] = text
        elif text != "null":
            found[key] = plain(orjson.loads(text))
    return found


def plain(value: Any, doubles: Mapping[str, float] = _BY_NAME) -> Any:
    """What the JSON text form of litefuse.otlp.values stands for, marks taken off (WB-1): bytes are base64 text, NaN and
    infinities what `doubles` has for their names, or the names."""
    if isinstance(value, list):
        return [plain(entry, doubles) for entry in value]
    if isinstance(value, dict):
        if len(value) == 1:
            if "bytesValue" in value:
                return value["bytesValue"]
            if "doubleValue" in value:
                return doubles.get(value["doubleValue"], value["doubleValue"])
            value = value.get("kvlistValue", value)
        return {key: plain(entry, doubles) for key, entry in value.items()}
    return value


def _finite(value: Any) -> Any:
    """NaN and infinities by name, because JSON has none; all else as it is."""
    return float_text(value) if isinstance(value, float) and not math.isfinite(value) else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode("utf-8")
