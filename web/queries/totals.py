"""How many rows there are in all, beside a page of them: counted for a short while only (public-api.md section 1.5).

A page in the order of time reads little, its total reads everything that matches. So the count runs beside the page, has
bounds of its own, and where it reaches them the total is what the page itself tells: there are at least so many. A count
that has reached them is not tried again at once, so that not every page of a long list waits for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from litefuse.clickhouse.asking import Store
from litefuse.clickhouse.codes import BUSY, TOO_MUCH, TOO_SLOW
from litefuse.errors import StoreError
from web.queries.statement import Statement, run

#: Seconds that a count may take: the `timeout` of the count functions.
COUNT_S = 2.5
#: Seconds for which a count that has reached its bounds is not tried again, and how many such counts are remembered.
_AGAIN_S = 10.0
_REMEMBERED = 1000
#: 0: no answer in time.
_GIVEN_UP = TOO_SLOW | TOO_MUCH | {BUSY, 0}

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Total:
    """`at_least`: there may be more; at the end of what is known a client finds out, page by page."""

    items: int
    at_least: bool = False


#: Hash of a count that has reached its bounds → when it may be tried again, and the error.
_ENDED: dict[int, tuple[float, type[StoreError], str, int]] = {}


async def counted(store: Store, statement: Statement, timeout: float) -> int:
    """The number that a statement counts. Raises StoreError, that of a moment ago when the count then reached its bounds."""
    key = hash((timeout, statement.sql, repr(statement.parameters)))
    if key in _ENDED:
        until, kind, text, code = _ENDED[key]
        if time.monotonic() < until:
            raise kind(text, code)
    try:
        return int((await run(store, statement, timeout=timeout))[0][0])
    except StoreError as error:
        if error.code in TOO_SLOW | TOO_MUCH:
            if len(_ENDED) >= _REMEMBERED:
                _ENDED.clear()
            _ENDED[key] = (time.monotonic() + _AGAIN_S, type(error), str(error), error.code)
        raise


async def total(count: Awaitable[int], offset: int, shown: int, more: bool) -> Total:
    """The total of a list of which a page with `shown` rows was read, those from `offset` on; `more`: a row after it was
    seen. The count is awaited, whatever the page tells. Raises StoreError unless the count has but reached its bounds."""
    least = offset + shown + more if shown else 0
    try:
        counted = await count
    except StoreError as error:
        if error.code not in _GIVEN_UP:
            raise
        return Total(least, at_least=more or not shown)
    # Rows may have come between the two.
    return Total(max(counted, least))


async def beside(
    page: Coroutine[Any, Any, Sequence[Row]], count: Coroutine[Any, Any, int], offset: int, limit: int
) -> tuple[Sequence[Row], Total]:
    """A page and its total, read at the same time. `page` gives up to `limit` + 1 rows from `offset` on, of which at most
    `limit` are returned. A page that is the last says the total itself: its count is not waited for."""
    counting = asyncio.ensure_future(count)
    try:
        rows = await page
        shown, more = rows[:limit], len(rows) > limit
        if not more and (shown or not offset):
            return shown, Total(offset + len(shown))
        return shown, await total(counting, offset, len(shown), more)
    finally:
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)
