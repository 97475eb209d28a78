"""The log between ingest and worker: `base` has the protocol, `sqlite` and `kafka` are its two forms."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from litefuse.errors import ConfigError
from litefuse.log.base import Log
from litefuse.settings import Settings

_SQLITE = "sqlite:///"
#: More than the 1 GiB at which the embedded ClickHouse refuses inserts (litefuse.embedded.config), so that what was taken can
#: still be stored, and the log never eats what a merge needs.
KEEP_FREE_BYTES = (1 << 30) + (256 << 20)


def is_sqlite(settings: Settings) -> bool:
    """Whether the log is a file, which belongs to one process (`up`); other roles need Kafka."""
    url = settings.log_url.reveal()
    return not url or url.startswith("sqlite:")


def open_log(settings: Settings, *, guest: bool = False) -> Log:
    """The log that `log_url` names; `start` connects it. `guest` is for commands beside a running process: no ownership
    of the file, and no consumer. Raises ConfigError."""
    if is_sqlite(settings):
        from litefuse.log.sqlite import SqliteLog

        return SqliteLog(_path(settings), guest=guest, timeout=settings.publish_timeout_s, keep_free=KEEP_FREE_BYTES)
    from litefuse.log.kafka import KafkaLog

    return KafkaLog(settings)


def _path(settings: Settings) -> Path:
    """`sqlite:///log.db` is relative to the working directory, `sqlite:////var/log.db` absolute."""
    url = settings.log_url.reveal()
    if not url:
        return settings.data_dir / "log.db"
    path = unquote(url.removeprefix(_SQLITE))
    if not url.startswith(_SQLITE) or not path or path.endswith("/"):
        raise ConfigError("log_url: sqlite:///PATH needs three slashes and a path")
    return Path(path)
