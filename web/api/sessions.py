"""Sessions (public-api.md section 5)."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import TypedDict

from web.api import paging, trace
from web.api import parameters as p
from web.api.errors import ApiError, not_found
from web.api.paging import PageMeta
from web.api.parameters import NoQuery
from web.api.route import Call, Route
from web.api.trace import TraceInSession
from web.api.values import time_text
from web.queries import sessions, texts, totals, trace_pages, traces
from web.queries.sessions import Brief, Range
from web.queries.traces import Trace

#: Traces of a session that are shown in one answer, and those whose texts one statement reads.
MAX_TRACES = 10_000
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsQuery:
    page: int = p.page()
    limit: int = p.limit()
    fromTimestamp: int | None = p.time("its first trace starts at or after this")
    toTimestamp: int | None = p.time("its first trace starts before this")
    environment: tuple[str, ...] = p.texts("its first trace is of any of these environments")


class Session(TypedDict):
    """`createdAt` and `environment` are those of its first trace."""

    id: str
    createdAt: str
    projectId: str
    environment: str


class SessionPage(TypedDict):
    data: list[Session]
    meta: PageMeta


class SessionWhole(Session):
    """With all its traces, in the order in which they started."""

    traces: list[TraceInSession]


def session(brief: Brief, project_id: str) -> Session:
    return {
        "id": brief.id,
        "createdAt": time_text(brief.start_ns),
        "projectId": project_id,
        "environment": brief.environment or "default",
    }


async def listing(call: Call, query: SessionsQuery) -> SessionPage:
    range_ = Range(query.fromTimestamp, query.toTimestamp, query.environment)
    offset = paging.offset(query.page, query.limit)
    found, total = await totals.beside(
        sessions.brief(call.store, call.project_id, range_, offset=offset, limit=query.limit + 1),
        sessions.count_sessions(call.store, call.project_id, range_, timeout=totals.COUNT_S),
        offset,
        query.limit,
    )
    return {
        "data": [session(brief, call.project_id) for brief in found],
        "meta": paging.meta(query.page, query.limit, total),
    }


async def one(call: Call, _: NoQuery) -> SessionWhole:
    id_ = call.path("sessionId")
    found = await trace_pages.in_session(call.store, call.project_id, id_, MAX_TRACES + 1)
    if not found:
        raise not_found("Session not found within authorized project")
    if len(found) > MAX_TRACES:
        raise ApiError(
            422, f"The session has more than {MAX_TRACES} traces: list them by sessionId", "PayloadTooLargeError"
        )
    found.reverse()
    said = await _texts(call, found)
    first = Brief(id_, found[0].start_ns, found[0].environment)
    return {
        **session(first, call.project_id),
        "traces": [trace.in_session(each, call.project_id, said.get(each.id, ("", ""))) for each in found],
    }


async def _texts(call: Call, found: list[Trace]) -> dict[str, tuple[str, str]]:
    """Input and output of the traces. A part of them at a time: their ids go into the statement."""
    said: dict[str, tuple[str, str]] = {}
    for at in range(0, len(found), _AT_ONCE):
        part = found[at : at + _AT_ONCE]
        ids = [each.id for each in part]
        said |= await texts.of_traces(call.store, call.project_id, ids, *traces.span_range(part))
    return said


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/sessions",
        listing,
        "Sessions, the one that began last first",
        "Sessions",
        answer=SessionPage,
        query=SessionsQuery,
        errors=(422,),
    ),
    Route(
        "GET",
        "/sessions/{sessionId}",
        one,
        "One session with all its traces",
        "Sessions",
        answer=SessionWhole,
        errors=(404, 422),
    ),
)
