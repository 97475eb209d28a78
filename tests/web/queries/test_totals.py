"""Totals beside pages: exact, given up, or told by the page itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from litefuse.errors import StoreError, StoreMisconfigured, StoreTooBig, StoreUnavailable
from web.api.paging import meta
from web.queries import totals
from web.queries.statement import PROJECT, bind
from web.queries.totals import Total, beside, total

ROWS = list(range(10))


async def number(items: int | StoreError) -> int:
    await asyncio.sleep(0)
    if isinstance(items, StoreError):
        raise items
    return items


async def page(offset: int, limit: int) -> Sequence[int]:
    return ROWS[offset : offset + limit + 1]


@pytest.mark.parametrize(
    ("offset", "limit", "rows", "items"),
    [
        (0, 3, [0, 1, 2], 10),
        (3, 3, [3, 4, 5], 10),
        (9, 3, [9], 10),
        (0, 10, ROWS, 10),
        (12, 3, [], 10),
        (0, 20, ROWS, 10),
    ],
)
async def test_exact(offset: int, limit: int, rows: list[int], items: int) -> None:
    assert await beside(page(offset, limit), number(10), offset, limit) == (rows, Total(items))


@pytest.mark.parametrize(
    "error", [StoreUnavailable("slow", 159), StoreTooBig("big", 241), StoreUnavailable("silent", 0)]
)
@pytest.mark.parametrize(
    ("offset", "wanted"),
    [(0, Total(4, True)), (3, Total(7, True)), (6, Total(10, True)), (9, Total(10)), (12, Total(0, True))],
)
async def test_a_count_that_gives_up_leaves_what_the_page_tells(error: StoreError, offset: int, wanted: Total) -> None:
    rows, found = await beside(page(offset, 3), number(error), offset, 3)
    assert rows == ROWS[offset : offset + 3]
    assert found == wanted


async def test_who_pages_by_lower_bounds_sees_every_row() -> None:
    found: list[int] = []
    at = 1
    while True:
        rows, items = await beside(page((at - 1) * 3, 3), number(StoreUnavailable("slow", 159)), (at - 1) * 3, 3)
        found += rows
        if at >= meta(at, 3, items)["totalPages"]:
            break
        at += 1
    assert found == ROWS


async def test_other_errors_are_errors() -> None:
    with pytest.raises(StoreMisconfigured):
        await beside(page(0, 3), number(StoreMisconfigured("no such column", 47)), 0, 3)

    async def broken() -> Sequence[int]:
        raise StoreUnavailable("down", 210)

    with pytest.raises(StoreUnavailable, match="down"):
        await beside(broken(), number(3), 0, 3)


async def test_a_last_page_waits_for_no_count() -> None:
    async def never() -> int:
        await asyncio.Event().wait()
        return 0

    async with asyncio.timeout(5):
        assert await beside(page(9, 3), never(), 9, 3) == ([9], Total(10))


async def test_rows_that_came_after_the_count() -> None:
    assert await total(number(2), offset=3, shown=3, more=True) == Total(7)


class Slow:
    """A store whose counts take too long, and which counts its queries."""

    def __init__(self) -> None:
        self.asked = 0

    async def rows(self, *_: object, **__: object) -> list[tuple[int]]:
        self.asked += 1
        raise StoreUnavailable("slow", 159)

    async def command(self, *_: object, **__: object) -> None: ...


async def test_a_count_that_gave_up_is_not_tried_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Slow()
    one, other = (bind(project, f"SELECT count() FROM spans WHERE {PROJECT}") for project in ("p", "q"))
    for statement, asked in ((one, 1), (one, 1), (other, 2), (one, 2)):
        with pytest.raises(StoreUnavailable, match="slow"):
            await totals.counted(store, statement, 2.5)
        assert store.asked == asked
    monkeypatch.setattr(totals, "_AGAIN_S", 0.0)
    for asked in (3, 4):
        with pytest.raises(StoreUnavailable):
            await totals.counted(store, bind("r", one.sql), 2.5)
        assert store.asked == asked


def test_meta() -> None:
    assert meta(2, 50, Total(101)) == {"page": 2, "limit": 50, "totalItems": 101, "totalPages": 3}
    assert meta(1, 50, Total(0)) == {"page": 1, "limit": 50, "totalItems": 0, "totalPages": 0}
    assert meta(1, 50, Total(51, True))["totalIsLowerBound"] is True
