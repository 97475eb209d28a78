"""Sessions and users: what the traces of a project say of them.

Both are groups of merged traces, so that a trace counts for the session and the user it has in the end, whenever and by
whichever span they were said. Numbers come from the spans of the page's traces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from web.queries import numbers
from web.queries.merge import HOUR_NS, hour, merged
from web.queries.numbers import Numbers
from web.queries.statement import PROJECT, Statement, Store, Values, bind, run
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


# -- statements ----------------------------------------------------------------------------------------------------------

_SESSION = """
            min(toUnixTimestamp64Nano(start_time)) AS first_ns, max(toUnixTimestamp64Nano(start_time)) AS last_ns,
            max(toUnixTimestamp64Nano(end_time)) AS end_ns, max(toUnixTimestamp(last_hour)) AS until_s, count() AS traces,
            argMin(environment, (start_time, trace_id)) AS first_environment,
            argMin(input_preview, (start_time, trace_id)) AS first_input,
            argMax(output_preview, (start_time, trace_id)) AS last_output,
            arraySort(groupUniqArrayIf(user_id, user_id != '')) AS users"""
_USER = """
            min(toUnixTimestamp64Nano(start_time)) AS first_ns, max(toUnixTimestamp64Nano(start_time)) AS last_ns,
            max(toUnixTimestamp(last_hour)) AS until_s, count() AS traces,
            uniqExactIf(session_id, session_id != '') AS sessions,
            arraySort(groupUniqArray(environment)) AS environments"""
_ENVIRONMENT = {"session_id": "has({}, first_environment)", "user_id": "hasAny({}, environments)"}


def ids(project_id: str, group: str, range_: Range, offset: int, limit: int) -> Statement:
    """A page of sessions or users (`group`: session_id, user_id), newest first: their ids."""
    values = Values()
    sql = f"""
        SELECT id
        FROM {_groups(group, range_, values)}
        ORDER BY {"last_ns" if range_.by_last else "first_ns"} DESC, id DESC
        LIMIT {values.add("UInt64", limit)} OFFSET {values.add("UInt64", offset)}"""
    return bind(project_id, sql, values)


def total(project_id: str, group: str, range_: Range) -> Statement:
    """How many there are."""
    values = Values()
    return bind(project_id, f"SELECT count() FROM {_groups(group, range_, values)}", values)


def details(project_id: str, group: str, chosen: Sequence[str]) -> Statement:
    """All of these sessions or users."""
    values = Values()
    names = values.texts(list(chosen))
    sql = f"""
        SELECT {group} AS id,{_SESSION if group == "session_id" else _USER}
        FROM {_of(group, names)}
        GROUP BY id"""
    return bind(project_id, sql, values)


def sums(project_id: str, group: str, chosen: Sequence[str], low_ns: int, high_ns: int) -> Statement:
    """The numbers of these sessions or users, whose traces' spans start in [low_ns, high_ns)."""
    values = Values()
    of_them = _of(group, values.texts(list(chosen)))
    restriction = f"{numbers.spans_of(values, low_ns, high_ns)} AND trace_id IN (SELECT trace_id FROM {of_them})"
    return bind(project_id, numbers.by_group(group, of_them, restriction), values)


def _of(group: str, names: str) -> str:
    """A subquery: the merged traces of these groups."""
    said = f"has({names}, tupleElement({group}, 'value'))"
    rows = merged(f"trace_id IN (SELECT trace_id FROM trace_parts WHERE {PROJECT} AND {said})")
    return f"(SELECT * FROM {rows} WHERE has({names}, {group}))"


def _groups(group: str, range_: Range, values: Values) -> str:
    """A subquery: all groups of the range, with what they are sorted and restricted by."""
    said = f"tupleElement({group}, 'rank') > 0"
    restriction = f"trace_id IN (SELECT trace_id FROM trace_parts WHERE {PROJECT} AND {said})"
    if range_.since_ns is not None:
        # A group of the range has said its name by a trace with spans in the range, or after it: its last one at least.
        since = hour(range_.since_ns, values)
        recent = f"SELECT trace_id FROM trace_parts WHERE {PROJECT} AND hour >= {since}"
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
    return f"""(
        SELECT {group} AS id, min(toUnixTimestamp64Nano(start_time)) AS first_ns,
            max(toUnixTimestamp64Nano(start_time)) AS last_ns,
            argMin(environment, (start_time, trace_id)) AS first_environment, groupUniqArray(environment) AS environments
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
    chosen = [
        row[0] for row in await run(store, ids(project_id, "session_id", range_ or Range(), offset, checked(limit)))
    ]
    found = {session.id: session for session in await _sessions(store, project_id, chosen)}
    return [found[id_] for id_ in chosen if id_ in found]


async def session(store: Store, project_id: str, session_id: str) -> Session | None:
    """One session; None when no trace has it."""
    return next(iter(await _sessions(store, project_id, [session_id] if session_id else [])), None)


async def users(
    store: Store, project_id: str, range_: Range | None = None, *, offset: int = 0, limit: int = 50
) -> list[User]:
    """A page of users, the one seen last first, unless the range says otherwise."""
    range_ = range_ or Range(by_last=True)
    chosen = [row[0] for row in await run(store, ids(project_id, "user_id", range_, offset, checked(limit)))]
    found = {user.id: user for user in await _users(store, project_id, chosen)}
    return [found[id_] for id_ in chosen if id_ in found]


async def user(store: Store, project_id: str, user_id: str) -> User | None:
    """One user; None when no trace has it."""
    return next(iter(await _users(store, project_id, [user_id] if user_id else [])), None)


async def count_sessions(store: Store, project_id: str, range_: Range | None = None) -> int:
    return int((await run(store, total(project_id, "session_id", range_ or Range())))[0][0])


async def count_users(store: Store, project_id: str, range_: Range | None = None) -> int:
    return int((await run(store, total(project_id, "user_id", range_ or Range(by_last=True))))[0][0])


async def _sessions(store: Store, project_id: str, chosen: Sequence[str]) -> list[Session]:
    if not chosen:
        return []
    found = [
        Session(id_, first, last, end, until_s * 1_000_000_000 + HOUR_NS, *rest)
        for id_, first, last, end, until_s, *rest in await run(store, details(project_id, "session_id", chosen))
    ]
    summed = await _sums(store, project_id, "session_id", found)
    return [replace(one, numbers=summed.get(one.id, numbers.NONE)) for one in found]


async def _users(store: Store, project_id: str, chosen: Sequence[str]) -> list[User]:
    if not chosen:
        return []
    found = [
        User(id_, first, last, until_s * 1_000_000_000 + HOUR_NS, *rest)
        for id_, first, last, until_s, *rest in await run(store, details(project_id, "user_id", chosen))
    ]
    summed = await _sums(store, project_id, "user_id", found)
    return [replace(one, numbers=summed.get(one.id, numbers.NONE)) for one in found]


async def _sums(
    store: Store, project_id: str, group: str, found: Sequence[Session] | Sequence[User]
) -> dict[str, Numbers]:
    if not found:
        return {}
    low, high = min(one.start_ns for one in found), max(one.spans_until_ns for one in found)
    rows = await run(store, sums(project_id, group, [one.id for one in found], low, high))
    return {row[0]: Numbers(*row[1:]) for row in rows}
