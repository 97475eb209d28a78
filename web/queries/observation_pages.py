"""Lists of observations, the newest first, walked back in time: windows grow until a page is full, or nothing is before.

A page of many columns is found by its keys: FINAL reads what it is asked for of whole windows.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from litefuse.clickhouse.asking import Store
from web.queries import merge, observations, traces
from web.queries.conditions import Condition
from web.queries.merge import END_NS, HOUR_NS
from web.queries.observations import LARGE, SMALL, Filter, Observation, Position, named
from web.queries.statement import PROJECT, Statement, Values, bind, run
from web.queries.traces import checked, next_width

_MINUTES_NS = HOUR_NS // 12
#: Rows that are read to be left out; where there are more they are counted first.
_LEFT_OUT = 5_000
_KEY = ("start_ns", "trace_id", "id")
#: What an index of trace_parts finds → what lists of traces call it.
_INDEXED = {"traceId": "id", "userId": "userId", "sessionId": "sessionId"}
#: A trace is taken to have so many, before any is read.
_OBSERVATIONS = 4
#: A range of time in which it need not be asked where anything is.
_SHORT_NS = 31 * 24 * HOUR_NS


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is None on the last page."""

    observations: Sequence[Observation]
    next: Position | None

    @property
    def reach_ns(self) -> int:
        """How far back the next page is likely to reach: half as much again as this one."""
        if not self.observations:
            return HOUR_NS
        reach: int = (self.observations[0]["start_ns"] - self.observations[-1]["start_ns"]) * 3 // 2
        return reach


# -- statements ----------------------------------------------------------------------------------------------------------


def reach(project_id: str, conditions: Sequence[Condition]) -> Statement:
    """Of traces that fulfil these conditions, and maybe others: how many rows say something of them, the earliest and the
    latest start of their spans, Unix ns. Columns are those of lists of traces."""
    values = Values()
    sql = f"""
        SELECT count(), toUnixTimestamp64Nano(min(start_time)), toUnixTimestamp64Nano(max(last_start))
        FROM trace_parts
        WHERE {PROJECT} AND {merge.saying(conditions, None, values)}"""
    return bind(project_id, sql, values)


# -- running them --------------------------------------------------------------------------------------------------------


async def newest(
    store: Store,
    project_id: str,
    filter_: Filter | None = None,
    limit: int = 50,
    before: Position | None = None,
    *,
    names: Iterable[str] = SMALL,
    reach_ns: int = HOUR_NS,
    now_ns: int | None = None,
) -> Page:
    """The newest observations that match, those before a position (the `next` of the page before), with the columns of these
    names. `reach_ns` is how far back is looked first; no result depends on it, nor on `now_ns`."""
    filter_, limit = filter_ or Filter(), checked(limit)
    wanted = list(dict.fromkeys((*_KEY, *names)))
    read = _KEY if _is_large(wanted) else wanted
    walk = _Walk.of(filter_, before, now_ns, reach_ns)
    found: list[Observation] = []
    while walk.open:
        missing = limit + 1 - len(found)
        statement = observations.window(project_id, filter_, walk.low, walk.at, read, missing)
        here = named(read, await run(store, statement))
        found += here
        if len(here) == missing:
            break
        await walk.back(store, project_id, len(here), missing - len(here))
    shown = found[:limit]
    if read is not wanted:
        shown = await _with_columns(store, project_id, shown, wanted)
    return Page(shown, position(found[limit - 1]) if len(found) > limit else None)


async def page(
    store: Store,
    project_id: str,
    filter_: Filter | None = None,
    *,
    offset: int = 0,
    limit: int = 50,
    names: Iterable[str] = SMALL,
    reach_ns: int = HOUR_NS,
    now_ns: int | None = None,
) -> list[Observation]:
    """A page by its number, newest first: up to `limit` observations, without the `offset` before them. `reach_ns` as in
    `newest`."""
    filter_, missing, left_out = filter_ or Filter(), checked(limit), offset
    walk = _Walk.of(filter_, None, now_ns, reach_ns)
    found: list[Observation] = []
    while walk.open and missing:
        skipped = 0
        if left_out > _LEFT_OUT:
            here = await observations.count(store, project_id, replace(filter_, since_ns=walk.low, until_ns=walk.at[0]))
            if here <= left_out:
                left_out -= here
                await walk.back(store, project_id, here, left_out + missing)
                continue
            skipped, left_out = left_out, 0
        statement = observations.window(
            project_id, filter_, walk.low, walk.at, _KEY, left_out + missing, offset=skipped
        )
        rows = named(_KEY, await run(store, statement))
        found += rows[left_out:]
        missing -= len(rows[left_out:])
        left_out -= min(left_out, len(rows))
        if missing:
            await walk.back(store, project_id, len(rows), left_out + missing)
    return await _with_columns(store, project_id, found, list(dict.fromkeys((*_KEY, *names))))


