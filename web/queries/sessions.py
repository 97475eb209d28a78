"""Sessions and users: what the traces of a project say of them.

Both are groups of merged traces, so that a trace counts for the session and the user it has in the end, whenever and by
whichever span they were said. Numbers come from the spans of the page's traces.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from litefuse.clickhouse.asking import Store
from web.queries import numbers
from web.queries.merge import END_NS, HOUR_NS, hour, merged
from web.queries.numbers import Numbers
from web.queries.statement import PROJECT, Statement, Values, bind, run
from web.queries.totals import counted
from web.queries.traces import checked


@dataclass(frozen=True, slots=True)
class Session:
    """Texts are of its first and last trace; times Unix ns. `environment`: of its first trace."""

    id: str
    start_ns: int
    last_start_ns: int
    end_ns: int
    spans_until_ns: int
    traces: int
    environment: str
    first_input: str
    last_output: str
    users: Sequence[str]
    numbers: Numbers = numbers.NONE


@dataclass(frozen=True, slots=True)
class Brief:
    """What a list of sessions by page number shows. `start_ns` and `environment`: of its first trace."""

    id: str
    start_ns: int
    environment: str


@dataclass(frozen=True, slots=True)
class User:
    """`start_ns`: of the first trace; `last_start_ns`: of the last."""

    id: str
    start_ns: int
    last_start_ns: int
    spans_until_ns: int
    traces: int
    sessions: int
    environments: Sequence[str]
    numbers: Numbers = numbers.NONE


@dataclass(frozen=True, slots=True)
class Range:
    """Groups whose first trace (`by_last`: last trace) starts in [since_ns, until_ns), of these environments (none: any)."""

    since_ns: int | None = None
    until_ns: int | None = None
    environments: Sequence[str] = ()
    contains: str = ""
    by_last: bool = False


#: How far back the newest sessions and users are looked for before they are looked for everywhere.
_WIDTHS = (6 * HOUR_NS, 96 * HOUR_NS)

# -- statements ----------------------------------------------------------------------------------------------------------

_SESSION = """
            min(toUnixTimestamp64Nano(start_time)) AS first_ns, max(toUnixTimestamp64Nano(start_time)) AS last_ns,
            max(toUnixTimestamp64Nano(end_time)) AS end_ns, max(toUnixTimestamp64Nano(last_start)) + 1 AS until_ns,
            count() AS traces,
            argMin(environment, (start_time, trace_id)) AS first_environment,
            argMin(input_preview, (start_time, trace_id)) AS first_input,
            argMax(output_preview, (start_time, trace_id)) AS last_output,
            arraySort(groupUniqArrayIf(user_id, user_id != '')) AS users"""
_USER = """
            min(toUnixTimestamp64Nano(start_time)) AS first_ns, max(toUnixTimestamp64Nano(start_time)) AS last_ns,
            max(toUnixTimestamp64Nano(last_start)) + 1 AS until_ns, count() AS traces,
            uniqExactIf(session_id, session_id != '') AS sessions,
            arraySort(groupUniqArray(environment)) AS environments"""
_ENVIRONMENT = {"session_id": "has({}, first_environment)", "user_id": "hasAny({}, environments)"}


def ids(project_id: str, group: str, range_: Range, offset: int, limit: int) -> Statement:
    """A page of sessions or users (`group`: session_id, user_id), newest first: id, and where the starts of its spans
    lie, [from, to), Unix ns."""
    values = Values()
    sql = f"""
        SELECT id, first_ns, until_ns
        FROM {_groups(group, range_, values)}
        ORDER BY {"last_ns" if range_.by_last else "first_ns"} DESC, id DESC
        LIMIT {values.add("UInt64", limit)} OFFSET {values.add("UInt64", offset)}"""
    return bind(project_id, sql, values)


def total(project_id: str, group: str, range_: Range) -> Statement:
    """How many there are."""
    values = Values()
    return bind(project_id, f"SELECT count() FROM {_groups(group, range_, values)}", values)


def details(project_id: str, group: str, chosen: Sequence[str], low_ns: int, high_ns: int) -> Statement:
    """All of these sessions or users, whose traces' spans start in [low_ns, high_ns), with their numbers."""
    values = Values()
    names = values.texts(list(chosen))
    # Spans of traces that say one of them anywhere; the join leaves those that are of it in the end.
    saying = _saying(group, names, low_ns, high_ns, values)
    sql = f"""
        SELECT {group} AS id,{_SESSION if group == "session_id" else _USER},{numbers.OF_GROUP}
        FROM {_of(group, names, saying)} AS t
        {numbers.joined(f"{numbers.spans_of(values, low_ns, high_ns)} AND {saying}")}
        GROUP BY id"""
    return bind(project_id, sql, values)


