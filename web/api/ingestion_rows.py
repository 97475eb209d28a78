"""What the events of one trace or observation say together, as rows that go through the log as spans (public-api.md section 8).
Pure: the same events give the same rows, in whatever order and how often they came.

Creates go before updates, each by its time. Of a field the last value that is given counts, nulls keep what was said; metadata
is put together key by key, tags are collected. When an object starts, which trace it belongs to and its environment are what is
said first: they are where its row lies, and would move it.

Rows that are stored stay, and events may come in any order, so that an object that is told in parts may have been elsewhere
before all of it was known:

- An observation that moved would be there twice. Where each of its events alone would have put it lies a row of type TRACE that
  says nothing, which is newer than what may be there (the same key of the table `spans`) and replaces it.
- The rows of a trace may be several: of each field the latest row that says it counts (otel-mapping.md section 16.3). One that
  started later, before the first event was known, must not win with a value that has been replaced since. So when a field was
  given two values there is a second row, at the latest time of all events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from litefuse.ingested import KIND, TRACE
from web.api.ingestion_events import OBSERVATIONS, Event, ObservationBody, TraceBody
from web.api.values import dumps

#: Of the key of the table `spans`: rows of an object whose starts are within one of these are the same row.
_BUCKET_NS = 300 * 1_000_000_000
#: More names of metadata than this go into one attribute.
_NAMES = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One span, its ids as they were sent. Times are Unix ns, `end_ns` 0 for none."""

    trace_id: str
    span_id: str
    start_ns: int
    parent_id: str = ""
    name: str = ""
    end_ns: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)


def rows(events: Iterable[Event]) -> list[Row]:
    """Of all events of one object. None when they do not yet say enough: of an observation an update has come that does not say
    of which trace it is, or when it started."""
    ordered = _ordered(events)
    if not ordered:
        return []
    return _trace(ordered) if isinstance(ordered[0].body, TraceBody) else _observation(ordered)


def trace_of(events: Iterable[Event]) -> str:
    """The trace that an object's events are of, empty when they do not say it."""
    ordered = _ordered(events)
    if ordered and isinstance(ordered[0].body, TraceBody):
        return ordered[0].object_id
    return _trace_id(ordered) or ""


def version(events: Sequence[Event]) -> int:
    """Orders the rows of an object by what is known of it, Unix ns: of more events it is greater, of the same it is the same
    until one of them is sent again. So of two that store an object at once, the one that has read less never wins."""
    return max(event.received_ns for event in events) + len(events)


# -- observations --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an observation lies."""

    trace_id: str
    start_ns: int

    @property
    def key(self) -> tuple[str, int]:
        """With the id of the observation, the key of the table."""
        return self.trace_id, self.start_ns // _BUCKET_NS


def _observation(events: Sequence[Event]) -> list[Row]:
    place = _place(events)
    if place is None:
        return []
    said = _last(events)
    attributes: dict[str, Any] = {
        "langfuse.observation.type": _type(events).lower(),
        "langfuse.observation.input": said.get("input"),
        "langfuse.observation.output": said.get("output"),
        "langfuse.observation.level": said.get("level"),
        "langfuse.observation.status_message": said.get("statusMessage"),
        "langfuse.observation.model.name": said.get("model"),
        "langfuse.observation.model.parameters": said.get("modelParameters"),
        "langfuse.observation.usage_details": _last_of([_usage(_body(e)) for e in events]),
        "langfuse.observation.cost_details": _last_of([_costs(_body(e)) for e in events]),
        "langfuse.observation.completion_start_time": said.get("completionStartTime"),
        "langfuse.observation.prompt.name": said.get("promptName"),
        "langfuse.observation.prompt.version": said.get("promptVersion"),
        "langfuse.version": said.get("version"),
        "langfuse.environment": _first(e.body.environment for e in events),
        **_metadata("langfuse.observation.metadata", events),
    }
    id_ = events[0].object_id
    # Last, so that it is the newest of its record.
    return [
        *_left(id_, events, place),
        Row(
            place.trace_id,
            id_,
            place.start_ns,
            said.get("parentObservationId") or "",
            said.get("name") or "",
            said.get("endTime") or 0,
            _texts(attributes),
        ),
    ]


def _place(events: Sequence[Event]) -> _Place | None:
    """A create says what it does not say: its own time is the start, and the observation makes a trace of its own."""
    created = [e for e in events if not e.type.endswith("-update")]
    start = _first(_body(e).startTime for e in events) or _first(e.at_ns for e in created)
    trace_id = _trace_id(events)
    return None if start is None or trace_id is None else _Place(trace_id, start)


def _trace_id(events: Sequence[Event]) -> str | None:
    created = [e for e in events if not e.type.endswith("-update")]
    return next((e.trace_id for e in events if e.trace_id), created[0].object_id if created else None)


def _left(id_: str, events: Sequence[Event], place: _Place) -> list[Row]:
    """Rows for the places where the observation may have been before all of these events were there."""
    starts = {e.at_ns if _body(e).startTime is None else _body(e).startTime or 0 for e in events if _says_start(e)}
    traces = {e.trace_id or e.object_id for e in events if e.trace_id or not e.type.endswith("-update")}
    places = {p.key: p for trace in sorted(traces) for start in sorted(starts) if (p := _Place(trace, start))}
    return [
        Row(other.trace_id, id_, other.start_ns, attributes={KIND: TRACE})
        for key, other in places.items()
        if key != place.key
    ]


def _says_start(event: Event) -> bool:
    return _body(event).startTime is not None or not event.type.endswith("-update")


