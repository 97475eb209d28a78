"""The SQLite log's file: its schema, and everything that is said to it in SQL. Blocking, for one thread at a time.

One table `records_<id>` a topic, so that appending is appending; `topics` says which offsets exist (`first` up to but
without `next`). `next` only grows and is written in the transaction of the records, so an offset is never used twice,
whatever was deleted and however often the process died. Errors leave as `sqlite3.Error`.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from litefuse.errors import ConfigError
from litefuse.log.base import Committed, Headers, Position, Record

VERSION = 1
_APPLICATION_ID = 0x4C66_4C67  # "LfLg": keeps us from writing into somebody else's database
_PAGE_BYTES = 8192
#: A guest's transaction lasts milliseconds; who waits longer than this finds the disk, not the lock, at fault.
_BUSY_S = 5.0
#: Largest row count of one INSERT. One statement for many rows, because each statement lets go of the GIL and may wait
#: for 5 ms until a busy event loop gives it back.
_ROWS = 128

_SCHEMA = """
CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, first INTEGER NOT NULL, next INTEGER NOT NULL);
CREATE TABLE commits (
    topic INTEGER NOT NULL, "group" TEXT NOT NULL, "offset" INTEGER NOT NULL, metadata TEXT NOT NULL,
    PRIMARY KEY (topic, "group")
) WITHOUT ROWID;
"""

Row = tuple[bytes | None, bytes, bytes]
"""Key, packed headers, value."""


class Topic(NamedTuple):
    id: int
    first: int
    next: int


class Page(NamedTuple):
    """What was read: the records, and the offsets the topic had at that moment."""

    first: int
    next: int
    records: list[Record]


# -- opening ---------------------------------------------------------------------------------------------------------


def connect(path: Path) -> sqlite3.Connection:
    """Open for writing; makes the file (mode 0600, it holds payloads) and its schema when there is none. Raises
    ConfigError when the file is not ours or of a newer version."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = _open(path)
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open for reading, after `connect` has been here once."""
    connection = _open(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise ConfigError(f"log_url: {path} is not a database: {error}") from error
    if tables and application != _APPLICATION_ID:
        raise ConfigError(f"log_url: {path} is a database of something else")
    if not tables:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # a drained backlog gives its space back, see `shrink`
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    connection.execute("PRAGMA synchronous = FULL")
    # Some builds overwrite deleted pages with zeros, which makes deleting cost as much as writing.
    connection.execute("PRAGMA secure_delete = OFF")
    with transaction(connection):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise ConfigError(f"log_url: {path} was written by a newer version of Litefuse (form {version})")
        if version == 0:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")


class transaction:
    """`with transaction(connection):` one write transaction; the lock is taken at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._connection.execute("COMMIT")
        elif self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


# -- writing, inside a transaction -----------------------------------------------------------------------------------


def ensure_topic(connection: sqlite3.Connection, name: str) -> int:
    """The topic's id; makes the topic when it is new."""
    row = connection.execute("SELECT id FROM topics WHERE name = ?", (name,)).fetchone()
    if row is not None:
        return int(row[0])
    cursor = connection.execute("INSERT INTO topics (name, first, next) VALUES (?, 0, 0)", (name,))
    number = int(cursor.lastrowid or 0)
    # The value comes last: reading a record's time must not walk through its pages.
    connection.execute(
        f'CREATE TABLE records_{number} ("offset" INTEGER PRIMARY KEY, at INTEGER NOT NULL, key BLOB, '
        "headers BLOB NOT NULL, value BLOB NOT NULL)"
    )
    return number


def append(connection: sqlite3.Connection, topic: int, at: int, rows: Sequence[Row]) -> int:
    """Append the rows, arrived `at` (Unix ns); returns the offset of the first."""
    (end,) = connection.execute(
        "UPDATE topics SET next = next + ? WHERE id = ? RETURNING next", (len(rows), topic)
    ).fetchone()
    first: int = end - len(rows)
    done = 0
    while done < len(rows):
        # Powers of two, so that SQLite's cache of prepared statements always has them.
        count = min(_ROWS, 1 << (len(rows) - done).bit_length() - 1)
        values: list[object] = []
        for i in range(done, done + count):
            key, headers, value = rows[i]
            values += (first + i, at, key, headers, value)
        connection.execute(f"INSERT INTO records_{topic} VALUES " + ",".join(["(?,?,?,?,?)"] * count), values)
        done += count
    return first