def environments(project_id: str, chosen: Sequence[str], low_ns: int, high_ns: int) -> Statement:
    """Of each of these sessions, whose traces' spans start in [low_ns, high_ns): id, environment of its first trace."""
    values = Values()
    names = values.texts(list(chosen))
    sql = f"""
        SELECT session_id AS id, argMin(environment, (start_time, trace_id))
        FROM {_of("session_id", names, _saying("session_id", names, low_ns, high_ns, values))}
        GROUP BY id"""
    return bind(project_id, sql, values)


def _of(group: str, names: str, saying: str) -> str:
    """A subquery: the merged traces of these groups, out of those that `saying` keeps. Parts of all hours are merged: a trace
    of another group may say one of these in the range, and its own later."""
    return f"(SELECT * FROM {merged(saying)} WHERE {group} IN {names})"


def _saying(group: str, names: str, low_ns: int, high_ns: int, values: Values) -> str:
    """SQL: traces with a part in this range that says one of these groups."""
    hours = f"hour >= {hour(low_ns, values)} AND hour <= {hour(high_ns, values)}"
    said = f"{hours} AND tupleElement({group}, 'value') IN {names}"
    return f"trace_id IN (SELECT trace_id FROM trace_parts WHERE {PROJECT} AND {said})"


def _groups(group: str, range_: Range, values: Values) -> str:
    """A subquery: all groups of the range, with what they are sorted and restricted by."""
    # The last traces of users in the range are of the range, or after it: the rest of their traces need not be known. Of
    # sessions it is needed: what a page of them reads is bounded by where they begin.
    seen_last = range_.by_last and group == "user_id" and range_.since_ns is not None and not range_.environments
    first = "toInt64(0)" if seen_last else "min(toUnixTimestamp64Nano(start_time))"
    said = f"tupleElement({group}, 'value') != ''"
    restriction = f"trace_id IN (SELECT trace_id FROM trace_parts WHERE {PROJECT} AND {said})"
    if range_.since_ns is not None:
        # A group of the range has said its name by a trace with spans in the range, or after it: its last one at least.
        since = hour(range_.since_ns, values)
        recent = f"SELECT trace_id FROM trace_parts WHERE {PROJECT} AND hour >= {since}"
        if seen_last:
            restriction = f"trace_id IN ({recent})"
        else:
            names = (
                f"SELECT DISTINCT tupleElement({group}, 'value') FROM trace_parts WHERE {PROJECT} AND {said} "
                f"AND trace_id IN ({recent})"
            )
            said = f"tupleElement({group}, 'value') IN ({names})"
            restriction = f"trace_id IN (SELECT trace_id FROM trace_parts WHERE {PROJECT} AND {said})"
    by = "last_ns" if range_.by_last else "first_ns"
    having = ["true"]
    if range_.since_ns is not None:
        having.append(f"{by} >= {values.add('Int64', range_.since_ns)}")
    if range_.until_ns is not None:
        having.append(f"{by} < {values.add('Int64', range_.until_ns)}")
    if range_.environments:
        having.append(_ENVIRONMENT[group].format(values.texts(list(range_.environments))))
    contains = (
        f" AND positionCaseInsensitiveUTF8({group}, {values.text(range_.contains)}) > 0" if range_.contains else ""
    )
    environments = (
        ", argMin(environment, (start_time, trace_id)) AS first_environment, groupUniqArray(environment) AS environments"
        if range_.environments
        else ""
    )
    return f"""(
        SELECT {group} AS id, {first} AS first_ns,
            max(toUnixTimestamp64Nano(start_time)) AS last_ns,
            max(toUnixTimestamp64Nano(last_start)) + 1 AS until_ns{environments}
        FROM {merged(restriction)}
        WHERE {group} != ''{contains}
        GROUP BY id
        HAVING {" AND ".join(having)}
    )"""


