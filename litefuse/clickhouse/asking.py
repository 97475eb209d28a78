"""What those who ask ClickHouse use of `client.Store`, so that they can be given something else with the same methods: a
store that is not reached yet, or a test's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

#: ClickHouse's setting `workload` for what the public API reads. A server that has a workload of this name schedules by it; the
#: embedded engine has a lane for it.
READS = "reads"


class Rows(Protocol):
    """Asked without settings."""

    async def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float | None = ...
    ) -> list[tuple[Any, ...]]: ...


class Store(Protocol):
    """Asked, and told. Both raise litefuse.errors.StoreError."""

    async def rows(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        timeout: float | None = ...,
    ) -> list[tuple[Any, ...]]: ...

    async def command(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        timeout: float | None = ...,
    ) -> Any: ...


class Inserting(Store, Protocol):
    """Also given rows. Raises StoreError; after any the rows may be stored or not."""

    async def insert_arrow(
        self, table: str, columns: Sequence[str], body: bytes, *, settings: Mapping[str, str], timeout: float
    ) -> None: ...
