"""Migrations against the embedded engine: once each, twice at once, changed files."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from litefuse.clickhouse.client import Store
from litefuse.embedded import Embedded, open_embedded
from litefuse.errors import ConfigError, StoreError
from litefuse.settings import Secret, Settings
from schemas.runner import MIGRATIONS, load, migrate, replicated

FIRST = """-- The first; with a semicolon in its comment;
CREATE TABLE IF NOT EXISTS one (a UInt8 COMMENT 'x; y') ENGINE = ReplacingMergeTree ORDER BY a;

CREATE TABLE IF NOT EXISTS two (a UInt8) ENGINE = MergeTree ORDER BY a;
"""
SECOND = "ALTER TABLE one ADD COLUMN IF NOT EXISTS b UInt8;\n"


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Embedded]:
    embedded = await open_embedded(Settings(data_dir=tmp_path / "data", clickhouse_port=0))
    yield embedded
    await embedded.close()


@pytest.fixture
async def store(embedded: Embedded) -> AsyncIterator[Store]:
    """On a database that is not there yet."""
    store = await Store.open(Secret(embedded.url.reveal().removesuffix("/litefuse") + "/other"))
    yield store
    await store.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "migrations"
    directory.mkdir()
    (directory / "0001_first.sql").write_text(FIRST)
    return directory


async def test_each_runs_once(store: Store, directory: Path) -> None:
    ran = await migrate(store, directory=directory)
    assert [str(done) for done in ran] == ["0001_first: 2 statements"]
    assert await migrate(store, directory=directory) == []
    (directory / "0002_second.sql").write_text(SECOND)
    assert [str(done) for done in await migrate(store, directory=directory)] == ["0002_second: 1 statement"]
    assert await migrate(store, directory=directory) == []
    assert await store.rows("SELECT name FROM system.columns WHERE database = 'other' AND table = 'one'") == [
        ("a",),
        ("b",),
    ]
    rows = await store.rows("SELECT version, name, length(checksum) FROM schema_migrations FINAL ORDER BY version")
    assert rows == [(1, "first", 64), (2, "second", 64)]


async def test_dry_run_changes_nothing(store: Store, directory: Path) -> None:
    would = await migrate(store, dry_run=True, directory=directory)
    printed = "\n".join(map(str, would))
    assert printed.startswith("-- 0001_first\n")
    assert printed.count(";\n") + printed.endswith(";") >= 2
    assert await store.command("SELECT count() FROM system.databases WHERE name = 'other'", in_database=False) == 0
    await migrate(store, directory=directory)
    assert await migrate(store, dry_run=True, directory=directory) == []


async def test_two_processes_at_once(embedded: Embedded, directory: Path) -> None:
    (directory / "0002_second.sql").write_text(SECOND)
    stores = [await Store.open(embedded.url) for _ in range(4)]
    await asyncio.gather(*(migrate(store, directory=directory) for store in stores))
    assert await migrate(stores[0], directory=directory) == []
    rows = await stores[0].rows(
        "SELECT version, count() FROM schema_migrations FINAL GROUP BY version ORDER BY version"
    )
    assert rows == [(1, 1), (2, 1)]
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_changed_file_stops_the_start(store: Store, directory: Path) -> None:
    await migrate(store, directory=directory)
    (directory / "0001_first.sql").write_text(FIRST + "-- one more thought\n")
    with pytest.raises(ConfigError, match=re.escape("0001_first.sql has changed since it ran on the database other")):
        await migrate(store, directory=directory)


async def test_half_done_is_done_again(store: Store, directory: Path) -> None:
    """A statement that fails leaves the migration for the next start."""
    (directory / "0001_first.sql").write_text(FIRST + "ALTER TABLE nope ADD COLUMN IF NOT EXISTS b UInt8;\n")
    with pytest.raises(StoreError):
        await migrate(store, directory=directory)
    assert await store.rows("SELECT count() FROM schema_migrations") == [(0,)]
    (directory / "0001_first.sql").write_text(FIRST)
    assert len(await migrate(store, directory=directory)) == 1


async def test_a_newer_database_is_left_alone(store: Store, directory: Path) -> None:
    (directory / "0002_second.sql").write_text(SECOND)
    await migrate(store, directory=directory)
    (directory / "0002_second.sql").unlink()
    assert await migrate(store, directory=directory) == []


@pytest.mark.parametrize("name", ["1_x.sql", "0001-x.sql", "0001_X.sql", "0001_other.sql"])
def test_misnamed_files(directory: Path, name: str) -> None:
    (directory / name).write_text("SELECT 1;")
    with pytest.raises(ConfigError, match=re.escape(name) if "other" not in name else "number 1 belongs to"):
        load(directory)


async def test_ours_twice(embedded: Embedded) -> None:
    """The real ones: they run, run again statement by statement, and describe every column."""
    store = await Store.open(embedded.url)
    assert [done.version for done in await migrate(store)] == [m.version for m in load()]
    for migration in load():
        for statement in migration.statements:
            await store.command(statement)
    bare = await store.rows(
        "SELECT table, name FROM system.columns WHERE database = 'litefuse' AND comment = '' "
        "AND table NOT IN (SELECT name FROM system.tables WHERE engine = 'MaterializedView') ORDER BY table, name"
    )
    assert bare == []
    tables = await store.rows("SELECT name FROM system.tables WHERE database = 'litefuse'")
    assert {("spans",), ("trace_parts",), ("traces",), ("projects",), ("api_keys",), ("schema_migrations",)} <= set(
        tables
    )
    await store.close()


def test_ours_are_idempotent_by_their_words() -> None:
    for migration in load(MIGRATIONS):
        for statement in migration.statements:
            words = statement.upper()
            if words.startswith("INSERT INTO TRACE_PARTS"):  # aggregates to which a row told twice is nothing new
                continue
            assert "IF NOT EXISTS" in words or "IF EXISTS" in words or words.startswith("ALTER"), statement[:80]
            assert not words.startswith(("DROP", "TRUNCATE", "DELETE", "RENAME")), "additive only"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a",
            "CREATE TABLE t (a UInt8) ENGINE = ReplicatedMergeTree ORDER BY a",
        ),
        ("… ENGINE=ReplacingMergeTree(v) …", "… ENGINE=ReplicatedReplacingMergeTree(v) …"),
        ("… ENGINE = AggregatingMergeTree\n…", "… ENGINE = ReplicatedAggregatingMergeTree\n…"),
        ("… COMMENT 'a MergeTree'", "… COMMENT 'a MergeTree'"),
        ("ALTER TABLE t ADD COLUMN b UInt8", "ALTER TABLE t ADD COLUMN b UInt8"),
    ],
)
def test_engines_of_a_replicated_database(statement: str, expected: str) -> None:
    assert replicated(statement) == expected
