"""What is special about the SQLite log: group commit, its one owner and its guests, deleting, failing disks."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from litefuse.errors import ConfigError, LogUnavailable
from litefuse.log import is_sqlite, open_log
from litefuse.log import sqlite_file as sql
from litefuse.log.base import DEAD, TRACES, Record
from litefuse.log.sqlite import SqliteLog
from litefuse.log.sqlite_tail import Tail
from litefuse.settings import Secret, Settings
from tests.log.kit import Member, SqliteKit, until


async def test_many_requests_share_an_fsync(sqlite_kit: SqliteKit) -> None:
    log = await sqlite_kit.open()
    await log.publish(sqlite_kit.topic, b"x", [])
    before = log.groups
    await asyncio.gather(*[log.publish(sqlite_kit.topic, b"x" * 500, []) for _ in range(2000)])
    assert log.groups - before < 50
    # One after the other, each has its own.
    before = log.groups
    for _ in range(5):
        await log.publish(sqlite_kit.topic, b"x", [])
    assert log.groups - before == 5


async def test_a_busy_event_loop_does_not_starve_the_writer(sqlite_kit: SqliteKit) -> None:
    """The loop lets go of the GIL only for moments; publishers must hear from the writer's thread all the same."""
    log = await sqlite_kit.open()
    done = False

    async def hog() -> None:
        while not done:
            until = time.perf_counter() + 0.002
            while time.perf_counter() < until:
                pass
            await asyncio.sleep(0)

    hogging = asyncio.create_task(hog())
    for _ in range(20):
        await asyncio.gather(*[log.publish(sqlite_kit.topic, b"x" * 500, []) for _ in range(50)])
    done = True
    await hogging


async def test_the_file_is_durable_and_private(sqlite_kit: SqliteKit) -> None:
    log = await sqlite_kit.open()
    await log.publish(sqlite_kit.topic, b"x", [])
    assert stat.S_IMODE(sqlite_kit.path.stat().st_mode) == 0o600
    connection = sql.connect(sqlite_kit.path)
    asked = ("journal_mode", "synchronous", "auto_vacuum", "secure_delete")
    assert [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked] == ["wal", 2, 2, 0]
    connection.close()


async def test_a_second_owner_is_refused_in_a_sentence(sqlite_kit: SqliteKit) -> None:
    first = await sqlite_kit.open()
    second = sqlite_kit.make()
    with pytest.raises(ConfigError, match=r"log\.db belongs to another running process; stop it"):
        await second.start()
    await second.close()
    await first.publish(sqlite_kit.topic, b"still here", [])
    await first.close()
    third = await sqlite_kit.open()
    assert [r.value async for r in third.read(sqlite_kit.topic)] == [b"still here"]


async def test_one_consumer_a_group(sqlite_kit: SqliteKit) -> None:
    log = await sqlite_kit.open()
    consumer = log.consumer(sqlite_kit.topic, "g")
    with pytest.raises(ConfigError, match="already has its consumer"):
        log.consumer(sqlite_kit.topic, "g")
    await consumer.stop()
    log.consumer(sqlite_kit.topic, "g")
    guest = await sqlite_kit.open(guest=True)
    with pytest.raises(ConfigError, match="need Kafka"):
        guest.consumer(sqlite_kit.topic, "other")


async def test_a_guest_publishes_and_the_owner_notices(sqlite_kit: SqliteKit) -> None:
    """`litefuse dead replay` beside a running `up`, as another process."""
    log = await sqlite_kit.open()
    member = await Member(log, sqlite_kit.topic, "g").join()
    await log.publish(sqlite_kit.topic, b"own", [])
    await member.read(1)
    program = f"""
        import asyncio
        from pathlib import Path
        from litefuse.log.sqlite import SqliteLog

        async def main():
            log = SqliteLog(Path({str(sqlite_kit.path)!r}), guest=True)
            await log.start()
            assert [r.value async for r in log.read({sqlite_kit.topic!r})] == [b"own"]
            for i in range(10):
                await log.publish({sqlite_kit.topic!r}, b"guest %d" % i, [("h", b"v")])
            await log.close()

        asyncio.run(main())
    """
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", textwrap.dedent(program))
    records = await member.read(11)
    assert await child.wait() == 0
    assert [r.offset for r in records] == list(range(11))
    assert records[10].headers == (("h", b"v"),)
    placed = await log.publish(sqlite_kit.topic, b"own again", [])
    assert placed.offset == 11
    assert (await member.read(12))[11].value == b"own again"


