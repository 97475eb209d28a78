"""Spans as rows of the table `spans`, and what the spans of a trace say together, said a second time in plain Python.

`merge` is slow and obvious on purpose, and shares nothing with the SQL: all spans of a trace in the order of section 16.3 of
the mapping's specification, and the rules one after another.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from tests.embedded.server import Server

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
#: 2026-06-01 00:00 UTC, a Monday: the first instant of an hour and of a partition.
MONDAY = 1_780_272_000 * SECOND


@dataclass(frozen=True, slots=True)
class Span:
    """What a test says of a span; `row` has the columns. `copy` counts its re-sends: the newest has the greatest. `more`:
    columns as they are."""

    trace_id: str
    span_id: str
    start: int
    end: int = 0
    parent: str = ""
    name: str = "span"
    copy: int = 0
    project: str = "p"
    level: str = "DEFAULT"
    environment: str = "default"
    user_id: str = ""
    session_id: str = ""
    conversation: bool = False
    tags: tuple[str, ...] = ()
    trace_name: str = ""
    release: str = ""
    own_release: bool = False
    version: str = ""
    own_version: bool = False
    public: bool | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    input: str = ""
    output: str = ""
    trace_input: str = ""
    trace_output: str = ""
    as_root: bool = False
    app_root: bool = False
    type: str = "SPAN"
    model: str = ""
    tokens: tuple[int, int] = (0, 0)
    cost: str | None = None
    first_token: int | None = None
    retention_days: int = 0
    unended: bool = False
    scope: tuple[str, str] = ("", "")
    resource: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    prompt: tuple[str, int | None] = ("", None)
    own_metadata: Mapping[str, str] = field(default_factory=dict)
    costs: tuple[str | None, str | None] = (None, None)
    previews: tuple[str, str] | None = None
    tools: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_root(self) -> bool:
        return not self.parent or self.as_root

    @property
    def end_time(self) -> int:
        return self.start if self.unended else self.end or self.start + SECOND

    def row(self) -> dict[str, Any]:
        return {
            "project_id": self.project,
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "parent_span_id": self.parent,
            "name": self.name,
            "observation_name": self.name,
            "start_time": _time(self.start),
            "end_time": _time(self.end_time),
            "start_time_unix_nano": self.start,
            "end_time_unix_nano": 0 if self.unended else self.end_time,
            "scope_name": self.scope[0],
            "scope_version": self.scope[1],
            "resource_string": dict(self.resource),
            "attributes_string": dict(self.attributes),
            "received_at": _time(MONDAY + 300 * 86400 * SECOND + self.copy),
            "retention_days": self.retention_days,
            "type": self.type,
            "level": self.level,
            "environment": self.environment,
            "user_id": self.user_id,
            "session_id": self.session_id,
            "session_is_conversation": self.conversation,
            "tags": list(self.tags),
            "trace_name": self.trace_name,
            "release": self.release,
            "release_is_own": self.own_release,
            "app_version": self.version,
            "app_version_is_own": self.own_version,
            "trace_public": self.public,
            "trace_metadata": dict(self.metadata),
            "input": self.input,
            "output": self.output,
            "input_preview": self.input if self.previews is None else self.previews[0],
            "output_preview": self.output if self.previews is None else self.previews[1],
            "trace_input": self.trace_input,
            "trace_output": self.trace_output,
            "is_root": self.is_root,
            "is_app_root": self.app_root,
            "model": self.model,
            "tool_definitions": dict.fromkeys(self.tools, "{}"),
            "tool_calls.id": [f"call {n}" for n, _ in enumerate(self.called)],
            "tool_calls.name": list(self.called),
            "tool_calls.arguments": ["{}" for _ in self.called],
            "tool_calls.type": ["function" for _ in self.called],
            "tool_calls.index": [n for n, _ in enumerate(self.called)],
            "usage": {"input": self.tokens[0], "output": self.tokens[1]} if any(self.tokens) else {},
            "input_tokens": self.tokens[0],
            "output_tokens": self.tokens[1],
            "total_tokens": sum(self.tokens),
            "cost": {} if self.cost is None else {"total": self.cost},
            "total_cost": self.cost,
            "input_cost": self.costs[0],
            "output_cost": self.costs[1],
            "level_message": self.message,
            "prompt_name": self.prompt[0],
            "prompt_version": self.prompt[1],
            "metadata": dict(self.own_metadata),
            "completion_start_time": None if self.first_token is None else _time(self.first_token),
            **self.more,
        }


def _time(ns: int) -> str:
    return f"{ns // SECOND}.{ns % SECOND:09d}"


def insert(server: Server, spans: Iterable[Span]) -> None:
    """As one block a week: an INSERT of the worker's is one partition."""
    blocks: dict[tuple[int, int], list[str]] = {}
    for span in spans:
        week = (span.start - MONDAY) // (7 * 24 * HOUR)
        blocks.setdefault((span.retention_days, week), []).append(json.dumps(span.row()))
    for lines in blocks.values():
        answer = server.ask(
            "INSERT INTO spans FORMAT JSONEachRow\n" + "\n".join(lines), database="litefuse", optimize_on_insert="0"
        )
        assert answer.status == 200, answer.text


