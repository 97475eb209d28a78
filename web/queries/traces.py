"""Lists of traces: the newest first, walked back in time.

A trace belongs to the window of time that holds its true start, its earliest over all hours. Candidates are the traces
that have a part in the window, by the earliest start there. Their parts of all hours are put together, and what turns out
to start before the window, or does not match, is left out: a trace that started earlier is found again in an earlier
window. Windows grow, and so does the number of candidates, until the page is full or there is nothing before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from litefuse.clickhouse.asking import Store
from web.queries import numbers
from web.queries.merge import (
    END_NS,
    HOUR_NS,
    INDEXED,
    Filter,
    by_name,
    hour,
    merged,
    named,
    orphans,
    said_named,
    saying,
    where,
)
from web.queries.numbers import Numbers
from web.queries.statement import PROJECT, QueryError, Statement, Values, bind, run
from web.queries.totals import counted

MAX_LIMIT = 1000
#: How windows and numbers of candidates grow, and how many candidates one statement completes at most.
_GROWTH = 8
_MOST_CANDIDATES = 131_072

#: The name of a trace, but for those without a root.
ROUGH_NAME = "if(name_rank > 0, said_name, first_name)"
#: A list's columns, in the order of Trace.
ROW = (
    "trace_id, toUnixTimestamp64Nano(start_time), toUnixTimestamp64Nano(end_time), toUnixTimestamp64Nano(last_start), "
    f"name_rank, {ROUGH_NAME}, user_id, session_id, environment, release, version, tags, metadata, public, input_preview, "
    "output_preview"
)

#: What a page can be sorted by → column.
ORDERS: Mapping[str, str] = {
    "timestamp": "start_time",
    "id": "trace_id",
    "name": "name",
    "userId": "user_id",
    "sessionId": "session_id",
    "release": "release",
    "version": "version",
    "public": "public",
    "bookmarked": "trace_id",  # nothing is bookmarked: ids break ties
}


#: Start of a trace, its id, start of its last span.
Found = tuple[int, str, int]


class Position(NamedTuple):
    """Where a page ends: the start of its last trace, Unix ns, and its id."""

    start_ns: int
    trace_id: str


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace without its spans. Texts are empty when nothing says them. `spans_until_ns`: all its spans start before.
    `name_rank`: where the name comes from, as trace_parts.name has it; 0: no span says it, and there is no root."""

    id: str
    start_ns: int
    end_ns: int
    spans_until_ns: int
    name_rank: int
    name: str
    user_id: str
    session_id: str
    environment: str
    release: str
    version: str
    tags: Sequence[str]
    metadata: Mapping[str, str]
    public: bool
    input_preview: str
    output_preview: str
    numbers: Numbers = numbers.NONE


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is None on the last page."""

    traces: Sequence[Trace]
    next: Position | None


# -- statements ----------------------------------------------------------------------------------------------------------


def extent(project_id: str) -> Statement:
    """First and last hour with spans, Unix seconds; 0 and 0 for none."""
    ends = (
        f"(SELECT toUnixTimestamp(hour) FROM trace_parts WHERE {PROJECT} ORDER BY project_id {way}, hour {way} LIMIT 1)"
        for way in ("ASC", "DESC")
    )
    return bind(project_id, f"SELECT {', '.join(f'ifNull({end}, 0)' for end in ends)}")


def any_nameless(project_id: str, low_ns: int) -> Statement:
    """A row when a trace with spans in the window from `low_ns` on has neither a root nor a name that is said."""
    values = Values()
    having = "GROUP BY trace_id HAVING max(tupleElement(name, 'said')) = 0"
    here = f"SELECT trace_id FROM trace_parts WHERE {PROJECT} AND hour >= {hour(low_ns, values)} {having}"
    # What has its root before the window seems to have none.
    sql = f"SELECT 1 FROM trace_parts WHERE {PROJECT} AND trace_id IN ({here}) {having} LIMIT 1"
    return bind(project_id, sql, values)


def step(
    project_id: str,
    filter_: Filter,
    low_ns: int,
    before: Position,
    candidates: int,
    *,
    bounded: bool = True,
    nameless: bool = True,
) -> Statement:
    """Traces that start in [low_ns, before) and match, newest first, of at most so many candidates.

    A row is: whether it is a result; its start, Unix ns, its id, the start of its last span, Unix ns; how many candidates
    there were; start and id of the last of them, which is a row even when it is no result. `bounded`: there are spans from
    `before` on that are better left unread. `nameless`: as the statement `any_nameless` answers.
    """
    values = Values()
    # A position without an id is the end of a window: what starts at it lies behind.
    hours = f"hour >= {hour(low_ns, values)} AND hour <= {hour(before.start_ns - (not before.trace_id), values)}"
    conditions = filter_.of_parts
    can_match = saying(conditions, low_ns, values, nameless=nameless) + _by_numbers(
        filter_, low_ns, hours, bounded, values
    )
    found = f"""
        SELECT trace_id
        FROM trace_parts
        WHERE {PROJECT} AND {hours} AND {can_match}
        GROUP BY trace_id
        HAVING toUnixTimestamp64Nano(min(start_time)) >= {values.add("Int64", low_ns)}
           AND (toUnixTimestamp64Nano(min(start_time)), trace_id)
               < ({values.add("Int64", before.start_ns)}, {values.text(before.trace_id)})
        ORDER BY min(start_time) DESC, trace_id DESC
        LIMIT {values.add("UInt64", candidates)}"""
    as_rows = merged if not by_name(conditions) else named if nameless else said_named
    traces = as_rows(f"trace_id IN ({found})", f"p.hour >= {hour(low_ns, values)}")
    sql = f"""
        SELECT is_result, toUnixTimestamp64Nano(start_time), trace_id, toUnixTimestamp64Nano(last_start), known,
            toUnixTimestamp64Nano(tupleElement(last, 1)), tupleElement(last, 2)
        FROM (
            SELECT start_time, trace_id, last_start, part_start,
                start_time >= {values.time(low_ns)} AND {where(conditions, values)} AS is_result,
                count() OVER () AS known, min((part_start, trace_id)) OVER () AS last
            FROM {traces}
        )
        WHERE is_result OR (part_start, trace_id) = last
        ORDER BY start_time DESC, trace_id DESC"""
    return bind(project_id, sql, values)


def _by_numbers(filter_: Filter, low_ns: int, hours: str, bounded: bool, values: Values) -> str:
    """For conditions on numbers: SQL on trace_parts that traces starting in the window fulfil only when their numbers do. All
    spans of such traces start at low_ns or later, and before the end of the traces' last hour."""
    if not filter_.of_numbers:
        return ""
    within = f"SELECT trace_id FROM trace_parts WHERE {PROJECT} AND {hours}"
    spans = f"{numbers.spans_of(values, low_ns, None)} AND trace_id IN ({within})"
    if bounded:
        last = f"SELECT max(hour) + INTERVAL 1 HOUR FROM trace_parts WHERE {PROJECT} AND trace_id IN ({within})"
        spans += f" AND start_time < ({last})"
    matching = f"SELECT trace_id FROM {numbers.by_trace(spans)} WHERE {numbers.where(filter_.of_numbers, values)}"
    return f" AND trace_id IN ({matching})"


