"""A store whose reads are bounded in time, memory and size of the result: what ClickHouse does for one request of a client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litefuse.clickhouse.asking import Store
from litefuse.settings import Settings

#: Seconds that ClickHouse has to say that its time is over.
_GRACE_S = 2.0


class Bounded:
    """`store` with the bounds of the API's settings. Errors are the store's: ClickHouse's 159 for time, 241 for memory, 396 for
    the result's size."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._timeout = settings.api_timeout_s
        self._bounds = {
            "max_execution_time": f"{settings.api_timeout_s:g}",
            "max_memory_usage": str(settings.api_memory_bytes),
            "max_result_bytes": str(settings.api_result_bytes),
            "result_overflow_mode": "throw",
        }

    async def rows(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> list[tuple[Any, ...]]:
        """`timeout` can only be shorter than the bound."""
        least = min(self._timeout, timeout or self._timeout)
        bounds = {**self._bounds, "max_execution_time": f"{least:g}"}
        return await self._store.rows(
            sql, parameters, settings={**bounds, **(settings or {})}, timeout=least + _GRACE_S
        )

    async def command(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Any:
        raise TypeError("a bounded store is for reading")
