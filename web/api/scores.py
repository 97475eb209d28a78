"""Scores: given, deleted, and read as v1 and v2 have them (public-api.md sections 6.1, 6.2 and 6.4)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from litefuse.keys import Scope
from litefuse.otlp.check import Window
from litefuse.telemetry import metrics as m
from web.api import fields, filters, paging, score, score_writer
from web.api import parameters as p
from web.api.errors import invalid, issue, not_found, refused
from web.api.filter_columns import SCORES
from web.api.paging import PageMeta
from web.api.parameters import NoQuery
from web.api.route import Answer, Call, Route
from web.api.score import ScoreListed, ScoreV1
from web.api.score_body import Given, Refused, ScoreBody, new_score
from web.queries import scores as queries
from web.queries import totals, traces
from web.queries.conditions import Condition
from web.queries.new_scores import NewScore
from web.queries.scores import CORRECTION, SOURCES, TYPES, Filter

#: Clients send up to 1 000 000 bytes at once.
_MOST_BYTES = 4_500_000
#: Scores of longer lists are read in a thread: tens of thousands take a second, in which nobody else would be answered.
_SMALL_SCORES = 200
_GROUPS = ("score", "trace")
#: Operators of the parameter `operator` → those of conditions.
_OPERATORS = {"<": "<", ">": ">", "<=": "<=", ">=": ">=", "!=": "<>", "=": "="}
#: Parameters that are what a column has to be.
_EXACT = ("userId", "name", "source", "configId", "sessionId", "datasetRunId", "traceId", "queueId", "dataType")
#: Clients of v1 know no scores of sessions or runs, and no corrections.
_V1 = (Condition("traceId", "is not null"), Condition("dataType", "none of", [CORRECTION]))


class Created(TypedDict):
    id: str


class Message(TypedDict):
    message: str


class ScoreError(TypedDict):
    message: str


class PartlyAccepted(TypedDict):
    accepted: int
    rejected: int
    errors: list[ScoreError]


class ScorePage(TypedDict):
    data: list[ScoreListed]
    meta: PageMeta


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoresQuery:
    page: int = p.page()
    limit: int = p.limit()
    userId: str | None = p.text("user of the trace that is scored")
    traceTags: tuple[str, ...] = p.texts("the trace that is scored has all of these tags")
    name: str | None = p.text("name of the score")
    fromTimestamp: int | None = p.time("given at or after this")
    toTimestamp: int | None = p.time("given before this")
    environment: tuple[str, ...] = p.texts("is of any of these environments")
    source: str | None = p.choice("where it comes from", SOURCES)
    operator: str | None = p.choice("how its number is compared with value", tuple(_OPERATORS))
    value: float | None = p.number("what its number is compared with by operator; alone it filters nothing")
    scoreIds: tuple[str, ...] = p.texts("has any of these ids")
    configId: str | None = p.text("score config")
    sessionId: str | None = p.text("session that is scored")
    datasetRunId: str | None = p.text("run that is scored")
    traceId: str | None = p.text("trace that is scored, or whose observation is")
    observationId: tuple[str, ...] = p.texts("is of any of these observations")
    queueId: str | None = p.text("annotation queue")
    dataType: str | None = p.choice("type of the score", TYPES)
    fields: str | None = p.text("comma-separated, of score, trace; both by default", empty=True)
    filter: str | None = filters.parameter()


# -- giving and deleting -------------------------------------------------------------------------------------------------


async def create(call: Call, _: NoQuery) -> Any:
    """An object is one score; a list is many, of which those that cannot be are told and the others stored."""
    body = await call.json(_MOST_BYTES)
    now = time.time_ns()
    given = Given(call.project_id, now, call.retention_days, Window.of(now, call.retention_days).oldest)
    if isinstance(body, list):
        return await _create_many(call, body, given)
    if not isinstance(body, dict):
        raise refused([issue("invalid_type", [], "needs a score or a list of scores")])
    try:
        made = new_score(body, given)
    except Refused as error:
        m.SCORES.labels(result="refused").inc()
        raise refused(error.issues) from None
    await score_writer.write(call.services, [made])
    return Created(id=made.id)


async def _create_many(call: Call, bodies: Sequence[Any], given: Given) -> Answer:
    if len(bodies) > _SMALL_SCORES:
        made, errors = await asyncio.to_thread(_read, bodies, given)
    else:
        made, errors = _read(bodies, given)
    await score_writer.write(call.services, made)
    m.SCORES.labels(result="refused").inc(len(errors))
    if errors:
        return Answer(PartlyAccepted(accepted=len(made), rejected=len(errors), errors=errors), 207)
    return Answer(Message(message="Accepted"), 202)


def _read(bodies: Sequence[Any], given: Given) -> tuple[list[NewScore], list[ScoreError]]:
    made, errors = [], []
    for n, body in enumerate(bodies):
        try:
            made.append(new_score(body, given))
        except Refused as error:
            errors.append(ScoreError(message=f"score {n}: {error}"))
    return made, errors


async def remove(call: Call, _: NoQuery) -> Message:
    await score_writer.delete(call.services, call.project_id, [call.path("scoreId")])
    return Message(message="Score deletion queued successfully")


# -- reading -------------------------------------------------------------------------------------------------------------


def filter_of(query: ScoresQuery) -> Filter:
    """Raises ApiError 400."""
    simple = {name: Condition(name, "=", value) for name in _EXACT if (value := getattr(query, name)) is not None}
    lists = {"environment": query.environment, "id": query.scoreIds, "observationId": query.observationId}
    simple |= {name: Condition(name, "any of", list(given)) for name, given in lists.items() if given}
    if query.traceTags:
        simple["tags"] = Condition("tags", "all of", list(query.traceTags))
    if query.operator is not None and query.value is not None:
        simple["value"] = Condition("value", _OPERATORS[query.operator], query.value)
    given = filters.combined(filters.parse(query.filter, SCORES), simple)
    return Filter(*filters.within(given, "timestamp", query.fromTimestamp, query.toTimestamp))


def with_trace(query: ScoresQuery) -> bool:
    """Whether traces are asked for. Raises ApiError 400."""
    groups = fields.groups(query.fields, _GROUPS, _GROUPS)
    if "score" not in groups:
        raise invalid("fields has to have score")
    if "trace" not in groups and (query.userId is not None or query.traceTags):
        raise invalid("Scores are filtered by userId and traceTags only when fields has trace, or is absent")
    return "trace" in groups


async def listing(call: Call, query: ScoresQuery) -> ScorePage:
    return await _listing(call, query, filter_of(query))


async def listing_v1(call: Call, query: ScoresQuery) -> ScorePage:
    filter_ = filter_of(query)
    return await _listing(call, query, Filter(filter_.since_ns, filter_.until_ns, [*filter_.conditions, *_V1]))


async def _listing(call: Call, query: ScoresQuery, filter_: Filter) -> ScorePage:
    traced = with_trace(query)
    store, project_id, offset = call.store, call.project_id, paging.offset(query.page, query.limit)
    found, total = await totals.beside(
        queries.page(store, project_id, filter_, offset, query.limit + 1),
        queries.count(store, project_id, filter_, timeout=totals.COUNT_S),
        offset,
        query.limit,
    )
    scored = score.trace_ids(found) if traced else []
    known = {trace.id: trace for trace in await traces.without_numbers(store, project_id, scored)}
    data = [score.listed(one, project_id, known.get(one.trace_id), with_trace=traced) for one in found]
    return {"data": data, "meta": paging.meta(query.page, query.limit, total)}


async def one(call: Call, _: NoQuery) -> ScoreV1:
    return await _one(call, Filter())


async def one_v1(call: Call, _: NoQuery) -> ScoreV1:
    return await _one(call, Filter(conditions=_V1))


async def _one(call: Call, filter_: Filter) -> ScoreV1:
    found = await queries.by_id(call.store, call.project_id, call.path("scoreId"), filter_)
    if found is None:
        raise not_found("Score not found")
    return score.score_v1(found, call.project_id)


_TAG = "Scores"
ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/scores",
        create,
        "Store a score, or a list of scores",
        _TAG,
        answer=Created,
        body=ScoreBody | list[ScoreBody],
        need=Scope.INGEST,
        bearer=True,
        statuses={202: Message, 207: PartlyAccepted},
        errors=(400, 413),
    ),
    Route(
        "DELETE",
        "/scores/{scoreId}",
        remove,
        "Delete a score",
        _TAG,
        answer=Message,
        need=Scope.ALL,
        status=202,
    ),
    Route(
        "GET",
        "/v2/scores",
        listing,
        "Scores of all kinds, the newest first",
        _TAG,
        answer=ScorePage,
        query=ScoresQuery,
        errors=(422,),
    ),
    Route("GET", "/v2/scores/{scoreId}", one, "One score", _TAG, answer=ScoreV1, errors=(404,)),
    Route(
        "GET",
        "/scores",
        listing_v1,
        "Scores of traces and observations, the newest first",
        _TAG,
        answer=ScorePage,
        query=ScoresQuery,
        errors=(422,),
    ),
    Route(
        "GET",
        "/scores/{scoreId}",
        one_v1,
        "One score of a trace or an observation",
        _TAG,
        answer=ScoreV1,
        errors=(404,),
    ),
)
