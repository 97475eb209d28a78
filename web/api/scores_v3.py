"""Scores as v3 has them: by cursors and groups, with strict parameters (public-api.md sections 6.2 and 6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired

from typing_extensions import TypedDict

from web.api import cursors
from web.api import parameters as p
from web.api.errors import invalid
from web.api.parameters import Bad
from web.api.route import Call, Route
from web.api.score import GROUPS, ScoreV3, score_v3
from web.queries import scores as queries
from web.queries.conditions import Condition
from web.queries.scores import BOOLEAN, CATEGORICAL, NUMERIC, SOURCES, TYPES, Filter, Position


class ScoresMeta(TypedDict):
    limit: int
    cursor: NotRequired[str]


class ScoresV3(TypedDict):
    data: list[ScoreV3]
    meta: ScoresMeta


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoresV3Query:
    limit: int = p.limit()
    cursor: str | None = p.text("where the page before ended: its meta.cursor", empty=True)
    fields: tuple[str, ...] = p.choices("groups of fields besides core", GROUPS)
    id: tuple[str, ...] = p.texts("has any of these ids")
    name: tuple[str, ...] = p.texts("has any of these names")
    source: tuple[str, ...] = p.choices("comes from any of these", SOURCES, fold=True)
    dataType: tuple[str, ...] = p.choices("is of any of these types", TYPES, fold=True)
    environment: tuple[str, ...] = p.texts("is of any of these environments")
    configId: tuple[str, ...] = p.texts("has any of these score configs")
    queueId: tuple[str, ...] = p.texts("is of any of these annotation queues")
    authorUserId: tuple[str, ...] = p.texts("was given by any of these")
    value: tuple[str, ...] = p.texts("has any of these values; needs one dataType of NUMERIC, BOOLEAN, CATEGORICAL")
    valueMin: float | None = p.number("its number is this or more; needs dataType NUMERIC")
    valueMax: float | None = p.number("its number is this or less; needs dataType NUMERIC")
    traceId: tuple[str, ...] = p.texts("is of any of these traces, or of their observations")
    sessionId: tuple[str, ...] = p.texts("is of any of these sessions")
    experimentId: tuple[str, ...] = p.texts("is of any of these runs")
    observationId: tuple[str, ...] = p.texts("is of any of these observations; needs traceId")
    fromTimestamp: int | None = p.time("given at or after this")
    toTimestamp: int | None = p.time("given before this")


#: Parameter → column.
_COLUMNS = {
    **{name: name for name in ("id", "name", "source", "dataType", "environment", "configId", "queueId")},
    **{name: name for name in ("authorUserId", "traceId", "sessionId", "observationId")},
    "experimentId": "datasetRunId",
}


def filter_of(query: ScoresV3Query) -> Filter:
    """Raises ApiError 400."""
    subjects = [name for name in ("traceId", "sessionId", "experimentId") if getattr(query, name)]
    if len(subjects) > 1:
        raise invalid(f"{' and '.join(subjects)}: at most one of traceId, sessionId and experimentId can be given")
    if query.observationId and not query.traceId:
        raise invalid("observationId needs traceId")
    conditions = [
        Condition(column, "any of", list(given)) for name, column in _COLUMNS.items() if (given := getattr(query, name))
    ]
    for name, operator in (("valueMin", ">="), ("valueMax", "<=")):
        bound = getattr(query, name)
        if bound is None:
            continue
        if query.dataType != (NUMERIC,):
            raise invalid(f"{name} needs dataType=NUMERIC")
        conditions.append(Condition("value", operator, bound))
    numbers: Sequence[float] = ()
    if query.value:
        if len(query.dataType) != 1 or query.dataType[0] not in (NUMERIC, BOOLEAN, CATEGORICAL):
            raise invalid("value needs exactly one dataType of NUMERIC, BOOLEAN and CATEGORICAL")
        if query.dataType[0] == CATEGORICAL:
            conditions.append(Condition("stringValue", "any of", list(query.value)))
        else:
            numbers = [_number(text, query.dataType[0]) for text in query.value]
    return Filter(query.fromTimestamp, query.toTimestamp, conditions, numbers)


def _number(text: str, data_type: str) -> float:
    """A value as it is stored. Raises ApiError 400."""
    try:
        return float(p.read_flag(text)) if data_type == BOOLEAN else p.read_number(text)
    except Bad as bad:
        raise invalid(f"value: {bad}") from None


async def listing(call: Call, query: ScoresV3Query) -> ScoresV3:
    before = None if query.cursor is None else Position(*cursors.decode(query.cursor, int, str))
    page = await queries.newest(call.store, call.project_id, filter_of(query), query.limit, before)
    meta: ScoresMeta = {"limit": query.limit}
    if page.next is not None:
        meta["cursor"] = cursors.encode(*page.next)
    return {"data": [score_v3(one, call.project_id, query.fields) for one in page.scores], "meta": meta}


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/v3/scores",
        listing,
        "Scores of all kinds by cursors, the newest first",
        "Scores",
        answer=ScoresV3,
        query=ScoresV3Query,
        strict=True,
        errors=(422,),
    ),
)