# -- running them --------------------------------------------------------------------------------------------------------


async def sessions(
    store: Store, project_id: str, range_: Range | None = None, *, offset: int = 0, limit: int = 50
) -> list[Session]:
    """A page of sessions, the one that began last first (`by_last`: whose last trace is the newest)."""
    chosen = await _page(store, project_id, "session_id", range_ or Range(), offset, checked(limit))
    return [_session(row) for row in await _told(store, project_id, "session_id", chosen)]


async def brief(
    store: Store, project_id: str, range_: Range | None = None, *, offset: int = 0, limit: int = 50
) -> list[Brief]:
    """A page of sessions, the one that began last first, without reading spans."""
    chosen = await _page(store, project_id, "session_id", range_ or Range(), offset, checked(limit))
    if not chosen:
        return []
    low, high = min(row[1] for row in chosen), max(row[2] for row in chosen)
    told = dict(await run(store, environments(project_id, [row[0] for row in chosen], low, high)))
    return [Brief(id_, first, told[id_]) for id_, first, _ in chosen if id_ in told]


async def session(store: Store, project_id: str, session_id: str) -> Session | None:
    """One session; None when no trace has it."""
    return next((_session(row) for row in await _told(store, project_id, "session_id", _one(session_id))), None)


async def users(
    store: Store, project_id: str, range_: Range | None = None, *, offset: int = 0, limit: int = 50
) -> list[User]:
    """A page of users, the one seen last first, unless the range says otherwise."""
    chosen = await _page(store, project_id, "user_id", range_ or Range(by_last=True), offset, checked(limit))
    return [_user(row) for row in await _told(store, project_id, "user_id", chosen)]


async def user(store: Store, project_id: str, user_id: str) -> User | None:
    """One user; None when no trace has it."""
    return next((_user(row) for row in await _told(store, project_id, "user_id", _one(user_id))), None)


async def count_sessions(store: Store, project_id: str, range_: Range | None = None, *, timeout: float = 30.0) -> int:
    return await counted(store, total(project_id, "session_id", range_ or Range()), timeout)


async def count_users(store: Store, project_id: str, range_: Range | None = None) -> int:
    return int((await run(store, total(project_id, "user_id", range_ or Range(by_last=True))))[0][0])


async def _page(
    store: Store, project_id: str, group: str, range_: Range, offset: int, limit: int
) -> Sequence[tuple[Any, ...]]:
    """A page of `ids`. The newest are looked for in the last hours and days first: a page that is full there is the page,
    and the rest of the project need not be grouped."""
    until = range_.until_ns or time.time_ns()
    for width in _WIDTHS:
        since = until - width
        if since > (range_.since_ns or 0):
            found = await run(store, ids(project_id, group, replace(range_, since_ns=since), offset, limit))
            if len(found) == limit:
                return found
    return await run(store, ids(project_id, group, range_, offset, limit))


def _one(id_: str) -> list[tuple[str, int, int]]:
    """A group whose range of time is not known."""
    return [(id_, 0, END_NS)] if id_ else []


async def _told(store: Store, project_id: str, group: str, chosen: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Details of the groups chosen, in that order."""
    if not chosen:
        return []
    names = [row[0] for row in chosen]
    low, high = min(row[1] for row in chosen), max(row[2] for row in chosen)
    found = {row[0]: row for row in await run(store, details(project_id, group, names, low, high))}
    return [found[name] for name in names if name in found]


def _session(row: Sequence[Any]) -> Session:
    id_, first, last, end, until, traces, environment, first_input, last_output, users, *summed = row
    shown = (traces, environment, first_input, last_output, users)
    return Session(id_, first, last, end, until, *shown, numbers.of_group(summed))


def _user(row: Sequence[Any]) -> User:
    id_, first, last, until, traces, sessions, environments, *summed = row
    return User(id_, first, last, until, traces, sessions, environments, numbers.of_group(summed))
