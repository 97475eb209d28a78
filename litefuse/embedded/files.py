"""What the embedded ClickHouse keeps in the data directory, and who may open it.

    lock                         held by the process that has the engine open; its id and address are in it
    clickhouse.url               http://127.0.0.1:8123, while it runs (and after a crash: then nothing answers there)
    clickhouse.password          of the login `litefuse`, the operator
    clickhouse.reader.password   of the login `reader`
    clickhouse/                  the engine's data
    clickhouse.config/           its configuration, written anew at each start

Passwords are made once and kept. All files are for their owner alone. Nothing here needs chDB.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from litefuse.clickhouse.url import with_login
from litefuse.errors import ConfigError, StoreUnavailable
from litefuse.settings import Secret

OPERATOR = "litefuse"
READER = "reader"
URL_FILE = "clickhouse.url"
PASSWORD_FILES = {OPERATOR: "clickhouse.password", READER: "clickhouse.reader.password"}
LOCK_FILE = "lock"
DATA = "clickhouse"
_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that has the engine open. `url` is ClickHouse's, empty while it is starting; `page` that of the page for
    people, empty when it has none."""

    pid: int
    url: str
    page: str = ""


class Lock:
    """The data directory's lock. The kernel lets go of it when the process ends, however it ends."""

    def __init__(self, data_dir: Path, handle: int) -> None:
        self._data_dir = data_dir
        self._handle: int | None = handle

    @classmethod
    def take(cls, data_dir: Path) -> Lock:
        """Raises ConfigError when another process has it."""
        path = data_dir / LOCK_FILE
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"LITEFUSE_DATA_DIR: cannot write to {data_dir}: {error.strerror}") from error
        for attempt in range(_ATTEMPTS):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if attempt == _ATTEMPTS - 1:
                    os.close(handle)
                    raise ConfigError(_taken(data_dir, _read(path))) from None
                time.sleep(0.05)  # `owner` holds it for a moment
        lock = cls(data_dir, handle)
        lock.announce("")
        return lock

    def announce(self, url: str, page: str = "") -> None:
        """Write down who has it, for the sentence that a second process ends with."""
        if self._handle is not None:
            text = json.dumps({"pid": os.getpid(), "url": url, "page": page}).encode()
            os.pwrite(self._handle, text, 0)
            os.ftruncate(self._handle, len(text))

    def release(self) -> None:
        """Idempotent."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.ftruncate(handle, 0)
            os.close(handle)


def owner(data_dir: Path) -> Owner | None:
    """Who has the engine of this data directory open, None when nobody has."""
    path = data_dir / LOCK_FILE
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _read(path) or Owner(0, "")
    finally:
        os.close(handle)
    return None


def _read(path: Path) -> Owner | None:
    try:
        found = json.loads(path.read_text("utf-8"))
        # A process of an older version, which runs during an upgrade, has written no page.
        return Owner(int(found["pid"]), str(found["url"]), str(found.get("page", "")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _taken(data_dir: Path, by: Owner | None) -> str:
    who = f"process {by.pid}" if by is not None else "another process"
    places = [] if by is None else [("page", by.page), ("ClickHouse", by.url)]
    known = ", ".join(f"{name} at {url}" for name, url in places if url)
    return (
        f"LITEFUSE_DATA_DIR: {data_dir} is in use by {who}{f' ({known})' if known else ''}. One process at a time opens "
        "the embedded ClickHouse: stop that one, or choose another directory"
    )


def password(data_dir: Path, login: str) -> Secret:
    """The password of a login, made at the first call. Raises ConfigError when the file is empty or unreadable."""
    path = data_dir / PASSWORD_FILES[login]
    try:
        text = path.read_text("utf-8").strip()
    except FileNotFoundError:
        text = secrets.token_urlsafe(24)
        write(path, text + "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not text:
        raise ConfigError(f"{path} is empty: remove it to have a new password made")
    with contextlib.suppress(OSError):
        path.chmod(0o600)
    return Secret(text)


def login_url(data_dir: Path, login: str = OPERATOR) -> Secret:
    """The address of the engine that runs on this data directory, with a login. Raises StoreUnavailable when there is
    none, or when it is not ours to read."""
    try:
        base = (data_dir / URL_FILE).read_text("utf-8").strip()
        secret = (data_dir / PASSWORD_FILES[login]).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreUnavailable(f"no embedded ClickHouse runs on {data_dir}: {error}") from error
    if not base or not secret:
        raise StoreUnavailable(f"no embedded ClickHouse runs on {data_dir}: {URL_FILE} or a password is empty")
    return with_login(base, login, secret)


def write(path: Path, text: str) -> None:
    """Write a file for its owner alone, whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
