"""What one request may read: its time is one for all its statements, memory and result are bounded for each."""

from __future__ import annotations

import asyncio
import time

import pytest

from litefuse.clickhouse.client import Store
from litefuse.errors import StoreError
from litefuse.settings import Settings
from web.queries.bounded import TIMEOUT_EXCEEDED, Bounded


async def code(store: Bounded, sql: str, timeout: float | None = None) -> int:
    with pytest.raises(StoreError) as raised:
        await store.rows(sql, timeout=timeout)
    return raised.value.code


async def test_a_slow_statement_is_ended(store: Store) -> None:
    sql = "SELECT count() FROM numbers_mt(1000000000000) WHERE sipHash64(number) = 1"
    assert await code(Bounded(store, Settings(api_timeout_s=0.5)), sql) == TIMEOUT_EXCEEDED
    assert await code(Bounded(store, Settings()), sql, timeout=0.3) == TIMEOUT_EXCEEDED


async def test_many_quick_statements_share_the_time(store: Store) -> None:
    """A walk in windows through a large project that finds nothing would go on for minutes."""
    bounded = Bounded(store, Settings(api_timeout_s=0.6))
    began = time.monotonic()
    assert await bounded.rows("SELECT sleep(0.1)") == [(0,)]
    while time.monotonic() < began + 0.6:
        await asyncio.sleep(0.05)
    assert await code(bounded, "SELECT 1") == TIMEOUT_EXCEEDED
    assert await Bounded(store, Settings(api_timeout_s=0.6)).rows("SELECT 1") == [(1,)]


async def test_memory_is_bounded(store: Store) -> None:
    sql = "SELECT length(groupArray(toString(number))) FROM numbers(10000000)"
    assert await code(Bounded(store, Settings(api_memory_bytes=16777216)), sql) == 241


async def test_a_result_is_bounded(store: Store) -> None:
    sql = "SELECT repeat(toString(number % 7), 1000) FROM numbers(10000)"
    assert await code(Bounded(store, Settings(api_result_bytes=1048576)), sql) == 396
