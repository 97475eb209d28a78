"""Deletion of a trace, of a user's traces, of a project: physically, from every table, with proof in SQL.

What can be deleted is one table of tables: TABLES. A table of the schema with a column `project_id` that is missing there
makes tests/test_deletion.py fail. Rows are deleted by mutations that are waited for on all replicas; counts are taken
without FINAL, so that copies count too.

What it does not reach: records that are in the log but not stored yet, the log's own retention, dead letters. Spans that
come in later make their trace anew. docs/delete.md says what to do about each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litefuse.clickhouse.asking import Store
from litefuse.clickhouse.sql import literal

#: Seconds that one mutation may take.
_TIMEOUT_S = 3600.0
#: Ids in one mutation: a mutation rewrites every part that has one of them.
_IDS = 10_000
_SYNC = {"mutations_sync": "2"}
_PROJECT = "project_id = {project:String}"
_TRACES = f"{_PROJECT} AND trace_id IN {{ids:Array(String)}}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows belong to a project. `of_traces`: they belong to a trace too. `kept`: rows stay when the project is
    deleted, with what makes them useless (a key is revoked, a project marked): without them a key could be made again."""

    name: str
    of_traces: bool = False
    kept: str = ""


#: spans first: a crash half way must not leave spans behind whose parts are gone already, and lists find traces by parts.
TABLES: tuple[Table, ...] = (
    Table("spans", of_traces=True),
    Table("trace_parts", of_traces=True),
    Table("prices"),
    Table("api_keys", kept="revoked"),
    Table("projects", kept="deleted"),
)


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows a table has of what is deleted: the proof. `sql` is the statement that counted, for people."""

    table: str
    sql: str
    before: int
    after: int | None


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


async def traces(store: Store, project_id: str, trace_ids: Sequence[str], *, dry_run: bool = False) -> Done:
    """Delete these traces: every span, and what is derived of them. Unknown ids are fine. Raises StoreError."""
    ids = sorted(set(trace_ids))
    tables = [table for table in TABLES if table.of_traces]
    before = {table.name: 0 for table in tables}
    after = dict(before)
    for at in range(0, len(ids), _IDS):
        parameters = {"project": project_id, "ids": ids[at : at + _IDS]}
        for table in tables:
            before[table.name] += await _count(store, table, _TRACES, parameters)
            if not dry_run:
                await _delete(store, table, _TRACES, parameters)
                after[table.name] += await _count(store, table, _TRACES, parameters)
    where = (
        f"project_id = {_shown(project_id)} AND trace_id IN ({', '.join(map(_shown, ids[:3]))}{', …' * (len(ids) > 3)})"
    )
    return Done(len(ids), [_counted(t, where, before[t.name], None if dry_run else after[t.name]) for t in tables])


async def user(store: Store, project_id: str, user_id: str, *, dry_run: bool = False) -> Done:
    """Delete every trace that names the user in any of its spans, also in a copy that a newer one has replaced, and when it
    names another user later on. Raises ValueError for no user, StoreError."""
    if not user_id:
        raise ValueError("no user: traces without one cannot be deleted by it")
    return await traces(store, project_id, await traces_of_user(store, project_id, user_id), dry_run=dry_run)


async def traces_of_user(store: Store, project_id: str, user_id: str) -> list[str]:
    """Ids of the traces that name the user."""
    rows = await store.rows(
        f"SELECT DISTINCT trace_id FROM (SELECT trace_id FROM spans WHERE {_PROJECT} AND user_id = {{user:String}} "
        f"UNION ALL SELECT trace_id FROM trace_parts WHERE {_PROJECT} AND tupleElement(user_id, 'value') = {{user:String}})",
        {"project": project_id, "user": user_id},
        settings={"final": "0"},
        timeout=_TIMEOUT_S,
    )
    return [row[0] for row in rows]


async def project(store: Store, project_id: str, *, dry_run: bool = False) -> Done:
    """Delete a project: its keys are refused from now on (ingest notices within ten seconds, and what it has taken until then
    is stored), the project is marked as deleted, and all its rows go. Idempotent. Raises StoreError."""
    parameters = {"project": project_id}
    before = {table.name: await _count(store, table, _of_project(table), parameters) for table in TABLES}
    after: dict[str, int | None] = dict.fromkeys(before)
    if not dry_run:
        await _revoke(store, parameters)
        for table in TABLES:
            if not table.kept:
                await _delete(store, table, _PROJECT, parameters)
        after = {table.name: await _count(store, table, _of_project(table), parameters) for table in TABLES}
    shown = f"project_id = {_shown(project_id)}"
    counts = [
        _counted(table, shown + (f" AND NOT {table.kept}" if table.kept else ""), before[table.name], after[table.name])
        for table in TABLES
    ]
    return Done(None, counts)


def _of_project(table: Table) -> str:
    return f"{_PROJECT} AND NOT {table.kept}" if table.kept else _PROJECT


async def _count(store: Store, table: Table, where: str, parameters: Mapping[str, Any]) -> int:
    """Keys and projects are rows that newer rows replace: the newest counts."""
    final = " FINAL" if table.kept else ""
    sql = f"SELECT count() FROM {table.name}{final} WHERE {where}"
    return int((await store.rows(sql, parameters, settings={"final": "0"}, timeout=_TIMEOUT_S))[0][0])


async def _delete(store: Store, table: Table, where: str, parameters: Mapping[str, Any]) -> None:
    """Returns when no part has such rows any more."""
    await store.command(
        f"ALTER TABLE {table.name} DELETE WHERE {where}", parameters, settings=_SYNC, timeout=_TIMEOUT_S
    )


async def _revoke(store: Store, parameters: Mapping[str, Any]) -> None:
    """Keys first. The version of a row has to grow also when clocks differ."""
    now = "greatest(now64(3, 'UTC'), updated_at + toIntervalMillisecond(1))"
    for insert in (
        "INSERT INTO api_keys (public_key, project_id, salt, secret_hash, note, created_at, updated_at, revoked) "
        f"SELECT public_key, project_id, salt, secret_hash, note, created_at, {now}, true "
        f"FROM api_keys FINAL WHERE {_PROJECT} AND NOT revoked",
        "INSERT INTO projects (project_id, name, retention_days, created_at, updated_at, deleted) "
        f"SELECT project_id, name, retention_days, created_at, {now}, true "
        f"FROM projects FINAL WHERE {_PROJECT} AND NOT deleted",
    ):
        await store.command(insert, parameters, settings={"async_insert": "0"}, timeout=_TIMEOUT_S)


def _counted(table: Table, where: str, before: int, after: int | None) -> Count:
    final = "FINAL " if table.kept else ""
    settings = "" if table.kept else " SETTINGS final = 0"
    return Count(table.name, f"SELECT count() FROM {table.name} {final}WHERE {where}{settings}", before, after)


def _shown(text: str) -> str:
    return literal(text).decode()
