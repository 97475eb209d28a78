"""Where commands find log and ClickHouse: beside a running process if there is one, else opened for the moment."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from litefuse.errors import ConfigError
from litefuse.settings import Settings
from litefuse.telemetry import logs

if TYPE_CHECKING:
    from litefuse.log.base import Log


@contextlib.asynccontextmanager
async def opened_log(settings: Settings) -> AsyncIterator[Log]:
    """The log, as a guest. Raises ConfigError when there is none, LogUnavailable when it does not answer."""
    from litefuse.log import is_sqlite, open_log

    logs.setup("error" if settings.log_level == "info" else settings.log_level, settings.log_format)
    log = open_log(settings, guest=True)
    if is_sqlite(settings):
        path = getattr(log, "path", None)
        if path is not None and not path.exists():
            raise ConfigError(f"no log at {path}: `litefuse up` makes it; --data-dir and --log-url say where it is")
    await log.start()
    try:
        yield log
    finally:
        await log.close()
