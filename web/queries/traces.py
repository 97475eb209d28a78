"""Lists of traces: the newest first, walked back in time.

A trace belongs to the window of time that holds its true start, its earliest over all hours. `candidates` finds the traces
that have a part in the window, by the earliest start there; `rows` puts their parts of all hours together, and what turns
out to start before the window, or does not match, is left out: a trace that started earlier is found again in an earlier
window. Windows grow twofold, and so does the number of candidates, until the page is full or there is nothing before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from web.queries import numbers
from web.queries.merge import HOUR_NS, Filter, by_name, hour, merged, named, orphans, saying, where
from web.queries.numbers import Numbers
from web.queries.statement import PROJECT, Statement, Store, Values, bind, run

MAX_LIMIT = 1000
#: Candidates that one statement completes, at most.
_MOST_CANDIDATES = 8192
#: What the start of a trace can be: spans are of 1970 or later, and hours are 32 bit.
_END_NS = 4_294_800_000 * 1_000_000_000

#: A list's columns, in the order of Trace.
_ROW = (
    "trace_id, toUnixTimestamp64Nano(start_time), toUnixTimestamp64Nano(end_time), toUnixTimestamp(last_hour), name_rank, "
    "{name}, user_id, session_id, environment, release, version, tags, metadata, public, input_preview, output_preview"
)
_ROUGH_NAME = "if(name_rank > 0, said_name, first_name)"

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
}


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

    @property
    def position(self) -> Position:
        return Position(self.start_ns, self.id)


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


def candidates(project_id: str, filter_: Filter, low_ns: int, before: Position, limit: int) -> Statement:
    """Traces with a part in [low_ns, before), newest part first: id and start of the earliest part there, Unix ns. All
    that start there and match are among them."""
    values = Values()
    # A position without an id is the end of a window: what starts at it lies behind.
    last = before.start_ns - (before.trace_id == "")
    sql = f"""
        SELECT trace_id, toUnixTimestamp64Nano(min(tupleElement(first, 'time'))) AS start_ns
        FROM trace_parts
        WHERE {PROJECT} AND hour >= {hour(low_ns, values)} AND hour <= {hour(last, values)}
          AND {saying(filter_.of_parts, low_ns, values)}
        GROUP BY trace_id
        HAVING start_ns >= {values.add("Int64", low_ns)}
           AND (start_ns, trace_id) < ({values.add("Int64", before.start_ns)}, {values.text(before.trace_id)})
        ORDER BY start_ns DESC, trace_id DESC
        LIMIT {values.add("UInt64", limit)}"""
    return bind(project_id, sql, values)


def rows(project_id: str, filter_: Filter, trace_ids: Sequence[str], low_ns: int) -> Statement:
    """Those of the traces that start at low_ns or later and match (but for what only numbers tell), in order."""
    values = Values()
    conditions = filter_.of_parts
    exact = by_name(conditions)
    restriction = f"trace_id IN {values.texts(list(trace_ids))}"
    sql = f"""
        SELECT {_ROW.format(name="name" if exact else _ROUGH_NAME)}
        FROM {named(restriction) if exact else merged(restriction)}
        WHERE start_time >= {values.time(low_ns)} AND {where(conditions, values)}
        ORDER BY start_time DESC, trace_id DESC"""
    return bind(project_id, sql, values)


def sorted_page(project_id: str, filter_: Filter, order: str, descending: bool, offset: int, limit: int) -> Statement:
    """Ids of a page by its number, in any order; reads the parts of the whole range. Ids break ties."""
    values = Values()
    if order not in ORDERS:
        raise ValueError(f"no order by {order!r}; there are {', '.join(ORDERS)}")
    exact = by_name(filter_.conditions) or order == "name"
    direction = "DESC" if descending else "ASC"
    sql = f"""
        SELECT trace_id
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
    store: Store, project_id: str, filter_: Filter | None = None, limit: int = 50, before: Position | None = None
) -> Page:
    """The newest traces that match, those before a position (the `next` of the page before)."""
    filter_ = filter_ or Filter()
    limit = checked(limit)
    first_s, last_s = (await run(store, extent(project_id)))[0]
    if not last_s:
        return Page((), None)
    end = min(_END_NS, last_s * 1_000_000_000 + HOUR_NS)
    if filter_.until_ns is not None:
        end = min(end, filter_.until_ns)
    at = min(Position(end, ""), before) if before is not None else Position(end, "")
    bottom = max(first_s * 1_000_000_000, filter_.since_ns or 0)
    found: list[Trace] = []
    width, count = HOUR_NS, _first_count(filter_, limit)
    low = max(bottom, at.start_ns // HOUR_NS * HOUR_NS)
    while at > (bottom, "") and len(found) <= limit:
        known = await run(store, candidates(project_id, filter_, low, at, count))
        if known:
            found += await _complete(store, project_id, filter_, [row[0] for row in known], low)
        if len(known) == count:
            at = Position(known[-1][1], known[-1][0])
            count = min(2 * count, _MOST_CANDIDATES)
        else:
            at = Position(low, "")
            low, width = max(bottom, low - width), 2 * width
    page = found[:limit]
    if not filter_.of_numbers:
        page = await with_numbers(store, project_id, page)
    page = page if by_name(filter_.conditions) else await _with_names(store, project_id, page)
    return Page(page, page[-1].position if len(found) > limit else None)


def _first_count(filter_: Filter, limit: int) -> int:
    """A few more than asked for: some have started before the window. Numbers can be any trace's, so more of those."""
    return max(limit + 1 + limit // 8, 512 if filter_.of_numbers else 0)


async def _complete(
    store: Store, project_id: str, filter_: Filter, trace_ids: Sequence[str], low_ns: int
) -> list[Trace]:
    found = [_trace(row) for row in await run(store, rows(project_id, filter_, trace_ids, low_ns))]
    if not filter_.of_numbers or not found:
        return found
    return await with_numbers(store, project_id, found, filter_)


async def page(
    store: Store,
    project_id: str,
    filter_: Filter | None = None,
    *,
    order: str = "timestamp",
    descending: bool = True,
    offset: int = 0,
    limit: int = 50,
) -> list[Trace]:
    """A page by its number. Its cost grows with the range of time: `newest` is for long ones."""
    filter_ = filter_ or Filter()
    statement = sorted_page(project_id, filter_, order, descending, offset, checked(limit))
    ids = [row[0] for row in await run(store, statement)]
    found = {trace.id: trace for trace in await by_ids(store, project_id, ids)}
    return [found[id_] for id_ in ids if id_ in found]


async def count(store: Store, project_id: str, filter_: Filter | None = None) -> int:
    """How many traces match."""
    return int((await run(store, total(project_id, filter_ or Filter())))[0][0])


async def by_ids(store: Store, project_id: str, trace_ids: Sequence[str]) -> list[Trace]:
    """Those of these traces that there are, newest first, with their numbers."""
    if not trace_ids:
        return []
    found = [_trace(row) for row in await run(store, rows(project_id, Filter(), trace_ids, 0))]
    return await _with_names(store, project_id, await with_numbers(store, project_id, found))


async def with_numbers(
    store: Store, project_id: str, traces: Sequence[Trace], filter_: Filter | None = None
) -> list[Trace]:
    """The traces with their numbers; with a filter, those whose numbers match."""
    if not traces:
        return []
    low, high = _range(traces)
    conditions = filter_.of_numbers if filter_ else ()
    found = await numbers.of_traces(store, project_id, [t.id for t in traces], low, high, conditions)
    return [replace(t, numbers=found.get(t.id, numbers.NONE)) for t in traces if t.id in found or not conditions]


async def _with_names(store: Store, project_id: str, traces: Sequence[Trace]) -> list[Trace]:
    nameless = [t for t in traces if not t.name_rank]
    if not nameless:
        return list(traces)
    low, high = _range(nameless)
    found = dict(await run(store, names(project_id, [t.id for t in nameless], low, high)))
    return [replace(t, name=found.get(t.id, t.name)) if not t.name_rank else t for t in traces]


def _trace(row: Sequence[Any]) -> Trace:
    id_, start, end, last_hour, *rest = row
    return Trace(id_, start, end, last_hour * 1_000_000_000 + HOUR_NS, *rest)


def _range(traces: Sequence[Trace]) -> tuple[int, int]:
    """All their spans start in it."""
    return min(t.start_ns for t in traces), max(t.spans_until_ns for t in traces)


def checked(limit: int) -> int:
    """Raises ValueError for a limit that no page has."""
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"limit must be between 1 and {MAX_LIMIT}, not {limit}")
    return limit