async def narrowed(store: Store, project_id: str, filter_: Filter, rows: int) -> tuple[Filter, int] | None:
    """The filter with the range of time in which the traces lie that it asks for, and how far back its newest `rows` are likely
    to reach, ns; None when there are none. Which traces are of an id, a user or a session an index tells, and when they were;
    to look for them otherwise takes windows over all time."""
    indexed = [
        Condition(_INDEXED[c.column], c.operator, c.value) for c in filter_.conditions if _names(c, tuple(_INDEXED))
    ]
    if not indexed:
        return filter_, HOUR_NS
    ((count, first, last),) = await run(store, reach(project_id, indexed))
    if not count:
        return None
    since = first if filter_.since_ns is None else max(first, filter_.since_ns)
    until = last + 1 if filter_.until_ns is None else min(last + 1, filter_.until_ns)
    # Each window looks for the traces anew: of a user with few of them the first has to reach far.
    likely = (last - first) * rows // (count * _OBSERVATIONS)
    return replace(filter_, since_ns=since, until_ns=until), min(max(HOUR_NS, likely), last - first + HOUR_NS)


def position(observation: Observation) -> Position:
    return Position(observation["start_ns"], observation["trace_id"], observation["id"])


# -- inside --------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Walk:
    """A window [low, at) that moves back in time, down to `bottom`. `asked`: it is known where there is anything."""

    at: Position
    low: int
    width: int
    bottom: int
    asked: bool

    @classmethod
    def of(cls, filter_: Filter, before: Position | None, now_ns: int | None, reach_ns: int) -> _Walk:
        at = Position(END_NS if filter_.until_ns is None else min(filter_.until_ns, END_NS), "", "")
        if before is not None:
            at = min(at, before)
        bottom, width = filter_.since_ns or 0, max(_MINUTES_NS, reach_ns)
        start = at.start_ns if before is not None else min(at.start_ns, now_ns or time.time_ns())
        low = max(bottom, start - width)
        if any(_names(c, ("traceId",)) for c in filter_.conditions):
            low = bottom  # an index knows where they are
        return cls(at, low, width, bottom, filter_.since_ns is not None and at.start_ns - bottom <= _SHORT_NS)

    @property
    def open(self) -> bool:
        """Whether the window holds anything that was not looked at."""
        return self.at > (self.bottom, "", "")

    async def back(self, store: Store, project_id: str, found: int, missing: int) -> None:
        """To the window before; this one held `found`, and so many more are needed."""
        window_ns = self.at.start_ns - self.low
        self.at = Position(self.low, "", "")
        if not self.asked and self.open:  # where is there anything?
            first_s, last_s = (await run(store, traces.extent(project_id)))[0]
            self.bottom, self.asked = max(self.bottom, first_s * 1_000_000_000), True
            self.at = min(self.at, Position(last_s * 1_000_000_000 + HOUR_NS, "", ""))
        self.width = next_width(self.width, window_ns, found, missing)
        self.low = max(self.bottom, self.at.start_ns - self.width)


def _names(condition: Condition, columns: tuple[str, ...]) -> bool:
    """Whether it says which values of one of these columns it is about."""
    return condition.column in columns and condition.operator in ("=", "any of") and bool(condition.value)


def _is_large(names: Iterable[str]) -> bool:
    return any(name in LARGE for name in names)


async def _with_columns(
    store: Store, project_id: str, page_: Sequence[Observation], names: Sequence[str]
) -> list[Observation]:
    """The observations with all these columns, without what has gone meanwhile."""
    if not page_:
        return []
    keys = [position(row) for row in page_]
    rows = named(names, await run(store, observations.of_keys(project_id, keys, names)))
    found = {position(row): row for row in rows}
    return [found[key] for key in keys if key in found]
