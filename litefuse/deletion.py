"""Deletion of a trace, of a user's traces, of a project: physically, from every table, with proof in SQL.

What can be deleted is one table of tables: TABLES. A table of the schema with a column `project_id` that is missing there
makes tests/deletion/test_reach.py fail. Rows are deleted by mutations that are waited for on all replicas; counts are taken
without FINAL, so that copies count too.

What it does not reach: records that are in the log but not stored yet, the log's own retention, dead letters. Spans that
come in later make their trace anew. docs/delete.md says what to do about each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from litefuse.clickhouse.asking import Store
from litefuse.clickhouse.portions import portions
from litefuse.clickhouse.sql import identifier, literal

#: Seconds that one mutation may take.
_TIMEOUT_S = 3600.0
#: Ids in one mutation, which rewrites every part that has one of them.
_IDS = 10_000
#: Times that traces are deleted while their spans keep coming.
_ROUNDS = 3
#: Seconds that inserts have to end which ran when spans were deleted, and between looks at them.
_INSERTS_S = 10.0
_POLL_S = 0.02
#: A proof that names at most so many traces can be read and pasted.
_SHOWN = 100
#: Seconds for which ingest may accept a revoked key: twice the longest LITEFUSE_KEY_REFRESH_S.
REFUSED_S = 10.0
_SYNC = {"mutations_sync": "2"}
_ASYNC = {"mutations_sync": "0"}
_COPIES = {"final": "0"}
_INSERT = {"final": "0", "async_insert": "0", "max_partitions_per_insert_block": "0"}
_PROJECT = "project_id = {project:String}"
_IDS_OF = "{ids:Array(String)}"
_TRACES = f"{_PROJECT} AND trace_id IN {_IDS_OF}"
_NOTHING = "false"
_USER = "{user:String}"
#: Where users are named.
_NAMED = (
    ("spans", f"user_id = {_USER}"),
    ("trace_parts", f"tupleElement(user_id, 'value') = {_USER}"),
    # As text, or as a number.
    (
        "ingestion_events",
        f"kind = 'trace' AND {_USER} IN (JSONExtractString(body, 'userId'), JSONExtractRaw(body, 'userId'))",
    ),
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows belong to a project. `of_traces`: they belong to a trace too, those that fulfil `traces`. `derived`:
    they are made of spans, and can be made anew. `kept`: rows stay when the project is deleted, with what makes them useless
    (a key is revoked, a project marked): without them a key could be made again."""

    name: str
    of_traces: bool = False
    derived: bool = False
    kept: str = ""
    traces: str = _TRACES


