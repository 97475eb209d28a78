"""Numbers by day: traces, observations, tokens and costs, and the same by model (public-api.md section 7.2).

A trace belongs to the day it starts, UTC, an observation to its own. A page of days is found first, in the column of the
time alone; only the days of the page are summed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from litefuse.clickhouse.asking import Store
from web.queries import merge, numbers, traces
from web.queries.conditions import Condition
from web.queries.statement import OBSERVATIONS, PROJECT, Statement, Values, bind, run

DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class Filter:
    """What starts in [since_ns, until_ns), None for open; of traces that fulfil all conditions (merge.COLUMNS)."""

    since_ns: int | None = None
    until_ns: int | None = None
    conditions: Sequence[Condition] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a model, empty for observations that name none. Costs are USD."""

    model: str
    observations: int
    traces: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    total_cost: Decimal


@dataclass(frozen=True, slots=True)
class Day:
    """`start_ns`: its midnight, Unix ns. The model with most observations comes first."""

    start_ns: int
    traces: int
    usage: Sequence[Usage]


# -- statements ----------------------------------------------------------------------------------------------------------

_DAY = "intDiv(toUnixTimestamp64Nano(start_time), 86400000000000)"


def days(project_id: str, filter_: Filter, *, nameless: bool = True) -> Statement:
    """Days, counted from 1970-01-01, that have something, the newest first. A copy is of the same day as its span."""
    values = Values()
    sql = f"""
        SELECT {_DAY} AS day
        FROM spans
        WHERE {PROJECT} AND {numbers.spans_of(values, filter_.since_ns, filter_.until_ns)}
          AND {_of_traces(filter_, values, nameless)}
        GROUP BY day
        ORDER BY day DESC"""
    return bind(project_id, sql, values)


def usage(project_id: str, filter_: Filter, *, nameless: bool = True) -> Statement:
    """Rows of a day and a model."""
    values = Values()
    sql = f"""
        SELECT {_DAY} AS day, CAST(model, 'String') AS named, count() AS calls, uniqExact(sipHash64(trace_id)),
            sum(input_tokens), sum(output_tokens), sum(total_tokens), ifNull(sum(total_cost), 0)
        FROM spans FINAL
        WHERE {PROJECT} AND {OBSERVATIONS} AND {numbers.spans_of(values, filter_.since_ns, filter_.until_ns)}
          AND {_of_traces(filter_, values, nameless)}
        GROUP BY day, named
        ORDER BY day DESC, calls DESC, named"""
    return bind(project_id, sql, values)


def starts(project_id: str, filter_: Filter, *, nameless: bool = True) -> Statement:
    """How many traces start on each day."""
    values = Values()
    low = filter_.since_ns or 0
    hours = f"hour >= {merge.hour(low, values)}"
    if filter_.until_ns is not None:
        hours += f" AND hour <= {merge.hour(filter_.until_ns, values)}"
    within = f"trace_id IN (SELECT trace_id FROM trace_parts WHERE {PROJECT} AND {hours})"
    said = merge.saying(filter_.conditions, low, values, nameless=nameless)
    sql = f"""
        SELECT {_DAY} AS day, count()
        FROM {_rows(filter_, f"{within} AND {said}", nameless)}
        WHERE {numbers.spans_of(values, filter_.since_ns, filter_.until_ns)} AND {merge.where(filter_.conditions, values)}
        GROUP BY day"""
    return bind(project_id, sql, values)


def _rows(filter_: Filter, restriction: str, nameless: bool) -> str:
    if not merge.by_name(filter_.conditions):
        return merge.merged(restriction)
    return (merge.named if nameless else merge.said_named)(restriction)


def _of_traces(filter_: Filter, values: Values, nameless: bool) -> str:
    """SQL on spans. The trace may have begun, and have said it, before the range."""
    if not filter_.conditions:
        return "true"
    rows = _rows(filter_, merge.saying(filter_.conditions, None, values, nameless=nameless), nameless)
    return f"trace_id IN (SELECT trace_id FROM {rows} WHERE {merge.where(filter_.conditions, values)})"


# -- running them --------------------------------------------------------------------------------------------------------


async def page(store: Store, project_id: str, filter_: Filter, offset: int, limit: int) -> tuple[list[Day], int]:
    """Days of a page, the newest first, and how many there are in all. Raises StoreError."""
    nameless = False
    if merge.by_name(filter_.conditions):
        nameless = bool(await run(store, traces.any_nameless(project_id, 0)))
    every = [int(row[0]) for row in await run(store, days(project_id, filter_, nameless=nameless))]
    shown = every[offset : offset + limit]
    if not shown:
        return [], len(every)
    first, last = shown[-1] * DAY_NS, (shown[0] + 1) * DAY_NS
    within = Filter(
        first if filter_.since_ns is None else max(first, filter_.since_ns),
        last if filter_.until_ns is None else min(last, filter_.until_ns),
        filter_.conditions,
    )
    used, started = await asyncio.gather(
        run(store, usage(project_id, within, nameless=nameless)),
        run(store, starts(project_id, within, nameless=nameless)),
    )
    of_day = {int(day): int(count) for day, count in started}
    return [
        Day(day * DAY_NS, of_day.get(day, 0), [Usage(*row[1:]) for row in used if row[0] == day]) for day in shown
    ], len(every)
