"""Small requests of one sender into one record: a concatenation of export requests is an export request.

While a record of a sender is on its way into the log, its next small bodies are collected; they go when that one is
durable, when there are enough of them, or after AGE_S, whichever comes first. The first of a burst never waits. Each
request is answered when the record that holds it is durable, so nothing is promised early.

`received_at` belongs to the record, and so it is fixed when a batch begins: requests are checked against the time that
their record will bear.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ingest.publish import Clock
from litefuse.errors import LogError, LogUnavailable
from litefuse.log.sender import Sender

#: Bodies up to this size are collected; larger ones gain nothing.
SMALL_BYTES = 16 << 10
_BATCH_BYTES = 128 << 10
AGE_S = 0.003


@dataclass(slots=True, eq=False)
class Batch:
    """Bodies of one sender, not yet on their way. `waiting` are the requests that wait for it."""

    sender: Sender
    received_at: int
    bodies: list[bytes] = field(default_factory=list)
    size: int = 0
    spans: int = 0
    waiting: list[asyncio.Future[None]] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


#: Makes a batch durable. Raises LogError.
Send = Callable[[Batch], Awaitable[None]]


class Batcher:
    """Belongs to one event loop. What it holds in memory is counted by the requests that wait for it."""

    def __init__(self, send: Send, clock: Clock) -> None:
        self._send = send
        self._clock = clock
        self._open: dict[Sender, Batch] = {}
        self._flying: dict[Sender, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def batch(self, sender: Sender) -> Batch:
        """The batch that a body of this sender would go into now. Valid until the next await."""
        return self._open.get(sender) or Batch(sender, self._clock.now())

    async def add(self, batch: Batch, body: bytes, spans: int) -> None:
        """Put the body into the batch; returns when it is durable. Raises LogError."""
        batch.bodies.append(body)
        batch.size += len(body)
        batch.spans += spans
        if batch.sender not in self._flying:
            await self._fly(batch)
            return
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[None] = loop.create_future()
        batch.waiting.append(durable)
        if len(batch.bodies) == 1:
            self._open[batch.sender] = batch
            batch.timer = loop.call_later(AGE_S, self._launch, batch)
        elif batch.size >= _BATCH_BYTES:
            self._launch(batch)
        await durable

    async def close(self) -> None:
        """Give up what is still under way; who waits for it gets LogUnavailable."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _launch(self, batch: Batch) -> None:
        if self._open.get(batch.sender) is batch:
            del self._open[batch.sender]
            if batch.timer is not None:
                batch.timer.cancel()
            task = asyncio.create_task(self._fly(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _fly(self, batch: Batch) -> None:
        sender = batch.sender
        self._flying[sender] = self._flying.get(sender, 0) + 1
        error: LogError = LogUnavailable("shut down before the log confirmed")
        sent = False
        try:
            await self._send(batch)
            sent = True
        except LogError as failure:
            error = failure
            if not batch.waiting:
                raise
        finally:
            self._flying[sender] -= 1
            if not self._flying[sender]:
                del self._flying[sender]
                if (following := self._open.get(sender)) is not None:
                    self._launch(following)
            for durable in batch.waiting:
                if durable.done():
                    continue
                if sent:
                    durable.set_result(None)
                else:
                    durable.set_exception(error)
