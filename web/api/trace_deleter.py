"""Deletions of traces, many requests at once: what comes in while ClickHouse notes some of them is noted together next.

A mutation a table and request would keep ClickHouse rewriting its files for a script that deletes one trace after the
other; it refuses new ones beyond a thousand.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from litefuse import deletion
from litefuse.clickhouse.asking import Store
from litefuse.errors import StoreError
from litefuse.telemetry.logs import event
from web.api.group import Group, later

logger = logging.getLogger("litefuse.web")

#: What may wait, and what is noted at once, bytes of ids.
_WAITING_BYTES = 16 << 20
_TOGETHER_BYTES = 4 << 20
#: Beside each id.
_OVERHEAD = 100
#: Seconds that ClickHouse has to note them.
_TIMEOUT_S = 20.0


class TraceDeleter:
    """Belongs to one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._group: Group[tuple[str, frozenset[str]]] = Group("deletions", self._work, _WAITING_BYTES, _TOGETHER_BYTES)

    async def delete(self, project_id: str, trace_ids: Iterable[str]) -> None:
        """Returns when ClickHouse has noted that these traces are to be deleted. Unknown ids are fine. Raises ApiError 503
        when it may not have: asking again is harmless."""
        ids = frozenset(trace_ids)
        try:
            await self._group.add((project_id, ids), sum(len(id_) + _OVERHEAD for id_ in ids))
        except StoreError:
            raise later() from None

    async def close(self) -> None:
        """Submits what waits, for a bounded time. Idempotent."""
        await self._group.close()

    async def _work(self, together: Sequence[tuple[str, frozenset[str]]]) -> None:
        """Raises StoreError."""
        projects: dict[str, set[str]] = {}
        for project_id, ids in together:
            projects.setdefault(project_id, set()).update(ids)
        for project_id, all_ids in projects.items():
            try:
                await deletion.submit(self._store, project_id, all_ids, timeout=_TIMEOUT_S)
            except StoreError as error:
                event(
                    logger, logging.WARNING, "a deletion of traces is not noted", error=str(error), traces=len(all_ids)
                )
                raise
