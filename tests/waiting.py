"""Waiting for something to become true, with a deadline instead of a blind sleep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


def eventually(
    true: Callable[[], object], timeout: float, every: float = 0.1, why: Callable[[], object] = lambda: ""
) -> None:
    """Return when `true()` is; AssertionError after `timeout` seconds, with what `why()` says then."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"not true within {timeout} s {why()}"
        time.sleep(every)


async def until(true: Callable[[], object], timeout: float = 20.0, every: float = 0.01) -> None:
    """The same within an event loop."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"not true within {timeout} s"
        await asyncio.sleep(every)


async def becomes(true: Callable[[], Awaitable[object]], timeout: float = 20.0, every: float = 0.05) -> None:
    """The same of something that has to be asked for."""
    deadline = time.monotonic() + timeout
    while not await true():
        assert time.monotonic() < deadline, f"not true within {timeout} s"
        await asyncio.sleep(every)
