"""A score as it goes out: v1 and v2, where all keys are there, and v3, by groups (public-api.md sections 6.3 and 6.4). Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from web.api.values import decoded, number, or_none, time_text
from web.queries.scores import BOOLEAN, NUMERIC, TEXT, Score
from web.queries.traces import Trace

#: What `fields` of v3 may ask for, and what is shown by default.
GROUPS = ("core", "details", "subject", "annotation")


class ScoreV1(TypedDict):
    """A score of v1 and v2. `value`: of BOOLEAN 0 or 1, of CATEGORICAL and CORRECTION 0, not there for TEXT. `stringValue`:
    null for NUMERIC, `True` or `False` for BOOLEAN."""

    id: str
    projectId: str
    name: str
    dataType: str
    value: NotRequired[float | None]
    stringValue: str | None
    source: str
    timestamp: str
    createdAt: str
    updatedAt: str
    environment: str
    traceId: str | None
    observationId: str | None
    sessionId: str | None
    datasetRunId: str | None
    authorUserId: str | None
    comment: str | None
    metadata: dict[str, Any]
    configId: str | None
    queueId: str | None


class TraceOfScore(TypedDict):
    """What lists say of the trace that is scored. Of one that there is not (yet) they know no more than the score does."""

    userId: str | None
    tags: list[str]
    environment: str
    sessionId: str | None


class ScoreListed(ScoreV1):
    """In a list of v1 and v2. `trace` is null for scores of sessions and runs, and when `fields` leaves it out."""

    trace: TraceOfScore | None


class Subject(TypedDict):
    """What is scored; `traceId` of an observation."""

    kind: Annotated[str, Field(description="trace, observation, session or experiment")]
    id: str
    traceId: NotRequired[str]


class ScoreV3(TypedDict):
    """`value`: a number for NUMERIC, true or false for BOOLEAN, else text."""

    id: str
    projectId: str
    name: str
    environment: str
    dataType: str
    value: float | bool | str | None
    source: str
    timestamp: str
    createdAt: str
    updatedAt: str
    comment: NotRequired[str | None]
    configId: NotRequired[str | None]
    metadata: NotRequired[dict[str, Any]]
    subject: NotRequired[Subject]
    authorUserId: NotRequired[str | None]
    queueId: NotRequired[str | None]


def score_v1(score: Score, project_id: str) -> ScoreV1:
    """As v1 and v2 have it, also within a trace."""
    found: ScoreV1 = {
        "id": score.id,
        "projectId": project_id,
        "name": score.name,
        "dataType": score.data_type,
        "value": number(score.value),
        "stringValue": None if score.data_type == NUMERIC else score.string_value,
        "source": score.source,
        "timestamp": time_text(score.timestamp_ns),
        "createdAt": time_text(score.created_ns),
        "updatedAt": time_text(score.updated_ns),
        "environment": score.environment,
        "traceId": or_none(score.trace_id),
        "observationId": or_none(score.observation_id),
        "sessionId": or_none(score.session_id),
        "datasetRunId": or_none(score.dataset_run_id),
        "authorUserId": or_none(score.author_user_id),
        "comment": or_none(score.comment),
        "metadata": _metadata(score),
        "configId": or_none(score.config_id),
        "queueId": or_none(score.queue_id),
    }
    if score.data_type == TEXT:
        del found["value"]
    return found


def listed(score: Score, project_id: str, trace: Trace | None, *, with_trace: bool) -> ScoreListed:
    """In a list, beside its trace when that is known."""
    told = _trace(score, trace) if with_trace and score.trace_id else None
    return {**score_v1(score, project_id), "trace": told}


def score_v3(score: Score, project_id: str, groups: Collection[str]) -> ScoreV3:
    """With the groups asked for."""
    found: ScoreV3 = {
        "id": score.id,
        "projectId": project_id,
        "name": score.name,
        "environment": score.environment,
        "dataType": score.data_type,
        "value": value(score),
        "source": score.source,
        "timestamp": time_text(score.timestamp_ns),
        "createdAt": time_text(score.created_ns),
        "updatedAt": time_text(score.updated_ns),
    }
    if "details" in groups:
        found["comment"] = or_none(score.comment)
        found["configId"] = or_none(score.config_id)
        found["metadata"] = _metadata(score)
    if "subject" in groups:
        found["subject"] = _subject(score)
    if "annotation" in groups:
        found["authorUserId"] = or_none(score.author_user_id)
        found["queueId"] = or_none(score.queue_id)
    return found


def trace_ids(scores: Sequence[Score]) -> list[str]:
    """Of the traces that are scored, each once."""
    return list(dict.fromkeys(score.trace_id for score in scores if score.trace_id))


def value(score: Score) -> float | bool | str | None:
    """A number for NUMERIC, true or false for BOOLEAN, else text."""
    if score.data_type == NUMERIC:
        return number(score.value)
    return score.value == 1 if score.data_type == BOOLEAN else score.string_value


def _metadata(score: Score) -> Any:
    """JSON of an object, as it was stored."""
    return decoded(score.metadata) if score.metadata else {}


def _trace(score: Score, trace: Trace | None) -> TraceOfScore:
    if trace is None:
        return {"userId": None, "tags": [], "environment": score.environment, "sessionId": None}
    return {
        "userId": or_none(trace.user_id),
        "tags": list(trace.tags),
        "environment": trace.environment or "default",
        "sessionId": or_none(trace.session_id),
    }


def _subject(score: Score) -> Subject:
    if score.observation_id:
        return {"kind": "observation", "id": score.observation_id, "traceId": score.trace_id}
    if score.trace_id:
        return {"kind": "trace", "id": score.trace_id}
    if score.session_id:
        return {"kind": "session", "id": score.session_id}
    return {"kind": "experiment", "id": score.dataset_run_id}
