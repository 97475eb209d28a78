"""Signals, and a shutdown that is a written sequence with a deadline.

The first SIGTERM or SIGINT asks to stop; a second one ends whatever step is running and hastens the rest. Each step is
awaited for at most what is left of the time, then cancelled, and the next one begins: whatever hangs, the process ends.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable

from litefuse.telemetry.logs import event

logger = logging.getLogger("litefuse.stop")

#: Seconds for closing what has nothing to drain any more, however late it is.
_LEAST = 2.0


class Signals:
    """`stop` is set by the first signal, `hasten` by the second."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.hasten = asyncio.Event()

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._received, number)

    def _received(self, number: signal.Signals) -> None:
        if self.stop.is_set():
            event(logger, logging.WARNING, "second signal, not waiting any longer", signal=number.name)
            self.hasten.set()
        else:
            event(logger, logging.INFO, "stopping", signal=number.name)
            self.stop.set()


class Sequence:
    """Steps in the order in which they were pushed last to first: what was started last stops first."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._steps: list[tuple[str, Callable[[], Awaitable[object]]]] = []

    def push(self, name: str, close: Callable[[], Awaitable[object]]) -> None:
        self._steps.append((name, close))

    async def run(self, deadline_s: float) -> None:
        """All steps. Never raises: an error of one is logged and the others follow."""
        end = time.monotonic() + deadline_s
        while self._steps:
            name, close = self._steps.pop()
            await self._step(name, close, max(_LEAST, end - time.monotonic()))

    async def _step(self, name: str, close: Callable[[], Awaitable[object]], seconds: float) -> None:
        began = time.monotonic()
        task = asyncio.ensure_future(close())
        hasten = asyncio.ensure_future(self._signals.hasten.wait())
        limit = _LEAST if self._signals.hasten.is_set() else seconds
        waiting = {task} if self._signals.hasten.is_set() else {task, hasten}
        await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        hasten.cancel()
        if not task.done():
            await asyncio.wait({task}, timeout=0.2)
        if not task.done():
            event(
                logger, logging.WARNING, "not finished in time", step=name, seconds=round(time.monotonic() - began, 1)
            )
            task.cancel()
            await asyncio.wait({task}, timeout=_LEAST)
        elif not task.cancelled() and task.exception() is not None:
            logger.error("stopping failed", extra={"fields": {"step": name}}, exc_info=task.exception())
