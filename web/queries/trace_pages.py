"""Lists of traces by page number, and what such a list shows besides the traces' own columns."""

from __future__ import annotations

import time
from collections.abc import Sequence

from litefuse.clickhouse.asking import Store
from web.queries import numbers, traces
from web.queries.conditions import Condition
from web.queries.merge import Filter, merged, saying, where
from web.queries.statement import OBSERVATIONS, PROJECT, Statement, Values, bind, run
from web.queries.traces import Trace

#: Rows that a walk keeps to get to a page. Deeper ones are found by one statement, which ClickHouse bounds.
MAX_WALKED = 100_000


async def page(
    store: Store,
    project_id: str,
    filter_: Filter | None = None,
    *,
    order: str = "timestamp",
    descending: bool = True,
    offset: int = 0,
    limit: int = 50,
    now_ns: int | None = None,
) -> list[Trace]:
    """A page by its number, without numbers. The newest are walked back to, whose cost grows with the offset; other orders
    read what there is in the whole range of time."""
    filter_, limit = filter_ or Filter(), traces.checked(limit)
    if order == "timestamp" and descending and offset + limit <= MAX_WALKED:
        last = offset + limit - 1  # a walk looks for one more than it is asked for
        walked = await traces.walk(store, project_id, filter_, last, None, now_ns or time.time_ns())
        return await traces.known(store, project_id, walked[offset : offset + limit])
    statement = traces.sorted_page(project_id, filter_, order, descending, offset, limit)
    found = [(row[0], row[1], row[2]) for row in await run(store, statement)]
    known = {trace.id: trace for trace in await traces.known(store, project_id, found)}
    return [known[id_] for _, id_, _ in found if id_ in known]


def of_session(project_id: str, session_id: str, limit: int) -> Statement:
    """The traces of a session, newest first, as `rows`."""
    values = Values()
    condition = [Condition("sessionId", "=", session_id)]
    sql = f"""
        SELECT {traces.ROW}
        FROM {merged(saying(condition, None, values))}
        WHERE {where(condition, values)}
        ORDER BY start_time DESC, trace_id DESC
        LIMIT {values.add("UInt64", limit)}"""
    return bind(project_id, sql, values)


def observation_ids(project_id: str, trace_ids: Sequence[str], low_ns: int, high_ns: int) -> Statement:
    """Trace id, and the ids of its observations in the order of their start; all of them start in [low_ns, high_ns)."""
    values = Values()
    sql = f"""
        SELECT trace_id, arrayMap(x -> x.3, arraySort(groupArray((start_time, NOT is_root, span_id))))
        FROM spans FINAL
        WHERE {PROJECT} AND {OBSERVATIONS} AND {numbers.spans_of(values, low_ns, high_ns)}
          AND trace_id IN {values.texts(list(trace_ids))}
        GROUP BY trace_id"""
    return bind(project_id, sql, values)


async def observation_ids_of(
    store: Store, project_id: str, trace_ids: Sequence[str], low_ns: int, high_ns: int
) -> dict[str, list[str]]:
    """Trace id → ids of its observations."""
    if not trace_ids:
        return {}
    return dict(await run(store, observation_ids(project_id, trace_ids, low_ns, high_ns)))


async def in_session(store: Store, project_id: str, session_id: str, limit: int) -> list[Trace]:
    """The traces of a session, newest first, at most so many, without their numbers."""
    return await traces.told(store, project_id, await run(store, of_session(project_id, session_id, limit)))