def commit(connection: sqlite3.Connection, topic: int, group: str, offset: int, metadata: str) -> None:
    connection.execute("INSERT OR REPLACE INTO commits VALUES (?, ?, ?, ?)", (topic, group, offset, metadata))


def trim(connection: sqlite3.Connection, topic: int, count: int) -> bool:
    """Delete up to `count` of the oldest records that every group has committed. True when there is more to delete."""
    row = connection.execute(
        'SELECT first, (SELECT min("offset") FROM commits WHERE topic = id), next FROM topics WHERE id = ?', (topic,)
    ).fetchone()
    if row is None or row[1] is None:
        return False
    first, done, end = row
    if done > end:
        return False  # a commit of other records than these: the consumer will say so
    upto = min(done, first + count)
    if upto > first:
        connection.execute(f'DELETE FROM records_{topic} WHERE "offset" < ?', (upto,))
        connection.execute("UPDATE topics SET first = ? WHERE id = ?", (upto, topic))
    return bool(upto < done)


def free_bytes(connection: sqlite3.Connection) -> tuple[int, int]:
    """Bytes of the file that hold nothing, and bytes of the whole file."""
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    return free * size, pages * size


def shrink(connection: sqlite3.Connection, count: int) -> None:
    """Cut up to `count` free pages off the file. Its own transaction."""
    connection.execute(f"PRAGMA incremental_vacuum({count})").fetchall()


# -- reading ---------------------------------------------------------------------------------------------------------


def topic_of(connection: sqlite3.Connection, name: str) -> Topic | None:
    row = connection.execute("SELECT id, first, next FROM topics WHERE name = ?", (name,)).fetchone()
    return None if row is None else Topic(*row)


def committed(connection: sqlite3.Connection, name: str, group: str) -> Committed:
    row = connection.execute(
        'SELECT "offset", metadata FROM commits JOIN topics ON topics.id = topic WHERE name = ? AND "group" = ?',
        (name, group),
    ).fetchone()
    return Committed(-1, "") if row is None else Committed(*row)


def page(connection: sqlite3.Connection, name: str, offset: int, max_bytes: int) -> Page:
    """Records from `offset` on, about `max_bytes`, at least one if there is one."""
    connection.execute("BEGIN")  # one snapshot: offsets and records must not be of two moments
    try:
        topic = topic_of(connection, name)
        if topic is None:
            return Page(0, 0, [])
        records: list[Record] = []
        size = 0
        cursor = connection.execute(
            f'SELECT "offset", at, key, headers, value FROM records_{topic.id} WHERE "offset" >= ? ORDER BY "offset"',
            (offset,),
        )
        for at, arrived, key, headers, value in cursor:
            record = Record(name, 0, at, arrived, key, value, unpack_headers(headers))
            records.append(record)
            size += record.size
            if size >= max_bytes:
                break
        cursor.close()
        return Page(topic.first, topic.next, records)
    finally:
        connection.execute("COMMIT")


def position(connection: sqlite3.Connection, name: str, group: str) -> Position | None:
    """Lag of the group; None when there is no such topic."""
    topic = topic_of(connection, name)
    if topic is None:
        return None
    done = committed(connection, name, group).offset
    row = connection.execute(
        f'SELECT at FROM records_{topic.id} WHERE "offset" >= ? ORDER BY "offset" LIMIT 1', (done,)
    ).fetchone()
    return Position(done, topic.next, None if row is None else row[0])


# -- headers ---------------------------------------------------------------------------------------------------------

_LENGTHS = struct.Struct("<II")


def pack_headers(headers: Headers) -> bytes:
    """Each header as two lengths, name and value."""
    parts: list[bytes] = []
    for name, value in headers:
        encoded = name.encode("utf-8", "surrogatepass")
        parts += (_LENGTHS.pack(len(encoded), len(value)), encoded, value)
    return b"".join(parts)


def unpack_headers(packed: bytes) -> tuple[tuple[str, bytes], ...]:
    return tuple(_unpack(packed))


def _unpack(packed: bytes) -> Iterable[tuple[str, bytes]]:
    at = 0
    while at < len(packed):
        name, value = _LENGTHS.unpack_from(packed, at)
        at += _LENGTHS.size
        yield packed[at : at + name].decode("utf-8", "surrogatepass"), packed[at + name : at + name + value]
        at += name + value