def _type(events: Sequence[Event]) -> str:
    """Of the last create; without one, of the last update."""
    created = [e for e in events if not e.type.endswith("-update")]
    return _last_of([OBSERVATIONS[e.type] or _body(e).type for e in created or events]) or "SPAN"


def _usage(body: ObservationBody) -> dict[str, Any] | None:
    """Counts, named as the map stage reads them (otel-mapping.md section 11.2). `usageDetails` goes before `usage`."""
    if body.usageDetails:
        return body.usageDetails
    usage = body.usage or {}
    found = {
        name: _last_of([usage.get(old), usage.get(name)])
        for name, old in (("input", "promptTokens"), ("output", "completionTokens"), ("total", "totalTokens"))
    }
    found = {name: count for name, count in found.items() if count is not None}
    known = ("input", "output", "total", "unit", "promptTokens", "completionTokens", "totalTokens", *_COSTS.values())
    # OpenAI's own names, which some send here too.
    found |= {name: count for name, count in usage.items() if name not in known and count is not None}
    return found or None


#: Kind of usage → its cost in `usage`.
_COSTS = {"input": "inputCost", "output": "outputCost", "total": "totalCost"}


def _costs(body: ObservationBody) -> dict[str, Any] | None:
    """USD. `costDetails` goes before what `usage` says."""
    if body.costDetails:
        return body.costDetails
    usage = body.usage or {}
    return {kind: usage[name] for kind, name in _COSTS.items() if usage.get(name) is not None} or None


def _body(event: Event) -> ObservationBody:
    assert isinstance(event.body, ObservationBody)
    return event.body


# -- traces --------------------------------------------------------------------------------------------------------------


def _trace(events: Sequence[Event]) -> list[Row]:
    said = _last(events)
    attributes: dict[str, Any] = {
        KIND: TRACE,
        "langfuse.trace.name": said.get("name"),
        "langfuse.user.id": said.get("userId"),
        "langfuse.session.id": said.get("sessionId"),
        "langfuse.trace.input": said.get("input"),
        "langfuse.trace.output": said.get("output"),
        "langfuse.trace.tags": _tags(events),
        "langfuse.trace.public": said.get("public"),
        "langfuse.release": said.get("release"),
        "langfuse.version": said.get("version"),
        "langfuse.environment": _first(e.body.environment for e in events),
        **_metadata("langfuse.trace.metadata", events),
    }
    id_, texts = events[0].object_id, _texts(attributes)
    times = [e.at_ns if (said_ns := _timestamp(e)) is None else said_ns for e in events]
    start = min([ns for e in events if (ns := _timestamp(e)) is not None] or times)
    found = [Row(id_, _row_id(id_, latest=False), start, name=said.get("name") or "", attributes=texts)]
    if _replaced(events):
        found.append(replace(found[0], span_id=_row_id(id_, latest=True), start_ns=max(times)))
    return found


def _row_id(trace_id: str, *, latest: bool) -> str:
    """Span ids of a trace's rows, not to be met with as ids of observations: these may have the id of their trace. Of two rows
    of the same start the greater span id counts."""
    return hashlib.sha256(f"litefuse row {trace_id}".encode("utf-8", "replace")).hexdigest()[:14] + f"{latest:02x}"


def _timestamp(event: Event) -> int | None:
    return event.body.timestamp if isinstance(event.body, TraceBody) else None


def _replaced(events: Sequence[Event]) -> bool:
    """Whether a field, or a name of the metadata, was given two values."""
    known: dict[str, Any] = {}
    for event in events:
        said = _given(event)
        said |= {f"metadata.{name}": value for name, value in _object(event.body.metadata).items()}
        for name in ("metadata", "tags", "timestamp", "environment", "id"):
            said.pop(name, None)
        for name, value in said.items():
            if known.setdefault(name, value) != value:
                return True
    return False


def _tags(events: Sequence[Event]) -> list[str] | None:
    said = [tag for e in events if isinstance(e.body, TraceBody) for tag in e.body.tags or ()]
    return sorted(set(said)) or None


# -- both ----------------------------------------------------------------------------------------------------------------


def _ordered(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda e: (e.type.endswith("-update"), e.at_ns, e.received_ns, e.id))


def _last(events: Sequence[Event]) -> dict[str, Any]:
    """Field → its last value."""
    found: dict[str, Any] = {}
    for event in events:
        found |= _given(event)
    return found


def _given(event: Event) -> dict[str, Any]:
    body = event.body
    return {name: value for name in body.model_fields_set if (value := getattr(body, name)) is not None}


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _last_of(values: Sequence[Any]) -> Any:
    return _first(reversed(values))


def _metadata(prefix: str, events: Sequence[Event]) -> dict[str, Any]:
    """An attribute a name. Objects in them are put together too."""
    found: dict[str, Any] = {}
    for event in events:
        found = _joined(found, _object(event.body.metadata))
    if len(found) > _NAMES:
        return {prefix: found}
    return {f"{prefix}.{name}": "null" if value is None else value for name, value in found.items()}


def _object(metadata: Any) -> dict[str, Any]:
    """What is no object goes under a name (otel-mapping.md WB-27)."""
    if metadata is None:
        return {}
    return metadata if isinstance(metadata, dict) else {"metadata": metadata}


def _joined(known: Mapping[str, Any], later: Mapping[str, Any], levels: int = 32) -> dict[str, Any]:
    found = dict(known)
    for name, value in later.items():
        before = found.get(name)
        if levels and isinstance(before, dict) and isinstance(value, dict):
            value = _joined(before, value, levels - 1)
        found[name] = value
    return found


def _texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    """As attributes of a span: text as it is, everything else as JSON."""
    return {
        name: value if isinstance(value, str) else dumps(value).decode("utf-8")
        for name, value in attributes.items()
        if value is not None
    }
