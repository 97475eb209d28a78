"""A store for one request of a client: its reads together are bounded in time, each in memory and in the size of its result."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from litefuse.clickhouse.asking import READS, Store
from litefuse.errors import StoreUnavailable
from litefuse.settings import Settings

#: Seconds that ClickHouse has to say that its time is over.
_GRACE_S = 2.0
#: ClickHouse's code for a query that took too long.
TIMEOUT_EXCEEDED = 159


class Bounded:
    """`store` with the bounds of the API's settings, for what is asked within `api_timeout_s` of its making. Errors are the
    store's: code 159 for time, 241 for memory, 396 for the result's size."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._ends = time.monotonic() + settings.api_timeout_s
        self._bounds = {
            "max_memory_usage": str(settings.api_memory_bytes),
            "max_result_bytes": str(settings.api_result_bytes),
            "result_overflow_mode": "throw",
            "workload": READS,
        }

    async def rows(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> list[tuple[Any, ...]]:
        """`timeout` can only be shorter than the bound. A walk in windows that finds nothing takes many statements: they share
        the time."""
        left = min(self._ends - time.monotonic(), timeout or float("inf"))
        if left <= 0:
            raise StoreUnavailable("the time of the request is over", TIMEOUT_EXCEEDED)
        # 0 would be no bound.
        bounds = {**self._bounds, "max_execution_time": f"{max(left, 0.001):.3f}", **(settings or {})}
        return await self._store.rows(sql, parameters, settings=bounds, timeout=left + _GRACE_S)

    async def command(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Any:
        raise TypeError("a bounded store is for reading")
