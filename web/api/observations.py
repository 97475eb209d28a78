"""Observations, version 1: lists by page, and one by its id (public-api.md section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import TypedDict

from web.api import filters, paging
from web.api import parameters as p
from web.api.errors import not_found
from web.api.filter_columns import OBSERVATIONS_V1
from web.api.observation import LEVELS, TYPES, ObservationV1, observation_v1
from web.api.observation_filter import filter_of
from web.api.paging import PageMeta
from web.api.parameters import NoQuery
from web.api.route import Call, Route
from web.queries import observation_pages, observations, totals
from web.queries.observations import LARGE, SMALL

_COLUMNS = (*SMALL, *LARGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationsQuery:
    page: int = p.page()
    limit: int = p.limit()
    name: str | None = p.text("name of the observation")
    userId: str | None = p.text("user of its trace")
    type: str | None = p.choice("type of the observation", TYPES)
    traceId: str | None = p.text("id of its trace")
    level: str | None = p.choice("level of the observation", LEVELS)
    parentObservationId: str | None = p.text("id of its parent; empty: without a parent")
    environment: tuple[str, ...] = p.texts("is of any of these environments")
    fromStartTime: int | None = p.time("starts at or after this")
    toStartTime: int | None = p.time("starts before this")
    version: str | None = p.text("version of the application")
    filter: str | None = filters.parameter()


class ObservationPage(TypedDict):
    data: list[ObservationV1]
    meta: PageMeta


async def listing(call: Call, query: ObservationsQuery) -> ObservationPage:
    """Newest start first."""
    asked, offset = filter_of(query, OBSERVATIONS_V1), paging.offset(query.page, query.limit)
    narrowed = await observation_pages.narrowed(call.store, call.project_id, asked, offset + query.limit)
    if narrowed is None:
        return {"data": [], "meta": paging.meta(query.page, query.limit, totals.Total(0))}
    filter_, reach_ns = narrowed
    rows, total = await totals.beside(
        observation_pages.page(
            call.store,
            call.project_id,
            filter_,
            offset=offset,
            limit=query.limit + 1,
            names=_COLUMNS,
            reach_ns=reach_ns,
        ),
        observations.count(call.store, call.project_id, filter_, timeout=totals.COUNT_S),
        offset,
        query.limit,
    )
    return {
        "data": [observation_v1(row, call.project_id) for row in rows],
        "meta": paging.meta(query.page, query.limit, total),
    }


async def one(call: Call, query: NoQuery) -> ObservationV1:
    """Of several traces that have an observation of this id, the newest."""
    row = await observations.by_id(call.store, call.project_id, call.path("observationId"))
    if row is None:
        raise not_found("Observation not found within authorized project")
    return observation_v1(row, call.project_id)


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/observations",
        listing,
        "Observations, the newest first",
        "Observations",
        ObservationPage,
        query=ObservationsQuery,
        errors=(422,),
    ),
    Route(
        "GET",
        "/observations/{observationId}",
        one,
        "One observation",
        "Observations",
        ObservationV1,
        errors=(404, 422),
    ),
)
