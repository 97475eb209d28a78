"""Waiting for something to become true, with a deadline instead of a blind sleep."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(true: Callable[[], object], timeout: float, every: float = 0.1) -> None:
    """Return when `true()` is; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"not true within {timeout} s"
        time.sleep(every)
