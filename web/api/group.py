"""Many requests, one piece of work: while one is under way, what comes in waits for the next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from litefuse.clickhouse.codes import TOO_MUCH
from litefuse.errors import LitefuseError, RowRefused, StoreError
from web.api.errors import ApiError

T = TypeVar("T")

#: Seconds for which work is waited for at the end.
_CLOSE_S = 10.0


@dataclass(slots=True)
class _Request(Generic[T]):
    brought: T
    size: int
    done: asyncio.Future[None]


class Group(Generic[T]):
    """`work` is given what some requests brought, up to `together` bytes or what one has brought, and what it raises is raised
    to all of them; but where what one has brought may be at fault, each has a try of its own. What waits is bounded: beyond
    `waiting` bytes, 503. Belongs to one event loop."""

    def __init__(self, name: str, work: Callable[[Sequence[T]], Awaitable[None]], waiting: int, together: int) -> None:
        self._name = name
        self._work = work
        self._most_waiting, self._most_together = waiting, together
        self._waiting: deque[_Request[T]] = deque()
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def add(self, brought: T, size: int) -> None:
        """Returns when the work is done. Raises ApiError 503, and what `work` raises."""
        if self._closed or (self._bytes and self._bytes + size > self._most_waiting):
            raise later()
        request = _Request(brought, size, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        self._bytes += size
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=self._name)
        await request.done

    async def close(self) -> None:
        """Works on what waits, for a bounded time. Idempotent."""
        self._closed = True
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_CLOSE_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        together: list[_Request[T]] = []
        try:
            while self._waiting:
                together = self._next()
                await self._answer(together)
                self._bytes -= sum(request.size for request in together)
                together = []
        finally:  # also when it is cancelled, or fails by a fault of ours: nobody waits for ever
            for request in (*together, *self._waiting):
                self._bytes -= request.size
                if not request.done.done():
                    request.done.set_exception(later())
            self._waiting.clear()

    def _next(self) -> list[_Request[T]]:
        together = [self._waiting.popleft()]
        size = together[0].size
        while self._waiting and size + self._waiting[0].size <= self._most_together:
            together.append(self._waiting.popleft())
            size += together[-1].size
        return together

    async def _answer(self, together: Sequence[_Request[T]]) -> None:
        failed: LitefuseError | None = None
        try:
            await self._work([request.brought for request in together])
        except LitefuseError as error:
            alone = isinstance(error, RowRefused) or (isinstance(error, StoreError) and error.code in TOO_MUCH)
            if alone and len(together) > 1:  # one of them holds what is refused: the others are no part of that
                for request in together:
                    await self._answer([request])
                return
            failed = error
        for request in together:
            if request.done.done():  # whoever asked has gone
                continue
            if failed is None:
                request.done.set_result(None)
            else:
                request.done.set_exception(failed)


def later() -> ApiError:
    """503 for what may be tried again at once."""
    return ApiError(503, "Service Unavailable", "ServiceUnavailableError", retry_after=1)
