"""Keeps a Book up to date with the projects' own prices in ClickHouse."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from litefuse.clickhouse.asking import Rows
from litefuse.errors import StoreError
from litefuse.prices.book import Book
from litefuse.prices.overrides import Override
from litefuse.prices.table import read

logger = logging.getLogger("litefuse.prices")

#: Seconds between readings of the projects' prices: how soon a changed price holds for spans that come.
EVERY_S = 10.0
#: Seconds between tries of the first reading.
_AGAIN_S = 1.0


class Prices:
    """`start` returns when the first book is there; until then `book` must not be used. A reading that fails later keeps
    the last book."""

    def __init__(self, store: Rows, every_s: float = EVERY_S) -> None:
        self._store = store
        self._every_s = every_s
        self._book: Book | None = None
        self._waiting = "prices are not read yet"
        self._task: asyncio.Task[None] | None = None

    @property
    def book(self) -> Book:
        if self._book is None:
            raise RuntimeError("prices are used before the first reading of them")
        return self._book

    async def start(self) -> None:
        """Read until it succeeds, then go on in the background. Does not raise for an absent ClickHouse."""
        from litefuse.prices.catalogue import catalogue

        while self._book is None:
            try:
                self._book = Book(await asyncio.to_thread(catalogue), await read(self._store))
            except StoreError as error:
                if not self._waiting.endswith(str(error)):
                    logger.warning("prices cannot be read", extra={"fields": {"error": str(error)}})
                self._waiting = f"prices cannot be read: {error}"
                await asyncio.sleep(_AGAIN_S)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def load(self) -> None:
        """Read once more, and swap the book when something has changed. Raises StoreError."""
        overrides: tuple[Override, ...] = await read(self._store)
        if overrides != self.book.overrides:
            self._book = Book(self.book.catalogue, overrides)

    def ready(self) -> list[str]:
        """Why no spans can be priced now; empty when they can."""
        return [] if self._book is not None else [self._waiting]

    async def close(self) -> None:
        """Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        failing = False
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.load()
                failing = False
            except StoreError as error:
                if not failing:  # once, not at every try while ClickHouse is away
                    logger.warning("prices cannot be read, the last ones stay", extra={"fields": {"error": str(error)}})
                failing = True