#: spans first, then what is derived of them, then what else is known of a trace.
TABLES: tuple[Table, ...] = (
    Table("spans", of_traces=True),
    Table("trace_parts", of_traces=True, derived=True),
    Table("scores", of_traces=True),
    Table(
        "ingestion_events",
        of_traces=True,
        # An event of a trace names it as its object.
        traces=f"{_PROJECT} AND (trace_id IN {_IDS_OF} OR (kind = 'trace' AND object_id IN {_IDS_OF}))",
    ),
    Table("prices"),
    Table("api_keys", kept="revoked"),
    Table("projects", kept="deleted"),
)
_SPANS = "spans"
_OF_TRACES = tuple(table for table in TABLES if table.of_traces)
#: All of them but spans, in the order of their deletion: what is derived right before the spans.
_BESIDES = tuple(table for table in reversed(_OF_TRACES) if table.name != _SPANS)
_DERIVED = tuple(table.name for table in TABLES if table.derived)


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows a table has of what is deleted: the proof. `sql` is the statement that counted, for people to paste;
    empty when it would be too long for that. `of` says which rows, when not all of them."""

    table: str
    sql: str
    before: int
    after: int | None
    of: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """`after` of its counts is None for a dry run."""

    traces: int | None
    counts: Sequence[Count]

    @property
    def complete(self) -> bool:
        """Nothing is left. Spans may have come in meanwhile: then deleting once more helps."""
        return not any(count.after for count in self.counts)

    @property
    def empty(self) -> bool:
        """There was nothing to delete."""
        return not any(count.before for count in self.counts)


async def traces(
    store: Store, project_id: str, trace_ids: Sequence[str], *, dry_run: bool = False, shown: int = _SHOWN
) -> Done:
    """Delete these traces: every span, what is derived of them, their scores and events. Unknown ids are fine. Raises
    StoreError. The proof names the ids when there are at most `shown`."""
    ids = _distinct(trace_ids)
    before = {table.name: 0 for table in _OF_TRACES}
    after = dict(before)
    for some in portions(ids, _IDS):
        parameters = {"project": project_id, "ids": some}
        for table in _OF_TRACES:
            before[table.name] += await _count(store, table.name, table.traces, parameters)
        if not dry_run:
            for name, count in (await _delete_traces(store, parameters)).items():
                after[name] += count
    counts = [
        _counted(t, _said(t.traces, project_id, ids), before[t.name], None if dry_run else after[t.name])
        for t in _OF_TRACES
    ]
    if not 0 < len(ids) <= shown:
        counts = [replace(count, sql="") for count in counts]
    return Done(len(ids), counts)


async def submit(store: Store, project_id: str, trace_ids: Iterable[str], *, timeout: float = _TIMEOUT_S) -> None:
    """Returns when ClickHouse has noted that these traces are to be deleted; it does so soon, also when everything stops now.
    Unknown ids are fine. In the order of `_delete_traces`, for its reasons, but in one round: of spans that are stored at this
    very moment something may stay, and what comes in later makes its trace anew. Raises StoreError."""
    for some in portions(_distinct(trace_ids), _IDS):
        parameters = {"project": project_id, "ids": some}
        await _submit_replaced(store, parameters, timeout)
        for table in (*_BESIDES, *(table for table in _OF_TRACES if table.name == _SPANS)):
            await _submit(store, table.name, table.traces, parameters, timeout)


def _distinct(trace_ids: Iterable[str]) -> list[str]:
    """Each id once. Without the empty one, which is no trace's: scores of sessions have it."""
    return sorted(set(trace_ids) - {""})


async def user(store: Store, project_id: str, user_id: str, *, dry_run: bool = False) -> Done:
    """Delete every trace that names the user in any of its spans or events, also in a copy that a newer one has replaced, and
    when it names another user later on. Raises ValueError for no user, StoreError."""
    if not user_id:
        raise ValueError("no user: traces without one cannot be deleted by it")
    parameters = {"project": project_id, "user": user_id}
    before = [await _count(store, name, f"{_PROJECT} AND {named}", parameters) for name, named in _NAMED]
    done = await traces(store, project_id, await traces_of_user(store, project_id, user_id), dry_run=dry_run)
    counts = list(done.counts)
    for (name, named), had in zip(_NAMED, before, strict=True):
        has = None if dry_run else await _count(store, name, f"{_PROJECT} AND {named}", parameters)
        where = f"project_id = {_shown(project_id)} AND {named.replace(_USER, _shown(user_id))}"
        counts.append(replace(_counted(Table(name), where, had, has), of="that name the user"))
    return Done(done.traces, counts)


async def traces_of_user(store: Store, project_id: str, user_id: str) -> list[str]:
    """Ids of the traces that name the user. A part names but the latest user of its spans: spans know all of them."""
    rows = await store.rows(
        "SELECT DISTINCT trace_id FROM ("
        + " UNION ALL ".join(f"SELECT trace_id FROM {name} WHERE {_PROJECT} AND {named}" for name, named in _NAMED)
        + ")",
        {"project": project_id, "user": user_id},
        settings=_COPIES,
        timeout=_TIMEOUT_S,
    )
    return [row[0] for row in rows]


async def _delete_traces(store: Store, parameters: Mapping[str, Any]) -> dict[str, int]:
    """Delete these traces; how many rows of each table are there in the end, of spans that have come in meanwhile.

    A mutation reaches the rows that are there when it is submitted; a block's spans are there a moment before its parts. So:

    - Everything but the spans is deleted first. A crash then leaves spans without parts, by which the next `delete user` still
      finds the trace; parts alone name but the latest user of the trace, and an earlier one's name would never find them.
    - It is submitted without waiting, and the spans right after it: only a block that is stored in the moment between the
      two could leave parts without spans (and a second round deletes those), and all that comes in while ClickHouse
      rewrites the files, which may take minutes, keeps both its spans and its parts. From then on a crash of this process
      changes nothing: ClickHouse goes on with both.
    - What is left after the rounds are spans that keep coming. Then the parts are made anew from the spans that are there,
      so that no parts of deleted spans stay among theirs. The insert is not reached by the mutation before it.
    """
    left: dict[str, int] = {}
    for _ in range(_ROUNDS):
        await _submit_replaced(store, parameters, _TIMEOUT_S)
        for table in _BESIDES:
            await _submit(store, table.name, table.traces, parameters)
        await _delete(store, _SPANS, _TRACES, parameters)
        left = await _left(store, parameters)
        if not any(left.values()):
            return left
    await derive_again(store, parameters["project"], parameters["ids"])
    return await _left(store, parameters)