async def test_guest_and_owner_write_at_once(sqlite_kit: SqliteKit) -> None:
    owner = await sqlite_kit.open()
    guest = await sqlite_kit.open(guest=True)
    member = await Member(owner, sqlite_kit.topic, "g").join()
    logs = (owner, guest)
    reading = asyncio.create_task(member.read(400))
    placed = await asyncio.gather(*[logs[i % 2].publish(sqlite_kit.topic, b"%d" % i, []) for i in range(400)])
    await reading
    offsets = {p.offset: b"%d" % i for i, p in enumerate(placed)}
    assert {r.offset: r.value for r in member.records} == offsets
    assert [r.offset for r in member.records] == list(range(400))


async def test_deletes_behind_the_commit_and_reuses_the_space(sqlite_kit: SqliteKit) -> None:
    log = await sqlite_kit.open()
    member = await Member(log, sqlite_kit.topic, "g").join()
    value = os.urandom(50_000)
    largest = 0

    async def deleted() -> bool:
        return [r.offset async for r in log.read(sqlite_kit.topic)] == [end - 1]

    for round_ in range(6):
        await asyncio.gather(*[log.publish(sqlite_kit.topic, value, []) for _ in range(100)])
        await log.publish("litefuse.dead", b"stays", [])
        end = 100 * (round_ + 1)
        await member.read(end)
        await member.consumer.commit(member.partition, end - 1)
        await until(deleted)
        largest = max(largest, sqlite_kit.path.stat().st_size)
    assert largest < 3 * 100 * len(value), "thirty megabytes went through a file of at most fifteen"
    assert len([r async for r in log.read("litefuse.dead")]) == 6
    # Offsets go on after everything was deleted, and after a restart.
    await member.consumer.commit(member.partition, 600)
    await log.close()
    log = await sqlite_kit.open()
    assert (await log.publish(sqlite_kit.topic, b"x", [])).offset == 600


async def test_nothing_is_deleted_before_every_group_has_had_it(sqlite_kit: SqliteKit) -> None:
    log = await sqlite_kit.open()
    for i in range(10):
        await log.publish(sqlite_kit.topic, b"%d" % i, [])
    one = await Member(log, sqlite_kit.topic, "one").join()
    two = await Member(log, sqlite_kit.topic, "two").join()
    await two.consumer.commit(two.partition, 4)
    await one.consumer.commit(one.partition, 10)

    async def trimmed() -> bool:
        return [r.offset async for r in log.read(sqlite_kit.topic)] == list(range(4, 10))

    await until(trimmed)
    await two.read(10)


async def test_reads_from_the_file_what_memory_has_let_go(sqlite_kit: SqliteKit) -> None:
    log = await sqlite_kit.open()
    member = await Member(log, sqlite_kit.topic, "g").join()
    member.consumer.pause(frozenset({member.partition}))
    value = os.urandom(1 << 20)
    await asyncio.gather(*[log.publish(sqlite_kit.topic, value + b"%d" % i, []) for i in range(50)])
    member.consumer.resume(frozenset({member.partition}))
    await member.read(50)
    assert [(r.offset, r.value) for r in member.records] == [(i, value + b"%d" % i) for i in range(50)]


def test_tail() -> None:
    def record(offset: int) -> Record:
        return Record("t", 0, offset, 0, None, b"x" * 800, ())

    tail = Tail(5000)
    assert tail.take(0, 10**6) == []
    for offset in (0, 1, 2, 7, 8):
        tail.append(record(offset))
    assert [r.offset for r in tail.take(1, 10**6)] == [1, 2], "up to the gap"
    assert tail.take(3, 10**6) == [], "those are in the file"
    assert [r.offset for r in tail.take(7, 1)] == [7]
    assert [r.offset for r in tail.take(8, 10**6)] == [8]
    for offset in range(9, 20):
        tail.append(record(offset))
    assert tail.take(9, 10**6) == [], "the oldest gave way"
    assert [r.offset for r in tail.take(15, 10**6)] == [15, 16, 17, 18, 19]


