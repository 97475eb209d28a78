"""Bytes of all requests being read, checked or published, within one bound (architecture section 6)."""

from __future__ import annotations

from types import TracebackType

from litefuse.errors import RequestError

#: Bytes that a request is counted with besides its body: objects, headers, buffers.
OVERHEAD = 4096
_RETRY_AFTER_S = 1


class Budget:
    """`used` never exceeds `limit`, but for one request alone: what is larger than the limit has to get through too."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def lease(self) -> Lease:
        """A request's share; use it as a context manager. Raises RequestError (503) when there is no room."""
        return Lease(self)


class Lease:
    """Grows as the body arrives, and is given back at the end. Belongs to one event loop."""

    __slots__ = ("_budget", "_taken")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._taken = 0
        self.add(OVERHEAD)

    def add(self, count: int) -> None:
        """Take `count` bytes more. Raises RequestError (503), and then takes nothing."""
        budget = self._budget
        used = budget.used + count
        if used > budget.limit and budget.used > self._taken:
            raise RequestError(
                503, "too many bytes of other requests in flight; try again", retry_after=_RETRY_AFTER_S, close=True
            )
        budget.used = used
        self._taken += count

    def grow(self, count: int) -> None:
        """Count `count` bytes more, room or not: what a request has become by work that is done already. Bounded by how
        many requests are worked on at once."""
        self._budget.used += count
        self._taken += count

    def release(self) -> None:
        self._budget.used -= self._taken
        self._taken = 0

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
