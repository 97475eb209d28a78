"""Bring ClickHouse's schema up to date: numbered SQL files, each run once (architecture sections 2 and 6).

`schemas/migrations/NNNN_name.sql` holds statements separated by semicolons. They are additive and idempotent (`IF NOT
EXISTS`), because ClickHouse has no lock: two processes that start at once run the same statements side by side, and a
process that dies half way leaves the rest to the next. What has run is written to `schema_migrations` with the file's
checksum; an applied file that has changed stops the start.

A server's database of the engine `Replicated` gets replicated tables: the engines of the statements are renamed for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from litefuse.clickhouse.sql import identifier, statements
from litefuse.clickhouse.url import Address
from litefuse.errors import ConfigError, StoreError

MIGRATIONS = Path(__file__).parent / "migrations"
_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
#: ClickHouse's answers to a statement that another process runs at the same moment: try again, it is idempotent.
_RACES = frozenset(
    (15, 44, 57, 82, 517)
)  # duplicate column, illegal column, table or database exists, cannot assign alter
_TRIES = 5
_TIMEOUT_S = 300.0

_TABLE = """CREATE TABLE IF NOT EXISTS schema_migrations
(
    version    UInt32 COMMENT 'Number of the migration',
    name       String COMMENT 'Its name',
    checksum   String COMMENT 'SHA-256 of its file, hex',
    applied_at DateTime64(3, 'UTC') COMMENT 'When it had run'
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY version
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Migrations that have run, one row each; read with FINAL'"""


class Store(Protocol):
    """What is used of litefuse.clickhouse.client.Store."""

    @property
    def address(self) -> Address: ...

    async def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float | None = ...
    ) -> list[tuple[Any, ...]]: ...

    async def command(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        timeout: float | None = ...,
        in_database: bool = ...,
    ) -> Any: ...


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    checksum: str
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration that has run now, or would run (`dry_run`). Printed: the one as a line, the other as its SQL."""

    version: int
    name: str
    statements: tuple[str, ...]
    dry_run: bool

    def __str__(self) -> str:
        title = f"{self.version:04d}_{self.name}"
        if self.dry_run:
            return "\n\n".join((f"-- {title}", *(f"{statement};" for statement in self.statements)))
        return f"{title}: {len(self.statements)} statement{'s' if len(self.statements) != 1 else ''}"


def load(directory: Path = MIGRATIONS) -> list[Migration]:
    """The migrations of a directory in order. Raises ConfigError for a file whose name or number is not one."""
    found: dict[int, Migration] = {}
    for path in sorted(directory.glob("*.sql")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise ConfigError(f"migration {path.name}: its name is not like 0001_what_it_does.sql")
        version = int(match[1])
        if version in found:
            raise ConfigError(f"migration {path.name}: number {version} belongs to {found[version].name} already")
        text = path.read_text("utf-8")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        found[version] = Migration(version, match[2], checksum, tuple(statements(text)))
    return [found[version] for version in sorted(found)]


async def migrate(store: Store, *, dry_run: bool = False, directory: Path = MIGRATIONS) -> list[Applied]:
    """Run what has not run yet; returns that, in order. The database is made first when there is none. Raises ConfigError
    for a changed or misnamed file, StoreError."""
    wanted = load(directory)
    database = store.address.database
    engine = await _database_engine(store)
    if engine is None and not dry_run:
        await _run(store, f"CREATE DATABASE IF NOT EXISTS {identifier(database)}", in_database=False)
    replicate = engine == "Replicated"
    done = await _done(store)
    ran: list[Applied] = []
    for migration in wanted:
        checksum = done.get(migration.version)
        if checksum is not None:
            if checksum != migration.checksum:
                raise ConfigError(
                    f"migration {migration.version:04d}_{migration.name}.sql has changed since it ran on the database "
                    f"{database}: put the file back as it was, and write what is new into a migration of its own"
                )
            continue
        sql = tuple(replicated(s) if replicate else s for s in migration.statements)
        if not dry_run:
            if not ran:
                await _run(store, replicated(_TABLE) if replicate else _TABLE)
            for statement in sql:
                await _run(store, statement)
            await _note(store, migration)
        ran.append(Applied(migration.version, migration.name, sql, dry_run))
    return ran


def replicated(statement: str) -> str:
    """The statement for a database that is replicated: `MergeTree` and its kin by their replicated names. Path and replica
    come from the database."""
    statement = statement.replace(
        "non_replicated_deduplication_window = 1000000",
        # Inserts of a day at ten a second; the server's own window of an hour is shorter than an outage may be.
        "replicated_deduplication_window = 1000000, replicated_deduplication_window_seconds = 86400",
    )
    return re.sub(r"(\bENGINE\s*=\s*)((?:[A-Z][a-z]+)?MergeTree\b)", r"\1Replicated\2", statement)


async def _database_engine(store: Store) -> str | None:
    """None when there is no such database. Not asked within it."""
    found = await store.command(
        "SELECT engine FROM system.databases WHERE name = {name:String}",
        {"name": store.address.database},
        in_database=False,
    )
    return str(found) if isinstance(found, str) and found else None


async def _done(store: Store) -> dict[int, str]:
    """Version → checksum of what has run. Empty when there is no such table, or no database."""
    names = await store.command(
        "SELECT count() FROM system.tables WHERE database = {name:String} AND name = 'schema_migrations'",
        {"name": store.address.database},
        in_database=False,
    )
    if not int(names):
        return {}
    rows = await store.rows("SELECT version, checksum FROM schema_migrations FINAL", timeout=_TIMEOUT_S)
    return {int(version): str(checksum) for version, checksum in rows}


async def _note(store: Store, migration: Migration) -> None:
    await store.command(
        "INSERT INTO schema_migrations (version, name, checksum, applied_at) "
        "SELECT {version:UInt32}, {name:String}, {checksum:String}, now64(3, 'UTC')",
        {"version": migration.version, "name": migration.name, "checksum": migration.checksum},
        settings={"async_insert": "0"},
        timeout=_TIMEOUT_S,
    )


async def _run(store: Store, statement: str, *, in_database: bool = True) -> None:
    for attempt in range(1, _TRIES + 1):
        try:
            await store.command(statement, timeout=_TIMEOUT_S, in_database=in_database)
            return
        except StoreError as error:
            if error.code not in _RACES or attempt == _TRIES:
                raise
            await asyncio.sleep(0.1 * attempt)
