"""A trace as it goes out: in a session, in a list, and whole (public-api.md section 3.2). Pure.

All keys are always there; what belongs to groups of fields that were not asked for has the values of section 1.7.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from typing_extensions import TypedDict

from web.api.observation import ObservationV1
from web.api.score import ScoreV1
from web.api.values import decoded, metadata, number, or_none, seconds, time_text
from web.queries.numbers import Numbers
from web.queries.traces import Trace

#: What `fields` may ask for; all of it by default.
GROUPS = ("core", "io", "scores", "observations", "metrics")
#: A duration or a cost that was not asked for.
NOT_ASKED = -1.0


class TraceInSession(TypedDict):
    """`timestamp` is the earliest start. `input`, `output` and the values of `metadata` are JSON where they hold JSON."""

    id: str
    projectId: str
    timestamp: str
    name: str | None
    userId: str | None
    sessionId: str | None
    release: str | None
    version: str | None
    environment: str
    public: bool
    bookmarked: bool
    tags: list[str]
    input: Any
    output: Any
    metadata: dict[str, Any]
    externalId: str | None
    createdAt: str
    updatedAt: str


class _Asked(TraceInSession):
    """`latency` is seconds, `totalCost` USD; -1 when `fields` leaves metrics out. `htmlPath` is the page of the trace."""

    htmlPath: str
    latency: float
    totalCost: float


class TraceListed(_Asked):
    """With ids of its observations, by start time, and of its scores."""

    observations: list[str]
    scores: list[str]


class TraceWhole(_Asked):
    """With its observations, by start time, and its scores."""

    observations: list[ObservationV1]
    scores: list[ScoreV1]


def in_session(trace: Trace, project_id: str, texts: tuple[str, str]) -> TraceInSession:
    """`texts`: input and output."""
    return {
        "id": trace.id,
        "projectId": project_id,
        "timestamp": time_text(trace.start_ns),
        "name": or_none(trace.name),
        "userId": or_none(trace.user_id),
        "sessionId": or_none(trace.session_id),
        "release": or_none(trace.release),
        "version": or_none(trace.version),
        "environment": trace.environment or "default",
        "public": trace.public,
        "bookmarked": False,
        "tags": list(trace.tags),
        "input": decoded(texts[0]),
        "output": decoded(texts[1]),
        "metadata": metadata(trace.metadata),
        "externalId": None,
        "createdAt": time_text(trace.start_ns),
        "updatedAt": time_text(trace.end_ns),
    }


def listed(
    trace: Trace,
    project_id: str,
    groups: Collection[str],
    texts: tuple[str, str],
    observations: Sequence[str],
    scores: Sequence[str],
) -> TraceListed:
    """A trace with its numbers. Latency: from the earliest start of an observation to the latest end, 0 without any."""
    return {
        **_asked(trace, project_id, groups, texts, trace.numbers, seconds(trace.numbers.latency_ns) or 0.0),
        "observations": list(observations),
        "scores": list(scores),
    }


def whole(
    trace: Trace,
    project_id: str,
    groups: Collection[str],
    texts: tuple[str, str],
    rows: Sequence[Mapping[str, Any]],
    observations: Sequence[ObservationV1],
    scores: Sequence[ScoreV1],
    built_in: Mapping[str, Any],
) -> TraceWhole:
    """A trace with its numbers. `rows`: its observations as the queries give them, for the latency; `built_in`: attributes,
    resource and scope."""
    found: TraceWhole = {
        **_asked(trace, project_id, groups, texts, trace.numbers, whole_latency(rows)),
        "observations": list(observations),
        "scores": list(scores),
    }
    if "io" in groups:
        found["metadata"] |= built_in
    return found


def whole_latency(rows: Sequence[Mapping[str, Any]]) -> float:
    """Seconds from the earliest start to the latest end that was sent; of a trace nothing of which has ended to the latest
    start. `rows` have start_ns, end_ns and end_time_unix_nano."""
    if not rows:
        return 0.0
    starts: list[int] = [row["start_ns"] for row in rows]
    ends: list[int] = [row["end_ns"] for row in rows if row["end_time_unix_nano"]]
    return (max(ends or starts) - min(starts)) / 1e9


def html_path(project_id: str, trace_id: str) -> str:
    return f"/project/{quote(project_id, safe='')}/traces/{quote(trace_id, safe='')}"


def _asked(
    trace: Trace,
    project_id: str,
    groups: Collection[str],
    texts: tuple[str, str],
    numbers: Numbers,
    latency: float,
) -> _Asked:
    found: _Asked = {
        **in_session(trace, project_id, texts),
        "htmlPath": html_path(project_id, trace.id),
        "latency": NOT_ASKED,
        "totalCost": NOT_ASKED,
    }
    if "io" not in groups:
        found.update({"input": None, "output": None, "metadata": {}})
    if "metrics" in groups:
        found.update({"latency": latency, "totalCost": number(numbers.total_cost) or 0.0})
    return found