async def _submit_replaced(store: Store, parameters: Mapping[str, Any], timeout: float) -> None:
    """A score is replaced by its id, and was of another trace perhaps: the row that says so would be the newest again, once the
    one that hides it is gone. Such rows go first. Those that came later stay."""
    rows = await store.rows(
        f"SELECT id, max(version) FROM scores WHERE {_PROJECT} AND id IN (SELECT id FROM scores WHERE {_TRACES}) "
        f"GROUP BY id HAVING argMax(trace_id, version) IN {_IDS_OF} AND countIf(trace_id NOT IN {_IDS_OF}) > 0",
        parameters,
        settings=_COPIES,
        timeout=timeout,
    )
    until = max((row[1] for row in rows), default=0)
    for some in portions(row[0] for row in rows):
        where = f"{_PROJECT} AND id IN {{scores:Array(String)}} AND trace_id NOT IN {_IDS_OF} AND version < {{until:UInt64}}"
        await _submit(store, "scores", where, {**parameters, "scores": some, "until": until}, timeout)


async def _left(store: Store, parameters: Mapping[str, Any]) -> dict[str, int]:
    """Counts, once the mutations that were submitted and the inserts that began before are done."""
    await _inserts_ended(store)
    for table in _BESIDES:
        await _delete(store, table.name, _NOTHING, {})
    return {table.name: await _count(store, table.name, table.traces, parameters) for table in _OF_TRACES}


async def _inserts_ended(store: Store) -> None:
    """Returns when the inserts that run now have ended, after a while in any case. One that has stored its spans before their
    mutation may be slow to store their parts, which the counts would miss."""
    running = "FROM system.processes WHERE query_kind = 'Insert'"
    ids = [row[0] for row in await store.rows(f"SELECT query_id {running}")]
    deadline = time.monotonic() + _INSERTS_S
    while ids and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_S)
        parameters = {"ids": ids}
        ids = [
            r[0]
            for r in await store.rows(f"SELECT query_id {running} AND query_id IN {{ids:Array(String)}}", parameters)
        ]


async def derive_again(store: Store, project_id: str, trace_ids: Sequence[str]) -> None:
    """Make what is derived of these traces' spans anew, by the statements of the materialised views themselves. Spans that
    come in meanwhile are told twice, which changes nothing. Raises StoreError."""
    parameters = {"project": project_id, "ids": list(trace_ids)}
    views = await store.rows(
        "SELECT name, as_select, extract(create_table_query, ' TO (?:`?[^`. ]+`?[.])?`?([^`. (]+)') AS target "
        "FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView' "
        "AND target IN {tables:Array(String)}",
        {"tables": list(_DERIVED)},
    )
    for name in _DERIVED:
        await _submit(store, name, _TRACES, parameters)
    for view, select, target in views:
        rows = await store.rows(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {view:String} ORDER BY position",
            {"view": view},
        )
        columns = ", ".join(identifier(row[0]) for row in rows)
        # The condition is on keys of its GROUP BY: ClickHouse moves it to where the spans are read.
        await store.command(
            f"INSERT INTO {target} ({columns}) SELECT {columns} FROM ({select}) WHERE {_TRACES}",
            parameters,
            settings=_INSERT,
            timeout=_TIMEOUT_S,
        )