@dataclass(slots=True)
class Merged:
    """A trace as all its spans give it. Only what is compared."""

    id: str
    start_ns: int = 0
    end_ns: int = 0
    name: str = ""
    user_id: str = ""
    session_id: str = ""
    environment: str = ""
    release: str = ""
    version: str = ""
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    public: bool = False
    input_preview: str = ""
    output_preview: str = ""
    # from the spans without their copies
    observations: int = 0
    errors: int = 0
    total_tokens: int = 0
    total_cost: Decimal | None = None
    latency_ns: int = 0


def merge(spans: Sequence[Span]) -> Merged:
    """All spans of one trace, in any order, with repeats and copies."""
    ordered = sorted(set(map(_Hashed, spans)), key=lambda h: h.key)
    every = [h.span for h in ordered]
    merged = Merged(every[0].trace_id)
    merged.start_ns = every[0].start
    merged.end_ns = max(span.end_time for span in every)
    first = [
        s for s in every if (s.start, s.is_root, s.span_id) == (every[0].start, every[0].is_root, every[0].span_id)
    ]
    merged.environment = max(first, key=lambda s: s.copy).environment
    roots = [s for s in every if s.is_root]
    merged.name = _last(s.trace_name for s in every)
    if not merged.name and roots:
        merged.name = _last(s.name for s in roots)
    elif not merged.name:
        merged.name = _last(s.name for s in every if s.app_root) or _orphan(newest(every))
    merged.user_id = _last(s.user_id for s in every)
    merged.session_id = _last(s.session_id for s in every if not s.conversation) or _last(s.session_id for s in every)
    contributors = [s for s in every if _contributes(s)]
    merged.release = (
        _last(s.release for s in every if s.own_release)
        or _last(s.release for s in roots)
        or _last(s.release for s in contributors)
    )
    merged.version = (
        _last(s.version for s in every if s.own_version)
        or _last(s.version for s in roots)
        or _last(s.version for s in contributors)
    )
    merged.input_preview = _last(s.trace_input or (s.input if s.is_root else "") for s in every)
    merged.output_preview = _last(s.trace_output or (s.output if s.is_root else "") for s in every)
    for span in every:
        merged.metadata.update(span.metadata)
    merged.tags = sorted({tag for span in every for tag in span.tags})
    merged.public = any(span.public for span in every)
    kept = newest(every)
    merged.observations = len(kept)
    merged.errors = sum(s.level == "ERROR" for s in kept)
    merged.total_tokens = sum(sum(s.tokens) for s in kept)
    costs = [Decimal(s.cost) for s in kept if s.cost is not None]
    merged.total_cost = sum(costs, Decimal(0)) if costs else None
    merged.latency_ns = max(s.end_time for s in kept) - min(s.start for s in kept)
    return merged


