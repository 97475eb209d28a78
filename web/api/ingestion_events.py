"""Events of POST /ingestion: what each has to be (public-api.md section 8). Pure.

An event is kept as it was sent, and read by the models below whenever its object is put together. They take what can be meant:
numbers where text is expected, keys that nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError, WithJsonSchema

from litefuse.otlp.check import Window
from web.api import score_body
from web.api.errors import issue
from web.api.observation import AnyLevel, AnyType
from web.api.parameters import Bad, time_ns
from web.api.score_body import INGESTED, Given, new_score
from web.queries.new_scores import NewScore

MAX_ID = 800
TRACE, OBSERVATION = "trace", "observation"
#: Types of observations that such an event makes, besides those with updates.
_KINDS = ("AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "EMBEDDING", "GUARDRAIL")
#: Type of an event → type of the observation that it tells of; None: its body says which.
OBSERVATIONS: Mapping[str, str | None] = {
    "span-create": "SPAN",
    "span-update": "SPAN",
    "generation-create": "GENERATION",
    "generation-update": "GENERATION",
    "event-create": "EVENT",
    **{f"{kind.lower()}-create": kind for kind in _KINDS},
    "observation-create": None,
    "observation-update": None,
}
TRACE_CREATE, SCORE_CREATE, SDK_LOG = "trace-create", "score-create", "sdk-log"
TYPES = (TRACE_CREATE, SCORE_CREATE, *OBSERVATIONS, SDK_LOG)


def _text(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _instant(value: object) -> object:
    """ISO 8601 as Unix ns."""
    if not isinstance(value, str):
        raise ValueError("needs a time as text")
    try:
        ns = time_ns(value)
    except Bad as bad:
        raise ValueError(str(bad)) from None
    if ns <= 0:
        raise ValueError("is before 1970")
    return ns


def _one_line(value: str) -> str:
    if "\r" in value or "\0" in value:
        raise ValueError("holds a carriage return or NUL")
    return value


def _version(value: object) -> object:
    """Of a prompt: what is no whole number is not known (otel-mapping.md WB-4)."""
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 and not isinstance(value, bool) else None


def _list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_text)]
Id = Annotated[Text, Field(min_length=1, max_length=MAX_ID), AfterValidator(_one_line)]
Instant = Annotated[int, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]


class TraceBody(BaseModel):
    """What is given replaces what was said before, null and absent keep it. `timestamp`: start of the trace."""

    id: Id | None = None
    timestamp: Instant | None = None
    name: Text | None = None
    userId: Text | None = None
    sessionId: Text | None = None
    input: Any = None
    output: Any = None
    metadata: Any = None
    tags: Annotated[list[Text], BeforeValidator(_list)] | None = None
    release: Text | None = None
    version: Text | None = None
    public: bool | None = None
    environment: Text | None = None


class ObservationBody(BaseModel):
    """What is given replaces what was said before, null and absent keep it."""

    id: Id | None = None
    traceId: Id | None = None
    parentObservationId: Id | None = None
    type: AnyType | None = None
    name: Text | None = None
    startTime: Instant | None = None
    endTime: Instant | None = None
    completionStartTime: Instant | None = None
    input: Any = None
    output: Any = None
    metadata: Any = None
    level: AnyLevel | None = None
    statusMessage: Text | None = None
    version: Text | None = None
    environment: Text | None = None
    model: Text | None = None
    modelParameters: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    usageDetails: dict[str, Any] | None = None
    costDetails: dict[str, Any] | None = None
    promptName: Text | None = None
    promptVersion: Annotated[int | None, BeforeValidator(_version)] = None


class _Envelope(BaseModel):
    id: Id
    timestamp: Instant
    type: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """A valid event. `object_id`: of its trace or observation. `at_ns`: its time, Unix ns; `received_ns`: when it came, later
    for what came later, also within a request. `sent` is its body as sent, `trace_id` empty when that names none."""

    id: str
    type: str
    at_ns: int
    body: TraceBody | ObservationBody
    object_id: str
    trace_id: str
    sent: Mapping[str, Any]
    received_ns: int = 0

    @property
    def kind(self) -> str:
        return TRACE if isinstance(self.body, TraceBody) else OBSERVATION

    @property
    def object(self) -> tuple[str, str]:
        """Kind and id of what it tells of."""
        return self.kind, self.object_id


@dataclass(frozen=True, slots=True)
class ScoreEvent:
    id: str
    score: NewScore


@dataclass(frozen=True, slots=True)
class Refused:
    """`id` is that of the event, empty when it has none."""

    id: str
    status: int
    message: str
    error: Any

    @property
    def entry(self) -> dict[str, Any]:
        return {"id": self.id, "status": self.status, "message": self.message, "error": self.error}


@dataclass(frozen=True, slots=True)
class Rules:
    """`window`: times of spans that are kept. `bearer`: only scores may be sent."""

    project_id: str
    retention_days: int
    window: Window
    bearer: bool = False


def read(sent: Any, rules: Rules) -> Event | ScoreEvent | Refused | None:
    """One event of a batch; None for what is dropped."""
    id_ = sent.get("id") if isinstance(sent, Mapping) else None
    id_ = id_ if isinstance(id_, str) else ""
    kind = sent.get("type") if isinstance(sent, Mapping) else None
    if kind == SDK_LOG:
        return None
    if rules.bearer and kind != SCORE_CREATE:
        return Refused(
            id_, 401, "Access denied: with the public key alone only scores can be sent", "UnauthorizedError"
        )
    try:
        envelope = _Envelope.model_validate(sent)
        if kind == SCORE_CREATE:
            return _score(envelope, rules)
        if kind not in TYPES:
            return _refused(
                id_, [issue("invalid_value", ["type"], f"{str(kind)[:100]!r} is none of {', '.join(TYPES)}")]
            )
    except ValidationError as error:
        return _refused(id_, _issues(error))
    try:
        event = parsed(envelope.id, envelope.type, envelope.timestamp, envelope.body)
    except ValidationError as error:
        return _refused(id_, _issues(error, "body"))
    late = outside(event, rules.window)
    return _refused(id_, late) if late else event


def _score(envelope: _Envelope, rules: Rules) -> ScoreEvent | Refused:
    """A score is given at the time of its event. Without an id it has that of its event: it may be sent again."""
    body = {**envelope.body, "id": envelope.body.get("id") or envelope.id, "timestamp": None}
    try:
        given = Given(rules.project_id, envelope.timestamp, rules.retention_days, rules.window.oldest, INGESTED)
        return ScoreEvent(envelope.id, new_score(body, given))
    except score_body.Refused as error:
        return _refused(envelope.id, [{**one, "path": ["body", *one["path"]]} for one in error.issues])


def parsed(id_: str, type_: str, at_ns: int, sent: Mapping[str, Any], received_ns: int = 0) -> Event:
    """An event of a trace or an observation. Raises ValidationError."""
    body: TraceBody | ObservationBody
    if type_ == TRACE_CREATE:
        body = TraceBody.model_validate(sent)
        # Without an id of its own an object is told by this event alone.
        object_id = body.id or id_
        return Event(id_, type_, at_ns, body, object_id, object_id, sent, received_ns)
    body = ObservationBody.model_validate(sent)
    return Event(id_, type_, at_ns, body, body.id or id_, body.traceId or "", sent, received_ns)


def outside(event: Event, window: Window) -> list[dict[str, Any]]:
    """Issues for times at which no span is kept (architecture section 4)."""
    body = event.body
    if isinstance(body, TraceBody):
        starts = {"timestamp": body.timestamp}
        ends: dict[str, int | None] = {}
    else:
        starts, ends = {"startTime": body.startTime}, {"endTime": body.endTime}
    found = [
        issue("too_big", ["body", name], "is more than a day ahead of the server's clock")
        for name, ns in (starts | ends).items()
        if ns is not None and ns > window.newest
    ]
    found += [
        issue("too_small", ["body", name], "is older than what the project keeps")
        for name, ns in starts.items()
        if ns is not None and ns < window.oldest
    ]
    if not window.oldest <= event.at_ns <= window.newest and all(ns is None for ns in starts.values()):
        found.append(issue("custom", ["timestamp"], "is a time at which nothing is kept"))
    return found


def _issues(error: ValidationError, *path: str) -> list[dict[str, Any]]:
    return [issue(e["type"], [*path, *e["loc"]], e["msg"]) for e in error.errors(include_url=False)]


def _refused(id_: str, issues: list[dict[str, Any]]) -> Refused:
    return Refused(id_, 400, "Invalid request data", issues)