async def project(store: Store, project_id: str, *, dry_run: bool = False) -> Done:
    """Delete a project: its keys are refused from now on (ingest notices within ten seconds, and what it has taken until then
    is stored), the project is marked as deleted, and all its rows go. Idempotent. Raises StoreError."""
    parameters = {"project": project_id}
    before = {table.name: await _count_kept(store, table, parameters) for table in TABLES}
    after: dict[str, int | None] = dict.fromkeys(before)
    if not dry_run:
        await revoke(store, project_id)
        for table in TABLES:
            if not table.kept:
                await _delete(store, table.name, _PROJECT, parameters)
        after = {table.name: await _count_kept(store, table, parameters) for table in TABLES}
    shown = f"project_id = {_shown(project_id)}"
    counts = [
        _counted(table, shown + (f" AND NOT {table.kept}" if table.kept else ""), before[table.name], after[table.name])
        for table in TABLES
    ]
    return Done(None, counts)


async def revoke(store: Store, project_id: str) -> None:
    """The first step of `project`: no key of it is valid any more, and it is marked as deleted. Ingest may accept its
    keys for REFUSED_S more. Keys first. The version of a row has to grow also when clocks differ. Raises StoreError."""
    now = "greatest(now64(3, 'UTC'), updated_at + toIntervalMillisecond(1))"
    for insert in (
        "INSERT INTO api_keys (public_key, project_id, salt, secret_hash, note, scope, created_at, updated_at, revoked) "
        f"SELECT public_key, project_id, salt, secret_hash, note, scope, created_at, {now}, true "
        f"FROM api_keys FINAL WHERE {_PROJECT} AND NOT revoked",
        "INSERT INTO projects (project_id, name, retention_days, created_at, updated_at, deleted) "
        f"SELECT project_id, name, retention_days, created_at, {now}, true "
        f"FROM projects FINAL WHERE {_PROJECT} AND NOT deleted",
    ):
        await store.command(insert, {"project": project_id}, settings={"async_insert": "0"}, timeout=_TIMEOUT_S)


async def refused_in(store: Store, project_id: str) -> float:
    """Seconds until no ingest accepts the keys of a project that was revoked just now; 0 when none does any more."""
    rows = await store.rows(
        "SELECT dateDiff('millisecond', max(updated_at), now64(3, 'UTC')) FROM api_keys FINAL "
        f"WHERE {_PROJECT} AND revoked",
        {"project": project_id},
        timeout=_TIMEOUT_S,
    )
    return max(0.0, min(REFUSED_S, REFUSED_S - int(rows[0][0]) / 1000))


async def _count_kept(store: Store, table: Table, parameters: Mapping[str, Any]) -> int:
    """Keys and projects are rows that newer rows replace: the newest counts."""
    if table.kept:
        return await _count(store, f"{table.name} FINAL", f"{_PROJECT} AND NOT {table.kept}", parameters)
    return await _count(store, table.name, _PROJECT, parameters)


async def _count(store: Store, name: str, where: str, parameters: Mapping[str, Any]) -> int:
    sql = f"SELECT count() FROM {name} WHERE {where}"
    return int((await store.rows(sql, parameters, settings=_COPIES, timeout=_TIMEOUT_S))[0][0])


async def _delete(store: Store, name: str, where: str, parameters: Mapping[str, Any]) -> None:
    """Returns when no part of the table has such rows any more, and the mutations before it are done too."""
    await store.command(f"ALTER TABLE {name} DELETE WHERE {where}", parameters, settings=_SYNC, timeout=_TIMEOUT_S)


async def _submit(
    store: Store, name: str, where: str, parameters: Mapping[str, Any], timeout: float = _TIMEOUT_S
) -> None:
    """Returns when ClickHouse has noted the mutation; it is done also when everything stops now."""
    await store.command(f"ALTER TABLE {name} DELETE WHERE {where}", parameters, settings=_ASYNC, timeout=timeout)


def _counted(table: Table, where: str, before: int, after: int | None) -> Count:
    final = "FINAL " if table.kept else ""
    settings = "" if table.kept else " SETTINGS final = 0"
    return Count(table.name, f"SELECT count() FROM {table.name} {final}WHERE {where}{settings}", before, after)


def _said(condition: str, project_id: str, trace_ids: Sequence[str]) -> str:
    """A condition with its values in it."""
    ids = f"({', '.join(map(_shown, trace_ids))})"
    return condition.replace("{project:String}", _shown(project_id)).replace(_IDS_OF, ids)


def _shown(text: str) -> str:
    return literal(text).decode()
