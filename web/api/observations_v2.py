"""Observations, version 2: by cursor, with the groups of fields that are asked for (public-api.md section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired

from typing_extensions import TypedDict

from web.api import cursors, fields, filters
from web.api import parameters as p
from web.api.errors import invalid
from web.api.filter_columns import OBSERVATIONS_V2
from web.api.observation import LEVELS, TYPES
from web.api.observation_filter import filter_of
from web.api.observation_v2 import GROUPS, OF_TRACE, ObservationV2, columns, observation_v2
from web.api.route import Call, Route
from web.queries import contexts, observation_pages
from web.queries.observation_pages import Page
from web.queries.observations import Position

_DEFAULT = ("core", "basic")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationsQuery:
    fields: str | None = p.text(f"comma-separated, of {', '.join(GROUPS)}; core,basic by default", empty=True)
    limit: int = p.limit(low=0, high=1000)
    cursor: str | None = p.text("where the page before ended: `meta.cursor` of its answer", empty=True)
    filter: str | None = filters.parameter()
    expandMetadata: tuple[str, ...] = p.texts("metadata is always whole, whatever this says")
    name: str | None = p.text("name of the observation")
    userId: str | None = p.text("user of its trace")
    sessionId: str | None = p.text("session of its trace")
    traceId: str | None = p.text("id of its trace")
    version: str | None = p.text("version of the application")
    type: str | None = p.choice("type of the observation", TYPES)
    level: str | None = p.choice("level of the observation", LEVELS)
    environment: tuple[str, ...] = p.texts("is of any of these environments")
    parentObservationId: str | None = p.text("id of its parent; empty: without a parent")
    isRootObservation: bool | None = p.flag("has no parent, or is the root of the application's part of its trace")
    fromStartTime: int | None = p.time("starts at or after this")
    toStartTime: int | None = p.time("starts before this")
    parseIoAsJson: bool | None = p.flag("only false: input and output are text")


class CursorMeta(TypedDict):
    """Without `cursor` on the last page."""

    cursor: NotRequired[str]


class ObservationPageV2(TypedDict):
    data: list[ObservationV2]
    meta: CursorMeta


async def listing(call: Call, query: ObservationsQuery) -> ObservationPageV2:
    """Newest start first; of equal ones by trace id and id, the greater first."""
    if query.parseIoAsJson:
        raise invalid("parseIoAsJson=true is not supported: input and output are text")
    groups = fields.groups(query.fields, GROUPS, _DEFAULT if not query.fields else ())
    before, reach_ns = position_of(query.cursor)
    filter_ = filter_of(query, OBSERVATIONS_V2)
    if not query.limit:
        return {"data": [], "meta": {}}
    store, project_id = call.store, call.project_id
    narrowed = await observation_pages.narrowed(store, project_id, filter_, query.limit)
    if narrowed is None:
        return {"data": [], "meta": {}}
    within, likely_ns = narrowed
    page = await observation_pages.newest(
        store, project_id, within, query.limit, before, names=columns(groups), reach_ns=reach_ns or likely_ns
    )
    of_traces: dict[str, contexts.Context] = {}
    if groups & OF_TRACE:
        ids = list(dict.fromkeys(row["trace_id"] for row in page.observations))
        of_traces = await contexts.of_traces(store, project_id, ids, named="trace_context" in groups)
    rows = [
        observation_v2(row, project_id, of_traces.get(row["trace_id"], contexts.NONE), groups)
        for row in page.observations
    ]
    return {"data": rows, "meta": {} if page.next is None else {"cursor": cursor_of(page, page.next)}}


def cursor_of(page: Page, next_: Position) -> str:
    return cursors.encode(*next_, page.reach_ns)


def position_of(cursor: str | None) -> tuple[Position | None, int]:
    """Where a page begins, and how far back it is likely to reach, ns; 0 when that is not known. Raises ApiError 400."""
    if cursor is None:
        return None, 0
    start_ns, trace_id, id_, reach_ns = cursors.decode(cursor, int, str, str, int)
    return Position(start_ns, trace_id, id_), reach_ns


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/v2/observations",
        listing,
        "Observations, the newest first, by cursor",
        "Observations",
        ObservationPageV2,
        query=ObservationsQuery,
        errors=(422,),
    ),
)