def rows(project_id: str, trace_ids: Sequence[str], within: tuple[int, int] | None = None) -> Statement:
    """These traces, newest first; of those without a root a rough name. `within`: all their spans start in it, [from, to)."""
    values = Values()
    restriction = f"trace_id IN {values.texts(list(trace_ids))}"
    if within is not None:
        restriction += f" AND hour >= {hour(within[0], values)} AND hour <= {hour(within[1], values)}"
    sql = f"""
        SELECT {ROW}
        FROM {merged(restriction)}
        ORDER BY start_time DESC, trace_id DESC"""
    return bind(project_id, sql, values)


def sorted_page(project_id: str, filter_: Filter, order: str, descending: bool, offset: int, limit: int) -> Statement:
    """A page by its number, in any order, as `Found`; reads the parts of the whole range. Ids break ties."""
    values = Values()
    if order not in ORDERS:
        raise QueryError(f"no order by {order!r}; there are {', '.join(ORDERS)}")
    exact = by_name(filter_.conditions) or order == "name"
    direction = "DESC" if descending else "ASC"
    sql = f"""
        SELECT toUnixTimestamp64Nano(start_time), trace_id, toUnixTimestamp64Nano(last_start)
        FROM {_all(filter_, exact, values)}
        ORDER BY {ORDERS[order]} {direction}, trace_id {direction}
        LIMIT {values.add("UInt64", limit)} OFFSET {values.add("UInt64", offset)}"""
    return bind(project_id, sql, values)


