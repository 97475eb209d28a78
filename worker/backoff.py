"""Waiting between tries: exponential with jitter, and one log line an outage rather than one a try."""

from __future__ import annotations

import asyncio
import logging
import random

logger = logging.getLogger("litefuse.worker")


async def settle(seconds: float) -> None:
    """Wait until nothing that was sent earlier can still be running."""
    await asyncio.sleep(max(0.0, seconds))


class Backoff:
    """`wait` sleeps `first` seconds, then twice as long each time up to `most`, each with ±50 % jitter so that workers
    that failed together do not come back together."""

    def __init__(self, first: float = 0.1, most: float = 10.0) -> None:
        self._next = first
        self._most = most
        self.tries = 0

    async def wait(self, error: BaseException, what: str) -> None:
        self.tries += 1
        if self.tries == 1 or self.tries % 30 == 0:
            logger.warning(
                "will be tried again",
                extra={
                    "fields": {"what": what, "tries": self.tries, "error": str(error), "kind": type(error).__name__}
                },
            )
        await asyncio.sleep(self._next * random.uniform(0.5, 1.5))
        self._next = min(self._next * 2, self._most)
