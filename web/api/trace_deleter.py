"""Deletions of traces, many requests at once: what comes in while ClickHouse notes some of them is noted together next.

A mutation a table and request would keep ClickHouse rewriting its files for a script that deletes one trace after the
other; it refuses new ones beyond a thousand.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from litefuse import deletion
from litefuse.clickhouse.asking import Store
from litefuse.errors import StoreError
from litefuse.telemetry.logs import event
from web.api.errors import ApiError

logger = logging.getLogger("litefuse.web")

#: Ids that may wait.
_WAITING = 100_000
#: Seconds that ClickHouse has to note them, and for which the last ones are waited for at the end.
_TIMEOUT_S = 20.0
_CLOSE_S = 10.0


class TraceDeleter:
    """Belongs to one event loop."""

    def __init__(self, store: Store, waiting: int = _WAITING) -> None:
        self._store = store
        self._most = waiting
        self._ids: dict[str, set[str]] = {}
        self._asking: dict[str, list[asyncio.Future[None]]] = {}
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def delete(self, project_id: str, trace_ids: Iterable[str]) -> None:
        """Returns when ClickHouse has noted that these traces are to be deleted. Unknown ids are fine. Raises ApiError 503
        when it may not have: asking again is harmless."""
        ids = set(trace_ids)
        if self._closed or (self._ids and sum(map(len, self._ids.values())) + len(ids) > self._most):
            raise _later()
        noted = asyncio.get_running_loop().create_future()
        self._ids.setdefault(project_id, set()).update(ids)
        self._asking.setdefault(project_id, []).append(noted)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="deletions")
        await noted

    async def close(self) -> None:
        """Submits what waits, for a bounded time. Idempotent."""
        self._closed = True
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_CLOSE_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._ids:
            project_id = next(iter(self._ids))
            ids, asking = self._ids.pop(project_id), self._asking.pop(project_id)
            try:
                await deletion.submit(self._store, project_id, ids, timeout=_TIMEOUT_S)
            except StoreError as error:
                event(logger, logging.WARNING, "a deletion of traces is not noted", error=str(error), traces=len(ids))
            else:
                for noted in asking:
                    if not noted.done():  # whoever asked may have gone
                        noted.set_result(None)
            finally:  # also when it is cancelled: nobody waits for ever
                for noted in asking:
                    if not noted.done():
                        noted.set_exception(_later())


def _later() -> ApiError:
    return ApiError(503, "Service Unavailable", "ServiceUnavailableError", retry_after=1)