def total(project_id: str, filter_: Filter) -> Statement:
    """How many traces there are."""
    values = Values()
    return bind(project_id, f"SELECT count() FROM {_all(filter_, by_name(filter_.conditions), values)}", values)


def _all(filter_: Filter, exact: bool, values: Values) -> str:
    """A subquery: every trace of the filter."""
    since, until = filter_.since_ns, filter_.until_ns
    restriction = saying(filter_.of_parts, since, values)
    hours = []
    if since is not None:
        hours.append(f"hour >= {hour(since, values)}")
    if until is not None:
        hours.append(f"hour <= {hour(until, values)}")
    if hours:
        restriction += f" AND trace_id IN (SELECT trace_id FROM trace_parts WHERE {PROJECT} AND {' AND '.join(hours)})"
    found = [where(filter_.of_parts, values)]
    if since is not None:
        found.append(f"start_time >= {values.time(since)}")
    if until is not None:
        found.append(f"start_time < {values.time(until)}")
    if filter_.of_numbers:
        spans = numbers.by_trace(numbers.spans_of(values, since, None))
        found.append(f"trace_id IN (SELECT trace_id FROM {spans} WHERE {numbers.where(filter_.of_numbers, values)})")
    return f"(SELECT * FROM {named(restriction) if exact else merged(restriction)} WHERE {' AND '.join(found)})"


def names(project_id: str, trace_ids: Sequence[str], low_ns: int, high_ns: int) -> Statement:
    """Trace id and name of traces that have no root; all their spans start in [low_ns, high_ns)."""
    values = Values()
    restriction = f"{numbers.spans_of(values, low_ns, high_ns)} AND trace_id IN {values.texts(list(trace_ids))}"
    return bind(project_id, f"SELECT trace_id, name FROM {orphans(restriction)}", values)


# -- running them --------------------------------------------------------------------------------------------------------


async def newest(
    store: Store,
    project_id: str,
    filter_: Filter | None = None,
    limit: int = 50,
    before: Position | None = None,
    *,
    now_ns: int | None = None,
) -> Page:
    """The newest traces that match, those before a position (the `next` of the page before). `now_ns`, Unix ns, is where
    the walk begins to look; no result depends on it."""
    filter_ = filter_ or Filter()
    found = await walk(store, project_id, filter_, checked(limit), before, now_ns or time.time_ns())
    shown = found[:limit]
    if not shown:
        return Page([], None)
    page, summed = await asyncio.gather(
        known(store, project_id, shown),
        numbers.of_traces(store, project_id, [row[1] for row in shown], *_within(shown)),
    )
    page = [replace(trace, numbers=summed.get(trace.id, numbers.NONE)) for trace in page]
    return Page(page, Position(*shown[-1][:2]) if len(found) > limit else None)


async def known(store: Store, project_id: str, found: Sequence[Found]) -> list[Trace]:
    """Traces that were found, newest first, without their numbers."""
    if not found:
        return []
    return await told(store, project_id, await run(store, rows(project_id, [row[1] for row in found], _within(found))))


async def told(store: Store, project_id: str, rows: Iterable[Sequence[Any]]) -> list[Trace]:
    """Traces out of rows of `ROW`, with their exact names."""
    return await _with_names(store, project_id, [_trace(row) for row in rows])


def _within(found: Sequence[Found]) -> tuple[int, int]:
    """All their spans start in it."""
    return min(row[0] for row in found), max(row[2] for row in found) + 1


