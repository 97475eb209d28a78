"""The state of the pipeline in a few numbers, for the landing page and `litefuse status`.

`take` asks log and store at once and gives None for what cannot be told now, with the reason among `problems`; it never
raises for a dependency that is down. `Cached` lets any number of viewers cost one `take` every few seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from litefuse.clickhouse.asking import Rows
from litefuse.dead import read_open
from litefuse.errors import LogError, StoreError
from litefuse.log.base import DEAD, TRACES, Log

#: Seconds that log and store have to answer.
_TIMEOUT = 5.0
#: Records of the dead topic beyond which it is not read through for a number.
_READABLE = 10_000
_PASSING = (StoreError, LogError, OSError, TimeoutError)

# Kept cheap by the table's minmax index.
_RATE = "SELECT count() FROM spans WHERE received_at >= now() - INTERVAL 1 MINUTE"
#: Seconds without spans after which health says so to who asks.
RECENT_S = 180
_RECENT = f"SELECT count() FROM (SELECT 1 FROM spans WHERE received_at >= now() - INTERVAL {RECENT_S} SECOND LIMIT 1)"


@dataclass(frozen=True, slots=True)
class State:
    """`spans` counts rows, copies included; `recent`: 1 when there are any of the last RECENT_S seconds, else 0; `dead` is -1
    when there are too many to count."""

    spans: int | None = None
    last_minute: int | None = None
    lag_records: int | None = None
    lag_seconds: float | None = None
    dead: int | None = None
    recent: int | None = None
    problems: tuple[str, ...] = ()
    taken_at: float = field(default_factory=time.time)


async def take(log: Log, store: Rows, group: str, known_dead: dict[int, int]) -> State:
    """`known_dead` is the caller's, empty at first."""
    problems: list[str] = []

    async def ask(what: str, call: Callable[[], Awaitable[Any]]) -> Any:
        try:
            async with asyncio.timeout(_TIMEOUT):
                return await call()
        except _PASSING as error:
            problem = f"{what}: {str(error) or 'no answer'}"
            if problem not in problems:
                problems.append(problem)
            return None

    async def count(sql: str) -> int:
        return int((await store.rows(sql, timeout=_TIMEOUT))[0][0])

    spans, rate, recent, lag, dead = await asyncio.gather(
        ask("ClickHouse", lambda: count("SELECT count() FROM spans")),
        ask("ClickHouse", lambda: count(_RATE)),
        ask("ClickHouse", lambda: count(_RECENT)),
        ask("log", lambda: _lag(log, group)),
        ask("log", lambda: _dead(log, known_dead)),
    )
    records, seconds = lag if lag is not None else (None, None)
    return State(spans, rate, records, seconds, dead, recent, tuple(problems))


async def _lag(log: Log, group: str) -> tuple[int, float]:
    """Records not yet committed, and the age of the oldest in seconds."""
    positions = await log.positions(TRACES, group)
    records = sum(max(0, at.end - max(0, at.committed)) for at in positions.values())
    oldest = min((at.oldest_ns for at in positions.values() if at.oldest_ns is not None), default=None)
    return records, 0.0 if oldest is None or not records else max(0.0, time.time() - oldest / 1e9)


async def _dead(log: Log, known: dict[int, int]) -> int:
    """Open dead letters. They are read through only when there are others than at the last look, of which `known` holds the
    number by the records then written: this page is for everybody who can reach the port."""
    written = sum(at.end for at in (await log.positions(DEAD, "litefuse-dead")).values())
    if written == 0:
        return 0
    if written > _READABLE:
        return -1
    if written not in known:
        found = len(await read_open(log))
        known.clear()
        known[written] = found
    return known[written]


class Cached:
    """The last state, taken anew when it is older than `age_s` and somebody asks. Belongs to one event loop."""

    def __init__(self, take_state: Callable[[], Awaitable[State]], age_s: float = 3.0) -> None:
        self._take = take_state
        self._age_s = age_s
        self._state: State | None = None
        self._taken = float("-inf")
        self._lock = asyncio.Lock()

    async def get(self) -> State:
        async with self._lock:
            if self._state is None or time.monotonic() - self._taken >= self._age_s:
                self._state = await self._take()
                self._taken = time.monotonic()
            return self._state
