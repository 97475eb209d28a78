"""Records into the log, within a deadline (architecture sections 5 and 6)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from litefuse.errors import LogError, LogFull, LogUnavailable, RequestError
from litefuse.log.base import TRACES, Headers, Log
from litefuse.telemetry import metrics as m

#: The longest that a client waits for the log. Exporters give up after 10 s by default, and an answer that says "try
#: again" has to reach them before: some take a time-out for final.
ANSWER_S = 8.0
_RETRY_AFTER_S = 2
_RETRY_AFTER_FULL_S = 1


class Clock:
    """Times of receipt, Unix ns: each later than the one before, also when the system's clock is set back."""

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> int:
        self._last = max(time.time_ns(), self._last + 1)
        return self._last


class Publisher:
    """Writes traces into the log."""

    def __init__(self, log: Log, timeout_s: float) -> None:
        self._log = log
        self._timeout_s = min(timeout_s, ANSWER_S)

    async def publish(self, value: bytes, headers: Headers, key: bytes | None = None) -> None:
        """Returns when the record is durable. Raises LogError; LogUnavailable also when the deadline passes."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._log.publish(TRACES, value, headers, key)
        except TimeoutError as error:
            raise LogUnavailable("the log did not confirm in time") from error
        m.PUBLISH_SECONDS.observe(time.monotonic() - began)

    async def publish_all(self, values: Sequence[bytes], headers: Headers, key: bytes | None) -> None:
        """Several records of one request, all durable when it returns. When some fail, others may be stored: the client
        sends all of it again, and the copies collapse."""
        if len(values) == 1:
            await self.publish(values[0], headers, key)
            return
        results = await asyncio.gather(*(self.publish(value, headers, key) for value in values), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def max_value_bytes(self, headers: Headers) -> int:
        return self._log.max_value_bytes(headers)


def refused_by_log(error: LogError) -> RequestError:
    """What the client is told: all of these can pass, so that it tries again."""
    if isinstance(error, LogFull):
        return RequestError(503, "the log's buffer is full; try again", retry_after=_RETRY_AFTER_FULL_S)
    return RequestError(503, "the log cannot be written now; try again", retry_after=_RETRY_AFTER_S)