_FULL = """
    import asyncio, resource, sys
    from pathlib import Path
    from litefuse.errors import LogUnavailable
    from litefuse.log.sqlite import SqliteLog

    async def main():
        log = SqliteLog(Path(sys.argv[1]))
        await log.start()
        kept = []
        await log.publish("t", b"first", [])
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, resource.RLIM_INFINITY))
        try:
            while True:
                kept.append((await log.publish("t", b"x" * 100_000, [])).offset)
        except LogUnavailable as error:
            print("unavailable:", error)
        for call in (log.publish("t", b"small", []), log.publish("t", b"y" * 100_000, [])):
            try:
                kept.append((await call).offset)
            except LogUnavailable:
                pass
        try:
            await log.ping()
        except LogUnavailable as error:
            print("ping:", error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await log.ping()
        kept.append((await log.publish("t", b"again", [])).offset)
        found = [r.offset async for r in log.read("t")]
        assert found == list(range(len(found))), found
        assert set(kept) <= set(found), (kept, found)
        assert kept[-1] == found[-1]
        await log.close()
        print("fine")

    asyncio.run(main())
"""


def test_a_full_disk_is_unavailable_and_passes(tmp_path: Path) -> None:
    """The size of files is limited in a process of its own: a write then fails as on a full disk."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_FULL), str(tmp_path / "log.db")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("unavailable: the log cannot be written:")
    assert done.stdout.endswith("fine\n")


async def test_a_log_that_is_locked_away_is_unavailable(sqlite_kit: SqliteKit) -> None:
    """Another program holds the write lock for longer than publishers wait."""
    log = await sqlite_kit.open(timeout=0.3)
    other = sqlite3.connect(sqlite_kit.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogUnavailable, match="did not confirm in time"):
        await log.publish(sqlite_kit.topic, b"x", [])
    other.execute("ROLLBACK")
    other.close()

    async def published() -> bool:
        return (await log.publish(sqlite_kit.topic, b"y", [])).offset >= 0

    await until(published)


async def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("this is no database, and long enough to be looked at\n" * 20)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    newer = tmp_path / "newer.db"
    connection = sql.connect(newer)
    connection.execute(f"PRAGMA user_version = {sql.VERSION + 1}")
    connection.close()
    directory = tmp_path / "directory.db"
    directory.mkdir()
    for path, why in (
        (text, "not a database"),
        (other, "a database of something else"),
        (newer, "newer version of Litefuse"),
        (text / "log.db", "cannot use"),
    ):
        log = SqliteLog(path)
        with pytest.raises(ConfigError, match=why):
            await log.start()
        await log.close()
    log = SqliteLog(directory)
    with pytest.raises(LogUnavailable, match="cannot open"):
        await log.start()
    await log.close()


def test_headers_are_packed_exactly() -> None:
    headers = (("", b""), ("a", b"\x00" * 300), ("naïve", "ü".encode()), ("\udcff", b"x"))
    assert sql.unpack_headers(sql.pack_headers(headers)) == headers
    assert sql.unpack_headers(b"") == ()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("", "data/log.db"),
        ("sqlite:///here.db", "here.db"),
        ("sqlite:////var/log.db", "/var/log.db"),
        ("sqlite:///a%20b.db", "a b.db"),
    ],
)
def test_where_the_file_is(url: str, path: str) -> None:
    settings = Settings(log_url=Secret(url), data_dir=Path("data"))
    assert is_sqlite(settings)
    log = open_log(settings, guest=True)
    assert isinstance(log, SqliteLog)
    assert (log.path, log.guest) == (Path(path), True)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:log.db", "sqlite:///directory/"])
def test_a_url_without_a_path_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite:///PATH"):
        open_log(Settings(log_url=Secret(url)))


async def test_a_disk_that_is_nearly_full_takes_no_more_records_but_dead_letters(tmp_path: Path) -> None:
    """ClickHouse refuses inserts before its disk is full; a log beside it that goes on taking would fill it."""
    log = SqliteLog(tmp_path / "log.db", keep_free=1 << 60)
    await log.start()
    try:
        with pytest.raises(LogUnavailable, match="kept free"):
            await log.publish(TRACES, b"x", [])
        assert (await log.publish(DEAD, b"x", [])).offset == 0
    finally:
        await log.close()
