"""Traces (public-api.md section 3)."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from litefuse.keys import Scope
from web.api import fields, filters, paging, trace
from web.api import parameters as p
from web.api.errors import invalid, not_found
from web.api.filter_columns import TRACES
from web.api.observation import ObservationV1, observation_v1
from web.api.paging import PageMeta
from web.api.route import Call, Route
from web.api.score import score_v1
from web.api.trace import GROUPS, TraceListed, TraceWhole
from web.api.trace_metadata import COLUMNS, built_in
from web.queries import numbers, observations, scores, texts, totals, trace_pages, traces
from web.queries.conditions import Condition
from web.queries.merge import Filter
from web.queries.traces import Trace

_NO_TEXTS = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class TracesQuery:
    page: int = p.page()
    limit: int = p.limit()
    userId: str | None = p.text("user of the trace")
    name: str | None = p.text("name of the trace")
    sessionId: str | None = p.text("session of the trace")
    version: str | None = p.text("version of the application")
    release: str | None = p.text("release of the application")
    tags: tuple[str, ...] = p.texts("has all of these tags")
    environment: tuple[str, ...] = p.texts("is of any of these environments")
    fromTimestamp: int | None = p.time("starts at or after this")
    toTimestamp: int | None = p.time("starts before this")
    orderBy: str | None = p.text(
        f"field.asc or field.desc, of {', '.join(traces.ORDERS)}; timestamp.desc by default", empty=True
    )
    fields: str | None = p.text(f"comma-separated, of {', '.join(GROUPS)}; all by default", empty=True)
    filter: str | None = filters.parameter()


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceQuery:
    fields: str | None = p.text(f"comma-separated, of {', '.join(GROUPS)}; all by default", empty=True)


@with_config(ConfigDict(extra="forbid", strict=True))
class Deletion(TypedDict):
    traceIds: Annotated[list[str], Field(min_length=1, max_length=1000)]


class Told(TypedDict):
    message: str


class TracePage(TypedDict):
    data: list[TraceListed]
    meta: PageMeta


# -- what is asked for ---------------------------------------------------------------------------------------------------


def filter_of(query: TracesQuery) -> Filter:
    """Raises ApiError 400."""
    given = filters.parse(query.filter, TRACES)
    simple = {
        name: Condition(name, "=", value)
        for name in ("userId", "name", "sessionId", "version", "release")
        if (value := getattr(query, name)) is not None
    }
    if query.tags:
        simple["tags"] = Condition("tags", "all of", list(query.tags))
    if query.environment:
        simple["environment"] = Condition("environment", "any of", list(query.environment))
    since, until, rest = filters.within(
        filters.combined(given, simple), "timestamp", query.fromTimestamp, query.toTimestamp
    )
    return Filter(since, until, rest)


def order_of(text: str | None) -> tuple[str, bool]:
    """Field, and whether it descends. Raises ApiError 400."""
    if text is None:
        return "timestamp", True
    name, _, direction = text.rpartition(".")
    if name not in traces.ORDERS or direction.lower() not in ("asc", "desc"):
        raise invalid(f"Invalid orderBy {text[:100]!r}: needs field.asc or field.desc, of {', '.join(traces.ORDERS)}")
    return name, direction.lower() == "desc"


# -- answers -------------------------------------------------------------------------------------------------------------


async def listing(call: Call, query: TracesQuery) -> TracePage:
    filter_, (order, descending) = filter_of(query), order_of(query.orderBy)
    groups = fields.groups(query.fields, GROUPS, GROUPS)
    store, project_id, offset = call.store, call.project_id, paging.offset(query.page, query.limit)
    found, total = await totals.beside(
        trace_pages.page(
            store, project_id, filter_, order=order, descending=descending, offset=offset, limit=query.limit + 1
        ),
        traces.count(store, project_id, filter_, timeout=totals.COUNT_S),
        offset,
        query.limit,
    )
    return {"data": await listed(call, found, groups), "meta": paging.meta(query.page, query.limit, total)}


async def listed(call: Call, found: Sequence[Trace], groups: frozenset[str]) -> list[TraceListed]:
    """The traces with what the groups ask for."""
    if not found:
        return []
    ids, within = [one.id for one in found], traces.span_range(found)

    def asked(group: str) -> list[str]:
        return ids if group in groups else []

    summed, said, members, scored = await asyncio.gather(
        numbers.of_traces(call.store, call.project_id, asked("metrics"), *within),
        texts.of_traces(call.store, call.project_id, asked("io"), *within),
        trace_pages.observation_ids_of(call.store, call.project_id, asked("observations"), *within),
        scores.of_traces(call.store, call.project_id, asked("scores")),
    )
    return [
        trace.listed(
            dataclasses.replace(one, numbers=summed.get(one.id, numbers.NONE)),
            call.project_id,
            groups,
            said.get(one.id, _NO_TEXTS),
            members.get(one.id, ()),
            [score.id for score in scored.get(one.id, ())],
        )
        for one in found
    ]


async def one(call: Call, query: TraceQuery) -> TraceWhole:
    groups = fields.groups(query.fields, GROUPS, GROUPS)
    store, project_id, id_ = call.store, call.project_id, call.path("traceId")
    there = await traces.without_numbers(store, project_id, [id_])
    if not there:
        raise not_found(f"Trace {id_} not found within authorized project")
    found = there[0]
    names = _columns(groups)
    rows, said, scored = await asyncio.gather(
        observations.of(store, project_id, found, names) if names else _nothing(),
        texts.of_traces(store, project_id, [id_] if "io" in groups else [], *traces.span_range(there)),
        scores.of_traces(store, project_id, [id_] if "scores" in groups else []),
    )
    shown: list[ObservationV1] = []
    if "observations" in groups:
        shown = [observation_v1(row, project_id) for row in rows]
    if "metrics" in groups:
        found = dataclasses.replace(found, numbers=numbers.of_observations(rows))
    return trace.whole(
        found,
        project_id,
        groups,
        said.get(id_, _NO_TEXTS),
        rows if "metrics" in groups else (),
        shown,
        [score_v1(score, project_id) for score in scored.get(id_, ())],
        built_in(rows) if "io" in groups else {},
    )


def _columns(groups: frozenset[str]) -> list[str]:
    """Columns of observations that the groups need."""
    names: list[str] = []
    if "observations" in groups:
        return [*observations.SMALL, *observations.LARGE]
    if "metrics" in groups:
        names += [*observations.SMALL, "end_time_unix_nano"]
    if "io" in groups:
        names += COLUMNS
    return list(dict.fromkeys(names))


async def _nothing() -> list[observations.Observation]:
    return []


# -- deleting ------------------------------------------------------------------------------------------------------------

_DELETION = TypeAdapter(Deletion)
#: A thousand ids of 800 characters.
_MOST_BYTES = 4_500_000


async def delete_one(call: Call, _: p.NoQuery) -> Told:
    """Unknown ids are fine: the trace may be on its way."""
    await call.services.trace_deleter.delete(call.project_id, [call.path("traceId")])
    return {"message": "Trace deleted successfully"}


async def delete_many(call: Call, _: p.NoQuery) -> Told:
    body: Deletion = await call.body(_DELETION, _MOST_BYTES)
    await call.services.trace_deleter.delete(call.project_id, body["traceIds"])
    return {"message": "Traces deleted successfully"}


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/traces",
        listing,
        "Traces, the newest first",
        "Traces",
        answer=TracePage,
        query=TracesQuery,
        errors=(422,),
    ),
    Route(
        "GET",
        "/traces/{traceId}",
        one,
        "One trace with its observations and scores",
        "Traces",
        answer=TraceWhole,
        query=TraceQuery,
        errors=(404, 422),
    ),
    Route(
        "DELETE",
        "/traces/{traceId}",
        delete_one,
        "Delete a trace with its observations and scores, soon",
        "Traces",
        answer=Told,
        need=Scope.ALL,
        errors=(503,),
    ),
    Route(
        "DELETE",
        "/traces",
        delete_many,
        "Delete up to 1000 traces with their observations and scores, soon",
        "Traces",
        answer=Told,
        body=Deletion,
        need=Scope.ALL,
        errors=(413, 503),
    ),
)