async def walk(
    store: Store, project_id: str, filter_: Filter, limit: int, before: Position | None, now_ns: int
) -> list[Found]:
    """The newest that match: at least `limit` + 1 of them, or all."""
    at = Position(END_NS if filter_.until_ns is None else min(filter_.until_ns, END_NS), "")
    if before is not None:
        at = min(at, before)
    bottom, end = filter_.since_ns or 0, None
    low, width = max(bottom, _hour_before(min(at.start_ns, now_ns))), HOUR_NS
    if any(c.column in INDEXED and c.operator in ("=", "any of") for c in filter_.conditions):
        low = bottom
    elif filter_.of_numbers:  # dear to ask, whatever the window
        low = max(bottom, low - 3 * HOUR_NS)
    count = limit + 1 + limit // 8  # a few of them have started before the window
    found: list[Found] = []
    while at > (bottom, ""):
        rootless = by_name(filter_.conditions) and bool(await run(store, any_nameless(project_id, low)))
        bounded = end is None or at.start_ns < end
        answer = await run(store, step(project_id, filter_, low, at, count, bounded=bounded, nameless=rootless))
        here = [(row[1], row[2], row[3]) for row in answer if row[0]]
        found += here
        if len(found) > limit:
            break
        if answer and answer[0][4] == count:
            at, count = Position(answer[0][5], answer[0][6]), min(_GROWTH * count, _MOST_CANDIDATES)
            continue
        if low <= bottom:
            break
        if end is None:  # the window of now does not fill the page: where is there anything?
            first_s, last_s = (await run(store, extent(project_id)))[0]
            bottom, end = max(bottom, first_s * 1_000_000_000), last_s * 1_000_000_000 + HOUR_NS
        width = next_width(width, min(at.start_ns, end) - low, len(here), limit + 1 - len(found))
        at = Position(min(low, end), "")
        low = max(bottom, _hour_before(at.start_ns) + HOUR_NS - width)
    return found


def next_width(width: int, window_ns: int, found: int, missing: int) -> int:
    """How far the next window reaches back, ns: a multiple of the last width, or less where the last window, which had
    `found`, tells that less will do for what is missing."""
    grown = _GROWTH * width
    return min(grown, max(HOUR_NS, window_ns * missing * 3 // (found * 2))) if found else grown


def _hour_before(ns: int) -> int:
    """The start of the hour of the instant before."""
    return max(0, (ns - 1) // HOUR_NS * HOUR_NS)


async def count(store: Store, project_id: str, filter_: Filter | None = None, *, timeout: float = 30.0) -> int:
    """How many traces match."""
    return await counted(store, total(project_id, filter_ or Filter()), timeout)


async def by_ids(store: Store, project_id: str, trace_ids: Sequence[str]) -> list[Trace]:
    """Those of these traces that there are, newest first, with their numbers."""
    return await with_numbers(store, project_id, await without_numbers(store, project_id, trace_ids))


async def without_numbers(store: Store, project_id: str, trace_ids: Sequence[str]) -> list[Trace]:
    """Those of these traces that there are, newest first."""
    if not trace_ids:
        return []
    return await told(store, project_id, await run(store, rows(project_id, trace_ids)))


async def with_numbers(store: Store, project_id: str, traces: Sequence[Trace]) -> list[Trace]:
    """The traces with their numbers."""
    if not traces:
        return []
    found = await numbers.of_traces(store, project_id, [t.id for t in traces], *span_range(traces))
    return [replace(t, numbers=found.get(t.id, numbers.NONE)) for t in traces]


async def _with_names(store: Store, project_id: str, traces: Sequence[Trace]) -> list[Trace]:
    nameless = [t for t in traces if not t.name_rank]
    if not nameless:
        return list(traces)
    low, high = span_range(nameless)
    found = dict(await run(store, names(project_id, [t.id for t in nameless], low, high)))
    return [replace(t, name=found.get(t.id, t.name)) if not t.name_rank else t for t in traces]


def _trace(row: Sequence[Any]) -> Trace:
    id_, start, end, last_start, *rest = row
    return Trace(id_, start, end, last_start + 1, *rest)


def span_range(traces: Sequence[Trace]) -> tuple[int, int]:
    """All their spans start in it."""
    return min(t.start_ns for t in traces), max(t.spans_until_ns for t in traces)


def checked(limit: int) -> int:
    """Raises QueryError for a limit that no page has."""
    if not 1 <= limit <= MAX_LIMIT:
        raise QueryError(f"limit must be between 1 and {MAX_LIMIT}, not {limit}")
    return limit
