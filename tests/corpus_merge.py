"""The spans of a trace put together, said in Python from otel-mapping.md section 16.3; it shares nothing with the SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as field_of
from typing import Any

from litefuse.observation import observation_metadata

Row = dict[str, Any]


@dataclass(slots=True)
class Trace:
    """The fields of a trace, merged; `rows` in the order of section 16.3."""

    rows: list[Row]
    root: Row | None
    name: str = ""
    user: str = ""
    session: str = ""
    release: str = ""
    version: str = ""
    input: str = ""
    output: str = ""
    environment: str = "default"
    public: bool = False
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field_of(default_factory=dict)


def merged(spans: Iterable[Row]) -> Trace:
    """The spans of one trace put together: in order of start, root first, then span id; the latest that says a field wins,
    one that was said by name wins over one that was taken from elsewhere (section 16.3, WB-29, WB-31)."""
    ordered = sorted(spans, key=lambda r: (r["start_time_unix_nano"], not r["is_root"], r["span_id"]))
    ids = {row["span_id"] for row in ordered}
    roots = [row for row in ordered if row["is_root"]]
    trace = Trace(ordered, roots[-1] if roots else None)
    named = [row["trace_name"] for row in ordered if row["trace_name"]]
    of_roots = [row["observation_name"] for row in roots if row["observation_name"]]
    apps = [row["observation_name"] for row in ordered if row["is_app_root"]]
    tops = [row["observation_name"] for row in ordered if row["parent_span_id"] not in ids]
    trace.name = next((names[-1] for names in (named, of_roots, apps, tops[:1]) if names), "")
    trace.user = _latest(ordered, "user_id")
    own = [row for row in ordered if row["session_id"] and not row["session_is_conversation"]]
    trace.session = _latest(own or ordered, "session_id")
    trace.release = _latest([r for r in ordered if r["release_is_own"]] or ordered, "release")
    trace.version = _latest([r for r in ordered if r["app_version_is_own"]] or ordered, "app_version")
    for row in ordered:
        trace.input = row["trace_input"] or (row["is_root"] and row["input"]) or trace.input
        trace.output = row["trace_output"] or (row["is_root"] and row["output"]) or trace.output
    trace.environment = ordered[0]["environment"]
    trace.public = any(row["trace_public"] for row in ordered)
    trace.tags = tuple(sorted({tag for row in ordered for tag in row["tags"]}))
    together: dict[str, str] = {}
    for row in ordered:
        together |= row["trace_metadata"]
    if trace.root is not None:
        together |= {f"attributes.{k}": v for k, v in observation_metadata(trace.root).get("attributes", {}).items()}
    trace.metadata = together
    return trace


def _latest(spans: Sequence[Row], name: str) -> str:
    return next((row[name] for row in reversed(spans) if row[name]), "")
