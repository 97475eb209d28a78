"""Writes of scores, many requests at once: one INSERT of a block, and each request is answered when ClickHouse has it.

While a block is on its way, what comes in waits for the next one, so the number of parts that ClickHouse makes does not grow
with the number of requests. What waits is bounded: beyond it, 503 with Retry-After, which SDKs repeat. A write that has
failed may have been stored: repeating it is harmless, since a score is replaced by its id (public-api.md section 6.1).

A deletion is a row that hides the score at once, and a mutation that ClickHouse has noted: it removes the rows from the
files, also when everything stops now.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from litefuse.clickhouse.asking import Inserting
from litefuse.errors import RowRefused, StoreError
from litefuse.telemetry.logs import event
from web.api.errors import ApiError, invalid
from web.queries import scores as queries
from web.queries.new_scores import COLUMNS, Deleted, Known, NewScore, Write, block, last, planned
from web.queries.statement import run

if TYPE_CHECKING:
    from web.api.services import Services

logger = logging.getLogger("litefuse.web")

#: What may wait, and what one block may hold, at least one request.
_WAITING_BYTES = 64 << 20
_BLOCK_BYTES = 8 << 20
#: Seconds that a block has. Clients give up earlier, and repeat.
_TIMEOUT_S = 20.0
#: Seconds for which the last blocks are waited for at the end.
_CLOSE_S = 10.0
_IDS = 1000
_INSERT = {
    "async_insert": "0",
    "optimize_on_insert": "0",
    # One INSERT is one block, hence atomic.
    "min_insert_block_size_rows": "1000000000",
    "min_insert_block_size_bytes": "1099511627776",
    "max_insert_block_size": "1000000000",
}
_ASYNC = {"mutations_sync": "0"}


async def write(services: Services, scores: Sequence[NewScore]) -> None:
    """Returns when the scores are stored. Of the same id the last one counts. Raises ApiError 503 when they may not be, or
    400 when ClickHouse refuses them."""
    await services.score_writer.write(scores)


async def delete(services: Services, project_id: str, ids: Iterable[str]) -> None:
    """Returns when the scores are hidden, and their removal is noted. Unknown ids are fine. Raises as `write`."""
    await services.score_writer.write([Deleted(project_id, id_) for id_ in ids])


@dataclass(slots=True)
class _Request:
    writes: Sequence[Write]
    size: int
    stored: asyncio.Future[None]


class ScoreWriter:
    """Belongs to one event loop."""

    def __init__(self, store: Inserting, waiting_bytes: int = _WAITING_BYTES) -> None:
        self._store = store
        self._most = waiting_bytes
        self._waiting: deque[_Request] = deque()
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def write(self, writes: Sequence[Write]) -> None:
        """As the functions above."""
        if not writes:
            return
        size = sum(one.size for one in writes)
        if self._closed or (self._bytes and self._bytes + size > self._most):
            raise _later()
        request = _Request(writes, size, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        self._bytes += size
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="scores")
        await request.stored

    async def close(self) -> None:
        """Writes what waits, for a bounded time. Idempotent."""
        self._closed = True
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_CLOSE_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while self._waiting:
            together = self._next()
            try:
                await self._answer(together)
            finally:  # also when it is cancelled: nobody waits for ever
                self._bytes -= sum(request.size for request in together)
                for request in together:
                    if not request.stored.done():
                        request.stored.set_exception(_later())

    def _next(self) -> list[_Request]:
        """The requests of the next block."""
        together = [self._waiting.popleft()]
        size = together[0].size
        while self._waiting and size + self._waiting[0].size <= _BLOCK_BYTES:
            together.append(self._waiting.popleft())
            size += together[-1].size
        return together

    async def _answer(self, together: Sequence[_Request]) -> None:
        failed: Exception | None = None
        try:
            await self._write([one for request in together for one in request.writes])
        except RowRefused as error:
            if len(together) > 1:  # one of them holds what is refused: the others are no part of that
                for request in together:
                    await self._answer([request])
                return
            event(logger, logging.WARNING, "ClickHouse refuses a score", error=str(error))
            failed = invalid("The scores cannot be stored")
        except StoreError as error:
            event(logger, logging.WARNING, "scores are not stored", error=str(error), requests=len(together))
            failed = _later()
        for request in together:
            if request.stored.done():  # whoever asked has gone
                continue
            if failed is None:
                request.stored.set_result(None)
            else:
                request.stored.set_exception(failed)

    async def _write(self, writes: Iterable[Write]) -> None:
        """Raises StoreError."""
        chosen = last(writes)
        rows = planned(chosen, await self._known(chosen), time.time_ns())
        if rows:
            await self._store.insert_arrow("scores", COLUMNS, block(rows), settings=_INSERT, timeout=_TIMEOUT_S)
        await self._remove(chosen, rows)

    async def _known(self, writes: Iterable[Write]) -> dict[tuple[str, str], Known]:
        """The newest rows of their ids."""
        known = {}
        for project_id, ids in _by_project(writes):
            for at in range(0, len(ids), _IDS):
                statement = queries.versions(project_id, ids[at : at + _IDS])
                for id_, version, (deleted, *rest) in await run(self._store, statement, timeout=_TIMEOUT_S):
                    known[project_id, id_] = Known(version, bool(deleted), *rest)
        return known

    async def _remove(self, writes: Iterable[Write], rows: Sequence[dict[str, Any]]) -> None:
        """Submit the removal of what is hidden now. The row that hides it stays for a while: parts are rewritten one after
        the other, and it may be gone from its own before the others are. What was written since stays too."""
        before = max((row["version"] for row in rows), default=time.time_ns())
        for project_id, ids in _by_project(one for one in writes if isinstance(one, Deleted)):
            await self._store.command(
                "ALTER TABLE scores DELETE WHERE project_id = {project:String} AND id IN {ids:Array(String)} "
                "AND deleted = 0 AND version < {before:UInt64}",
                {"project": project_id, "ids": ids, "before": before},
                settings=_ASYNC,
                timeout=_TIMEOUT_S,
            )


def _by_project(writes: Iterable[Write]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for one in writes:
        found.setdefault(one.project_id, []).append(one.id)
    return list(found.items())


def _later() -> ApiError:
    return ApiError(503, "Service Unavailable", "ServiceUnavailableError", retry_after=1)
