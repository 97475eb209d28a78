"""A score as clients send it, and as it is kept (public-api.md section 6.1). Pure."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Required

from pydantic import Field, TypeAdapter, ValidationError, WithJsonSchema
from typing_extensions import TypedDict

from litefuse.environment import environment_name
from web.api.errors import issue
from web.api.parameters import Bad, time_ns
from web.api.values import dumps
from web.queries.new_scores import NewScore
from web.queries.scores import BOOLEAN, CATEGORICAL, CORRECTION, NUMERIC, TEXT

Issue = dict[str, Any]

#: Who may have given a score that POST /scores is told of; POST /ingestion also takes those of evaluators.
POSTED = ("API", "ANNOTATION")
INGESTED = ("API", "ANNOTATION", "EVAL")
_LONGEST_TEXT = 500
#: The table's expiry is a time of 32 bits, Unix seconds: ClickHouse refuses the block that has a later one.
_LATEST_NS = 2**32 * 1_000_000_000 - 1
#: All corrections have it.
_CORRECTION_NAME = "output"

Id = Annotated[str, Field(max_length=800)]
_VALUE = {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "boolean"}]}


class ScoreBody(TypedDict, total=False):
    """A score to store. It is given to exactly one of a trace (or an observation of it), a session and a run. The same id again
    replaces the score."""

    id: Annotated[Id | None, Field(description="made by us when it is absent or empty")]
    name: Required[Annotated[str, Field(min_length=1)]]
    value: Required[Annotated[Any, WithJsonSchema(_VALUE)]]
    traceId: Id | None
    observationId: Id | None
    sessionId: Id | None
    datasetRunId: Id | None
    dataType: Literal["NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION"] | None
    comment: str | None
    queueId: str | None
    configId: Annotated[str | None, Field(description="score configs are not supported: any id is unknown")]
    metadata: Annotated[Any, Field(description="what is no object is kept under the key metadata")]
    environment: str | None
    source: Annotated[str | None, WithJsonSchema({"enum": [*POSTED, None]})]
    timestamp: Annotated[str | None, Field(description="ISO 8601; when it is received, by default")]


_BODY: TypeAdapter[Any] = TypeAdapter(ScoreBody)


class Refused(Exception):
    """A score that cannot be; `issues` as in an answer of 400."""

    def __init__(self, issues: list[Issue]) -> None:
        super().__init__("; ".join(_line(one) for one in issues))
        self.issues = issues


@dataclass(frozen=True, slots=True)
class Given:
    """By whom, and when: `timestamp_ns`, Unix ns, is that of scores which do not say it. What is older than `oldest_ns` is gone
    as soon as it is stored."""

    project_id: str
    timestamp_ns: int
    retention_days: int
    oldest_ns: int
    sources: Collection[str] = POSTED


def new_score(body: Any, given: Given) -> NewScore:
    """The score that a client's JSON says. Raises Refused with all that is wrong."""
    try:
        said = {name: value for name, value in _BODY.validate_python(body).items() if value not in (None, "")}
    except ValidationError as error:
        raise Refused([issue(e["type"], e["loc"], e["msg"]) for e in error.errors(include_url=False)]) from None
    issues: list[Issue] = []
    # The empty text is a value where text is.
    data_type, value, text = _valued(body["value"], said.get("dataType"), issues)
    source = said.get("source", "API")
    _check_source(source, data_type, given.sources, issues)
    _check_subject(said, data_type, issues)
    if "configId" in said:
        issues.append(issue("custom", ["configId"], "no such score config: score configs are not supported"))
    timestamp_ns = _timestamp(said.get("timestamp"), given, issues)
    if issues:
        raise Refused(issues)
    return NewScore(
        project_id=given.project_id,
        id=said.get("id") or str(uuid.uuid4()),
        timestamp_ns=timestamp_ns,
        name=_CORRECTION_NAME if data_type == CORRECTION else said["name"],
        data_type=data_type,
        value=value,
        string_value=text,
        source=source,
        trace_id=said.get("traceId", ""),
        observation_id=said.get("observationId", ""),
        session_id=said.get("sessionId", ""),
        dataset_run_id=said.get("datasetRunId", ""),
        environment=environment_name(said.get("environment")),
        comment=said.get("comment", ""),
        metadata=_metadata(said.get("metadata")),
        queue_id=said.get("queueId", ""),
        retention_days=given.retention_days,
    )


def _valued(value: Any, data_type: str | None, issues: list[Issue]) -> tuple[str, float, str]:
    """Type, number and text of a score. True and false are 1 and 0."""
    if isinstance(value, int | float):
        found = float(value)
        if data_type in (None, NUMERIC):
            return NUMERIC, found, ""
        if data_type == BOOLEAN and found in (0, 1):
            return BOOLEAN, found, "True" if found else "False"
        needs = "0 or 1" if data_type == BOOLEAN else "text"
        issues.append(issue("invalid_type", ["value"], f"the value of a {data_type} score is {needs}"))
    elif isinstance(value, str):
        if data_type in (None, CATEGORICAL, CORRECTION):
            return data_type or CATEGORICAL, 0.0, value
        if data_type == TEXT and 1 <= len(value) <= _LONGEST_TEXT:
            return TEXT, 0.0, value
        needs = {TEXT: f"text of 1 to {_LONGEST_TEXT} characters", BOOLEAN: "0 or 1"}.get(data_type or "", "a number")
        issues.append(issue("invalid_type", ["value"], f"the value of a {data_type} score is {needs}"))
    else:
        issues.append(issue("invalid_type", ["value"], "needs a number or text"))
    return data_type or NUMERIC, 0.0, ""


def _check_source(source: str, data_type: str, allowed: Collection[str], issues: list[Issue]) -> None:
    if source not in allowed:
        issues.append(issue("invalid_value", ["source"], f"is none of {', '.join(allowed)}"))
    elif source == "ANNOTATION" and data_type != CORRECTION:
        issues.append(issue("custom", ["configId"], "scores of source ANNOTATION need one, except corrections"))


def _check_subject(said: dict[str, Any], data_type: str, issues: list[Issue]) -> None:
    subjects = [name for name in ("traceId", "sessionId", "datasetRunId") if name in said]
    if len(subjects) != 1:
        issues.append(issue("custom", [], "needs exactly one of traceId, sessionId and datasetRunId"))
    elif "observationId" in said and subjects != ["traceId"]:
        issues.append(issue("custom", ["observationId"], "needs the traceId of the observation"))
    elif data_type == CORRECTION and subjects != ["traceId"]:
        issues.append(issue("custom", ["dataType"], "a correction is of a trace or an observation"))


def _timestamp(text: str | None, given: Given, issues: list[Issue]) -> int:
    """Unix ns."""
    ns = given.timestamp_ns
    if text is not None:
        try:
            ns = time_ns(text)
        except Bad as bad:
            issues.append(issue(bad.code, ["timestamp"], str(bad)))
            return ns
    if ns < 0:
        issues.append(issue("too_small", ["timestamp"], "is before 1970"))
    elif ns < given.oldest_ns:
        issues.append(issue("too_small", ["timestamp"], "is older than what the project keeps"))
    elif ns > _LATEST_NS:
        issues.append(issue("too_big", ["timestamp"], "is after 2106-02-07"))
    return ns


def _metadata(value: Any) -> str:
    """JSON text of an object, empty for none."""
    if value is None:
        return ""
    return dumps(value if isinstance(value, dict) else {"metadata": value}).decode()


def _line(one: Issue) -> str:
    where = ".".join(map(str, one["path"]))
    return f"{where}: {one['message']}" if where else str(one["message"])