class _Hashed:
    """A span that can be in a set: repeats are one."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self.key = (span.start, not span.is_root, span.span_id, span.copy)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashed) and self.key == other.key


def newest(spans: Iterable[Span]) -> list[Span]:
    """The newest copy of each span. What makes a span the same is the table's key: ids and five minutes."""
    kept: dict[tuple[int, str], Span] = {}
    for span in spans:
        key = (span.start // (300 * SECOND), span.span_id)
        if key not in kept or kept[key].copy < span.copy:
            kept[key] = span
    return list(kept.values())


def _contributes(s: Span) -> bool:
    said = (s.user_id, s.session_id, s.tags, s.trace_name, s.trace_input, s.trace_output, s.metadata)
    return s.is_root or any(said) or s.public is not None or s.own_release or s.own_version


def _last(values: Iterable[str]) -> str:
    return next((value for value in reversed(list(values)) if value), "")


def _orphan(spans: Sequence[Span]) -> str:
    ids = {span.span_id for span in spans}
    ordered = sorted(spans, key=lambda s: (s.start, s.span_id))
    return next((s.name for s in ordered if s.parent not in ids), ordered[0].name)


# -- random traces -------------------------------------------------------------------------------------------------------


def random_trace(chance: random.Random, trace_id: str, start: int, longest: int = 40) -> list[Span]:
    """A trace over up to three weeks, or a second; with or without a root; which says what it likes anywhere."""
    reach = chance.choice([0, 1000, SECOND, SECOND, HOUR, 3 * HOUR, 30 * HOUR, 21 * 24 * HOUR])
    size = chance.randint(1, longest)
    ids = chance.sample([f"{trace_id[-4:]}{n:012x}" for n in range(3 * longest)], size)
    at = [start + chance.choice([0, chance.randint(0, reach)]) for _ in ids]
    rooted = chance.random() < 0.7
    spans = []
    for i, (span_id, when) in enumerate(zip(ids, at, strict=True)):
        parent = chance.choice([*ids[:i], "f" * 16, chance.choice(ids)]) if i or not rooted else ""
        span = Span(trace_id, span_id, start if i == 0 else when, when + chance.randint(0, 2 * SECOND), parent)
        spans.append(_says(chance, replace(span, name=chance.choice(["", "n1", "n2", "n3"]))))
    copies = [
        _says(chance, replace(s, copy=chance.randint(1, 3), level="DEFAULT", cost=None, tokens=(0, 0)))
        for s in spans
        if chance.random() < 0.15
    ]
    return list({(s.span_id, s.copy): s for s in spans + copies}.values())


def _says(chance: random.Random, span: Span) -> Span:
    def some(share: float, *values: Any) -> Any:
        return chance.choice(values) if chance.random() < share else None

    said: dict[str, Any] = {
        "user_id": some(0.1, "ann", "bob"),
        "session_id": some(0.1, "s1", "s2"),
        "conversation": some(0.5, True),
        "tags": some(0.1, ("a",), ("b", "a"), ("c",)),
        "trace_name": some(0.03, "said1", "said2"),
        "release": some(0.3, "r1", "r2"),
        "own_release": some(0.1, True),
        "version": some(0.3, "v1", "v2"),
        "own_version": some(0.1, True),
        "public": some(0.05, True, False),
        "metadata": some(0.1, {"k": "1"}, {"k": "2", "x.y": "z"}, {"empty": ""}),
        "input": some(0.2, "in1", "in2"),
        "output": some(0.2, "out1", "out2"),
        "trace_input": some(0.05, "tin1", "tin2"),
        "trace_output": some(0.05, "tout1", "tout2"),
        "as_root": some(0.03, True),
        "app_root": some(0.05, True),
        "environment": some(0.3, "prod", "dev"),
        "level": some(0.1, "ERROR", "WARNING", "DEBUG"),
        "tokens": some(0.2, (1, 2), (1000, 10)),
        "cost": some(0.2, "0.5", "0.000000000001", "2"),
    }
    return replace(span, **{key: value for key, value in said.items() if value is not None})
