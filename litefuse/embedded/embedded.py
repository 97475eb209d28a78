"""Open and close the embedded ClickHouse of a data directory."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from litefuse.clickhouse.url import with_login
from litefuse.embedded import files
from litefuse.embedded.limits import Limits
from litefuse.errors import ConfigError
from litefuse.settings import Secret, Settings

if TYPE_CHECKING:
    from litefuse.embedded.engine import Engine
    from litefuse.embedded.front import Front

logger = logging.getLogger("litefuse.clickhouse")

#: What the extra `embedded` installs, by the names it is imported with.
_EXTRA = ("chdb", "clickhouse_cityhash", "lz4")


class Embedded:
    """The running engine and its front. `url` and `reader_url` hold a password each; `port` is the one it listens on."""

    def __init__(self, data_dir: Path, lock: files.Lock, engine: Engine, front: Front, base: str) -> None:
        self._data_dir = data_dir
        self._lock = lock
        self._base = base
        self._engine = engine
        self._front = front
        self._closed = False
        self.port = front.port
        self.url = with_login(base, files.OPERATOR, files.password(data_dir, files.OPERATOR).reveal())
        self.reader_url = with_login(base, files.READER, files.password(data_dir, files.READER).reveal())

    def announce(self, page: str) -> None:
        """Tell a second process, which is refused the directory, where this one's page is."""
        self._lock.announce(self._base, page)

    async def close(self, drain: float = 10.0) -> None:
        """Take no more requests, let those that run end for `drain` seconds, close the engine, let go of the directory.
        Idempotent. The directory can be opened again afterwards, by this process too."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            (self._data_dir / files.URL_FILE).unlink()
        try:
            await self._front.close(drain)
        finally:
            await self._engine.close(drain)
            self._lock.release()


async def open_embedded(settings: Settings) -> Embedded:
    """Open the engine in `<data-dir>/clickhouse`, making it when there is none, and serve it. Raises ConfigError: another
    process has it, the port is taken, the engine is not installed or cannot read what is there."""
    need_installed()
    try:
        from litefuse.embedded.engine import Engine
        from litefuse.embedded.front import serve
        from litefuse.embedded.protocol import Passwords
        from litefuse.embedded.sqlerror import SqlError
    except ImportError as error:
        raise ConfigError(f"the embedded ClickHouse cannot be loaded: {error}") from error

    data_dir = settings.data_dir
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"LITEFUSE_DATA_DIR: cannot make {data_dir}: {error.strerror}") from error
    async with contextlib.AsyncExitStack() as undo:
        lock = files.Lock.take(data_dir)
        undo.callback(lock.release)
        passwords = Passwords(
            operator=files.password(data_dir, files.OPERATOR), reader=files.password(data_dir, files.READER)
        )
        try:
            engine = await asyncio.to_thread(
                Engine.open,
                data_dir / files.DATA,
                Limits(settings.sql_timeout_s, settings.sql_memory_bytes),
                writers=settings.insert_connections,
                readers=settings.sql_connections,
            )
        except ImportError as error:
            raise ConfigError(f"the embedded ClickHouse cannot be loaded: {error}") from error
        except SqlError as error:
            raise ConfigError(f"the embedded ClickHouse cannot open {data_dir / files.DATA}: {error.text}") from error
        undo.push_async_callback(engine.close, 0.0)
        front = await serve(engine, settings.host, settings.clickhouse_port, passwords)
        base = base_url(settings.host, front.port)
        files.write(data_dir / files.URL_FILE, base + "\n")
        lock.announce(base)
        undo.pop_all()
        return Embedded(data_dir, lock, engine, front, base)


def need_installed() -> None:
    """Raises ConfigError when a package of the extra `embedded` is missing, before anything is made on disk."""
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"the embedded ClickHouse is not installed ({', '.join(missing)} missing): pip install 'litefuse[embedded]' "
            "(in a clone: pip install -e '.[embedded]'), or set LITEFUSE_CLICKHOUSE_URL to a ClickHouse server"
        )


def base_url(host: str, port: int) -> str:
    """Where this machine reaches it: a wildcard address is reached by the loopback one."""
    shown = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


__all__ = ["Embedded", "Secret", "base_url", "need_installed", "open_embedded"]
