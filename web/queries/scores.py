"""Scores: by their ids, of traces, by pages, newest first (public-api.md section 6).

A score is the newest row of its id, unless that row says that it is deleted; older rows may have another time and another
trace. Lists are made of all rows first, which is quick, and what a newer row has replaced is left out afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from litefuse.clickhouse.asking import Store
from litefuse.clickhouse.portions import portions
from web.queries import score_columns
from web.queries.conditions import Condition
from web.queries.statement import PROJECT, Statement, Values, bind, run
from web.queries.totals import counted
from web.queries.traces import checked

NUMERIC, BOOLEAN, CATEGORICAL, TEXT, CORRECTION = "NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION"
TYPES = (NUMERIC, BOOLEAN, CATEGORICAL, TEXT, CORRECTION)
SOURCES = ("API", "EVAL", "ANNOTATION")

#: A score's columns, in the order of Score.
_ROW = (
    "id, toUnixTimestamp64Nano(timestamp), name, data_type, value, string_value, source, trace_id, observation_id, "
    "session_id, dataset_run_id, environment, comment, metadata, config_id, queue_id, author_user_id, "
    "toUnixTimestamp64Milli(created_at) * 1000000, toUnixTimestamp64Milli(updated_at) * 1000000"
)
_NEWEST_FIRST = "ORDER BY timestamp DESC, id DESC"
#: Up to here pages are made of all rows, beyond it of the scores that FINAL leaves.
_FEW = 2000
#: How the number of rows grows that one statement looks at, when too many of them were replaced.
_GROWTH = 4
_MOST_ROWS = 100_000


class Position(NamedTuple):
    """Where a page ends: time of its last score, Unix ns, and its id."""

    timestamp_ns: int
    id: str


@dataclass(frozen=True, slots=True)
class Score:
    """Texts are empty for what is not said; `metadata` is JSON text of an object, or empty; times are Unix ns."""

    id: str
    timestamp_ns: int
    name: str
    data_type: str
    value: float
    string_value: str
    source: str
    trace_id: str
    observation_id: str
    session_id: str
    dataset_run_id: str
    environment: str
    comment: str
    metadata: str
    config_id: str
    queue_id: str
    author_user_id: str
    created_ns: int
    updated_ns: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Which scores: those given in [since_ns, until_ns), None for open, that fulfil all conditions. `values`: their number is
    one of these, when there are any."""

    since_ns: int | None = None
    until_ns: int | None = None
    conditions: Sequence[Condition] = ()
    values: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is None on the last page."""

    scores: Sequence[Score]
    next: Position | None


# -- statements ----------------------------------------------------------------------------------------------------------


def one(project_id: str, id_: str, filter_: Filter) -> Statement:
    """The score with this id, when it matches."""
    values = Values()
    where = f"{_matching(filter_, values)} AND id = {values.text(id_)}"
    return bind(project_id, f"SELECT {_ROW} FROM scores FINAL WHERE {where}", values)


def traces(project_id: str, trace_ids: Sequence[str]) -> Statement:
    """Scores of these traces and their observations, newest first; no corrections."""
    values = Values()
    of_traces = f"{PROJECT} AND trace_id IN {values.texts(list(trace_ids))}"
    sql = f"""
        SELECT {_ROW}
        FROM scores FINAL
        PREWHERE {_of_ids(f"(SELECT id FROM scores WHERE {of_traces})")}
        WHERE {of_traces} AND data_type != '{CORRECTION}'
        {_NEWEST_FIRST}"""
    return bind(project_id, sql, values)


def step(project_id: str, filter_: Filter, before: Position | None, limit: int) -> Statement:
    """Rows that match, newest first, replaced ones too: id, time, Unix ns, version."""
    values = Values()
    where = _matching(filter_, values)
    if before is not None:
        at = values.time(before.timestamp_ns)
        where += f" AND timestamp <= {at} AND (timestamp, id) < ({at}, {values.text(before.id)})"
    sql = f"""
        SELECT id, toUnixTimestamp64Nano(timestamp), version
        FROM scores
        WHERE {where}
        {_NEWEST_FIRST}, version DESC
        LIMIT {values.add("UInt64", limit)}"""
    return bind(project_id, sql, values)


def versions(project_id: str, ids: Sequence[str]) -> Statement:
    """The newest row of these ids: id, version, whether it is deleted, when the score was first received, Unix ms, and the
    trace, observation and session that it is of."""
    values = Values()
    names = "deleted, toUnixTimestamp64Milli(created_at), trace_id, observation_id, session_id"
    sql = f"""
        SELECT id, max(version), argMax(({names}), version)
        FROM scores
        WHERE {PROJECT} AND id IN {values.texts(list(ids))}
        GROUP BY id"""
    return bind(project_id, sql, values)


def rows(project_id: str, ids: Sequence[str]) -> Statement:
    """These scores, newest first."""
    values = Values()
    chosen = _of_ids(values.texts(list(ids)))
    return bind(
        project_id, f"SELECT {_ROW} FROM scores FINAL PREWHERE {chosen} WHERE {PROJECT} {_NEWEST_FIRST}", values
    )


def at_offset(project_id: str, filter_: Filter, offset: int, limit: int) -> Statement:
    """Ids of a page by its number; reads all scores that match."""
    values = Values()
    sql = f"""
        SELECT id
        FROM scores FINAL
        WHERE {_matching(filter_, values)}
        {_NEWEST_FIRST}
        LIMIT {values.add("UInt64", limit)} OFFSET {values.add("UInt64", offset)}"""
    return bind(project_id, sql, values)


def total(project_id: str, filter_: Filter) -> Statement:
    """How many scores match."""
    values = Values()
    return bind(project_id, f"SELECT count() FROM scores FINAL WHERE {_matching(filter_, values)}", values)


def _of_ids(ids: str) -> str:
    """SQL for PREWHERE, which is looked at before rows of an id are told apart: their other columns are not read of all. Only
    the id may be, which is the same in all rows of a score."""
    return f"id IN {ids}"


def _matching(filter_: Filter, values: Values) -> str:
    """SQL on scores."""
    found = [PROJECT]
    if filter_.since_ns is not None:
        found.append(f"timestamp >= {values.time(filter_.since_ns)}")
    if filter_.until_ns is not None:
        found.append(f"timestamp < {values.time(filter_.until_ns)}")
    if filter_.values:
        found.append(f"value IN {values.add('Array(Float64)', list(filter_.values))}")
    found.append(score_columns.where(filter_.conditions, values))
    return " AND ".join(found)


# -- running them --------------------------------------------------------------------------------------------------------


async def by_id(store: Store, project_id: str, id_: str, filter_: Filter | None = None) -> Score | None:
    """None when there is none, or when it does not match."""
    found = await run(store, one(project_id, id_, filter_ or Filter()))
    return Score(*found[0]) if found else None


async def of_traces(store: Store, project_id: str, trace_ids: Sequence[str]) -> dict[str, list[Score]]:
    """Scores of these traces and of their observations, by trace, newest first; traces without any are left out. Corrections
    are too: clients of v1, who get these, do not know them."""
    found: dict[str, list[Score]] = {}
    if trace_ids:
        for row in await run(store, traces(project_id, trace_ids)):
            score = Score(*row)
            found.setdefault(score.trace_id, []).append(score)
    return found


async def newest(
    store: Store, project_id: str, filter_: Filter | None = None, limit: int = 50, before: Position | None = None
) -> Page:
    """The newest scores that match, those before a position (the `next` of the page before)."""
    found = await _walk(store, project_id, filter_ or Filter(), checked(limit) + 1, before)
    shown = found[:limit]
    return Page(await _told(store, project_id, shown), shown[-1] if len(found) > limit else None)


async def page(
    store: Store, project_id: str, filter_: Filter | None = None, offset: int = 0, limit: int = 50
) -> list[Score]:
    """A page by its number."""
    filter_ = filter_ or Filter()
    if offset + checked(limit) <= _FEW:
        found = (await _walk(store, project_id, filter_, offset + limit, None))[offset : offset + limit]
    else:
        found = [Position(0, row[0]) for row in await run(store, at_offset(project_id, filter_, offset, limit))]
    return await _told(store, project_id, found)


async def count(store: Store, project_id: str, filter_: Filter | None = None, *, timeout: float = 30.0) -> int:
    """How many scores match."""
    return await counted(store, total(project_id, filter_ or Filter()), timeout)


async def _walk(store: Store, project_id: str, filter_: Filter, wanted: int, before: Position | None) -> list[Position]:
    """The newest that match: so many of them at least, or all. A score is shown where its newest row lies."""
    found: list[Position] = []
    looked = wanted + wanted // 8 + 8
    while True:
        here = await run(store, step(project_id, filter_, before, looked))
        if here:
            now: dict[str, tuple[Any, ...]] = {}
            for some in portions({row[0] for row in here}):
                now |= {row[0]: row for row in await run(store, versions(project_id, some))}
            known = set(found)
            for id_, at, version in here:
                _, latest, (deleted, *_) = now[id_]
                place = Position(at, id_)
                if version == latest and not deleted and place not in known:
                    known.add(place)
                    found.append(place)
        if len(found) >= wanted or len(here) < looked:
            return found
        # Rows of one id and one time that lie on both sides of the border: all but the newest are replaced.
        before = Position(here[-1][1], here[-1][0])
        looked = min(_GROWTH * looked, _MOST_ROWS)


async def _told(store: Store, project_id: str, places: Sequence[Position]) -> list[Score]:
    """These scores in this order, without those that were deleted meanwhile."""
    found: dict[str, Score] = {}
    for some in portions(place.id for place in places):
        found |= {row[0]: Score(*row) for row in await run(store, rows(project_id, some))}
    return [found[place.id] for place in places if place.id in found]
