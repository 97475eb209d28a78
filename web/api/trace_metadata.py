"""What the spans of a trace were sent with, as a part of the trace's metadata (otel-mapping.md sections 15 and 16). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from litefuse.observation import observation_metadata
from web.api.observation_parts import METADATA

#: Columns of a row: what it was sent with, and what tells whether it says something of its trace.
COLUMNS = (
    *(name for name in METADATA if name != "metadata"),
    *("is_root", "user_id", "session_id", "tags", "trace_name", "trace_input", "trace_output", "trace_public"),
    *("trace_metadata", "release_is_own", "app_version_is_own"),
)
_SAYING = COLUMNS[COLUMNS.index("is_root") :]
_OF_ROOT = frozenset(name for name in METADATA if name.startswith("attributes_")) | {"tool_definitions", "metadata"}
_OF_ALL = tuple(name for name in METADATA if name not in _OF_ROOT)


def built_in(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """`attributes` of the root, `resourceAttributes` and `scope` of every observation that says something of its trace, put
    together name by name; of one said twice the later value. `rows` are all observations, in the order of their start."""
    found: dict[str, Any] = {}
    last: tuple[Any, ...] | None = None
    for row in rows:
        if not says_something(row):
            continue
        shown = tuple(row[name] for name in _OF_ALL)
        if row["is_root"]:
            part = observation_metadata({name: row[name] for name in METADATA if name != "metadata"})
        elif shown != last:
            part = observation_metadata(dict(zip(_OF_ALL, shown, strict=True)))
            part.pop("attributes", None)
        else:  # as nearly always: all spans of a process share them
            continue
        last = shown
        merge(found, part)
    return found


def says_something(row: Mapping[str, Any]) -> bool:
    """Whether it is a root, or sets a field of its trace (section 16.1)."""
    return any(row[name] not in (None, "", False, [], {}, ()) for name in _SAYING if name != "trace_public") or (
        row["trace_public"] is not None
    )


def merge(found: dict[str, Any], later: Mapping[str, Any]) -> None:
    """Put `later` into `found`, objects name by name."""
    for name, value in later.items():
        known = found.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            merge(known, value)
        else:
            found[name] = value
