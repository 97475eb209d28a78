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
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from litefuse.clickhouse.asking import Inserting
from litefuse.clickhouse.portions import portions
from litefuse.errors import RowRefused, StoreError
from litefuse.telemetry import metrics as m
from litefuse.telemetry.logs import event
from web.api.errors import ApiError, invalid
from web.api.group import Group, later
from web.queries import scores as queries
from web.queries.new_scores import COLUMNS, Deleted, Known, NewScore, Write, block, last, planned
from web.queries.statement import run

if TYPE_CHECKING:
    from web.api.services import Services

logger = logging.getLogger("litefuse.web")

#: What may wait, and what one block may hold, at least one request.
_WAITING_BYTES = 64 << 20
_BLOCK_BYTES = 8 << 20
#: Blocks of more writes are built in a thread.
_SMALL = 200
#: Seconds that a block has. Clients give up earlier, and repeat.
_TIMEOUT_S = 20.0
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


class ScoreWriter:
    """Belongs to one event loop."""

    def __init__(self, store: Inserting, waiting_bytes: int = _WAITING_BYTES) -> None:
        self._store = store
        self._group: Group[Sequence[Write]] = Group("scores", self._work, waiting_bytes, _BLOCK_BYTES)

    async def write(self, writes: Sequence[Write]) -> None:
        """As the functions above."""
        if not writes:
            return
        try:
            await self._group.add(writes, sum(one.size for one in writes))
        except RowRefused:
            m.SCORES.labels(result="refused").inc(len(writes))
            raise invalid("The scores cannot be stored") from None
        except (StoreError, ApiError):
            m.SCORES.labels(result="failed").inc(len(writes))
            # Whatever it is, SDKs have to repeat it: of 422, which a read gets that takes too long, they would not.
            raise later() from None

    async def close(self) -> None:
        """Writes what waits, for a bounded time. Idempotent."""
        await self._group.close()

    async def _work(self, together: Sequence[Sequence[Write]]) -> None:
        """Raises StoreError."""
        try:
            await self._write([one for writes in together for one in writes])
        except StoreError as error:
            event(logger, logging.WARNING, "scores are not stored", error=str(error), requests=len(together))
            raise

    async def _write(self, writes: Iterable[Write]) -> None:
        """Raises StoreError."""
        chosen = last(writes)
        known = await self._known(chosen)
        if len(chosen) > _SMALL:
            rows, body = await asyncio.to_thread(_built, chosen, known)
        else:
            rows, body = _built(chosen, known)
        if rows:
            await self._store.insert_arrow("scores", COLUMNS, body, settings=_INSERT, timeout=_TIMEOUT_S)
            m.SCORE_BLOCKS.inc()
            m.SCORES.labels(result="stored").inc(sum(not row["deleted"] for row in rows))
        await self._remove(chosen, rows)

    async def _known(self, writes: Iterable[Write]) -> dict[tuple[str, str], Known]:
        """The newest rows of their ids."""
        known = {}
        for project_id, ids in _by_project(writes):
            for some in portions(ids):
                statement = queries.versions(project_id, some)
                for id_, version, (deleted, *rest) in await run(self._store, statement, timeout=_TIMEOUT_S):
                    known[project_id, id_] = Known(version, bool(deleted), *rest)
        return known

    async def _remove(self, writes: Iterable[Write], rows: Sequence[dict[str, Any]]) -> None:
        """Submit the removal of what is hidden now. The row that hides it stays for a while: parts are rewritten one after
        the other, and it may be gone from its own before the others are. What was written since stays too."""
        before = max((row["version"] for row in rows), default=time.time_ns())
        for project_id, ids in _by_project(one for one in writes if isinstance(one, Deleted)):
            for some in portions(ids):
                await self._store.command(
                    "ALTER TABLE scores DELETE WHERE project_id = {project:String} AND id IN {ids:Array(String)} "
                    "AND deleted = 0 AND version < {before:UInt64}",
                    {"project": project_id, "ids": some, "before": before},
                    settings=_ASYNC,
                    timeout=_TIMEOUT_S,
                )


def _built(chosen: Sequence[Write], known: Mapping[tuple[str, str], Known]) -> tuple[list[dict[str, Any]], bytes]:
    """The rows to write, also as a block."""
    rows = planned(chosen, known, time.time_ns())
    return rows, block(rows) if rows else b""


def _by_project(writes: Iterable[Write]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for one in writes:
        found.setdefault(one.project_id, []).append(one.id)
    return list(found.items())
