"""The data directory: who may open it, what lies in it, and that it opens again."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import sys
from pathlib import Path

import pytest

from litefuse.clickhouse.client import Store
from litefuse.embedded import files, open_embedded
from litefuse.errors import ConfigError, StoreUnavailable
from litefuse.settings import Settings
from tests.waiting import eventually

_CHILD = """
import asyncio, sys
from pathlib import Path
from litefuse.embedded import open_embedded
from litefuse.settings import Settings

async def main():
    embedded = await open_embedded(Settings(data_dir=Path(sys.argv[1]), clickhouse_port=0))
    print("open", embedded.port, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await embedded.close()
    print("closed", flush=True)

asyncio.run(main())
"""


def settings(tmp_path: Path, **more: object) -> Settings:
    return Settings(data_dir=tmp_path / "data", clickhouse_port=0, **more)  # type: ignore[arg-type]


async def start_child(data_dir: Path) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CHILD, str(data_dir), stdin=pipe, stdout=pipe, stderr=pipe
    )


async def test_files_and_their_modes(tmp_path: Path) -> None:
    embedded = await open_embedded(settings(tmp_path))
    data = tmp_path / "data"
    try:
        assert (data / "clickhouse.url").read_text() == f"http://127.0.0.1:{embedded.port}\n"
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        for name in ("clickhouse.url", "clickhouse.password", "clickhouse.reader.password", "lock"):
            assert stat.S_IMODE((data / name).stat().st_mode) == 0o600, name
        assert files.owner(data) == files.Owner(os.getpid(), f"http://127.0.0.1:{embedded.port}")
        for login, url in (("litefuse", embedded.url), ("reader", embedded.reader_url)):
            assert files.login_url(data, login).reveal() == url.reveal()
            password = (data / files.PASSWORD_FILES[login]).read_text().strip()
            assert len(password) >= 32
            assert password in url.reveal()
            assert password not in f"{url} {url!r}"
    finally:
        await embedded.close()
    assert not (data / "clickhouse.url").exists()
    assert files.owner(data) is None
    with pytest.raises(StoreUnavailable):
        files.login_url(data)
    await embedded.close()  # again


async def test_data_and_passwords_outlive_a_restart(tmp_path: Path) -> None:
    urls = []
    for round_ in range(3):
        embedded = await open_embedded(settings(tmp_path))
        store = await Store.open(embedded.url)
        await store.command("CREATE TABLE IF NOT EXISTS t (a UInt8) ENGINE = MergeTree ORDER BY a")
        await store.command("INSERT INTO t SELECT 1")
        assert await store.rows("SELECT count() FROM t") == [(round_ + 1,)]
        urls.append(embedded.url.reveal().rsplit("@")[0])
        await store.close()
        await embedded.close()
    assert len(set(urls)) == 1


async def test_another_directory_after_the_first_is_closed(tmp_path: Path) -> None:
    for name in ("one", "two words", "three;é'"):
        embedded = await open_embedded(Settings(data_dir=tmp_path / name, clickhouse_port=0))
        store = await Store.open(embedded.url)
        await store.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
        await store.close()
        await embedded.close()


async def test_a_second_opening_is_refused_with_a_sentence(tmp_path: Path) -> None:
    embedded = await open_embedded(settings(tmp_path))
    try:
        with pytest.raises(ConfigError) as refused:
            await open_embedded(settings(tmp_path))
        for said in (str(tmp_path / "data"), f"process {os.getpid()}", f"http://127.0.0.1:{embedded.port}"):
            assert said in str(refused.value)
        child = await start_child(tmp_path / "data")
        _, errors = await asyncio.wait_for(child.communicate(), 60)
        assert child.returncode != 0
        assert f"{tmp_path / 'data'} is in use by process {os.getpid()}" in errors.decode()
    finally:
        await embedded.close()


async def test_a_killed_process_leaves_the_directory_free(tmp_path: Path) -> None:
    child = await start_child(tmp_path / "data")
    try:
        assert child.stdout is not None
        assert (await asyncio.wait_for(child.stdout.readline(), 60)).startswith(b"open")
        assert files.owner(tmp_path / "data") is not None
    finally:
        child.kill()
        await child.communicate()
    assert (tmp_path / "data" / "clickhouse.url").exists(), "nobody was there to remove it"
    eventually(lambda: files.owner(tmp_path / "data") is None, 10)
    embedded = await open_embedded(settings(tmp_path))
    await embedded.close()


async def test_a_taken_port_is_told_and_nothing_stays_open(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"LITEFUSE_CLICKHOUSE_PORT: cannot listen on 127.0.0.1:{port}"):
            await open_embedded(Settings(data_dir=tmp_path / "data", clickhouse_port=port))
    assert files.owner(tmp_path / "data") is None
    embedded = await open_embedded(settings(tmp_path))
    await embedded.close()


async def test_directories_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "what?"):
        with pytest.raises(ConfigError, match="LITEFUSE_DATA_DIR"):
            await open_embedded(Settings(data_dir=place, clickhouse_port=0))
    data = tmp_path / "data"
    data.mkdir()
    (data / "clickhouse.password").write_text("\n")
    with pytest.raises(ConfigError, match="empty"):
        await open_embedded(settings(tmp_path))


async def test_a_password_of_ones_own_is_kept_and_closed_to_others(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    own = data / "clickhouse.password"
    own.write_text("with space/@:%\n")
    own.chmod(0o644)
    embedded = await open_embedded(settings(tmp_path))
    try:
        store = await Store.open(embedded.url)
        await store.ping()
        await store.close()
        assert stat.S_IMODE(own.stat().st_mode) == 0o600
    finally:
        await embedded.close()


async def test_closing_ends_what_runs(tmp_path: Path) -> None:
    embedded = await open_embedded(settings(tmp_path))
    store = await Store.open(embedded.reader_url)
    await store.ping()
    endless = asyncio.create_task(
        store.rows("SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1", timeout=60)
    )
    await asyncio.sleep(0.3)
    await embedded.close(0.2)
    with pytest.raises(StoreUnavailable):
        await endless
    await store.close()
    embedded = await open_embedded(settings(tmp_path))
    await embedded.close()
