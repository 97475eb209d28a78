"""Many requests, one piece of work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from litefuse.errors import LogUnavailable, RowRefused, StoreError
from web.api.errors import ApiError
from web.api.group import Group


class Work:
    """Notes what it was given; waits while `held`; refuses what `refuses` names."""

    def __init__(self) -> None:
        self.given: list[list[str]] = []
        self.held = asyncio.Event()
        self.held.set()
        self.refuses: dict[str, Exception] = {}

    async def __call__(self, together: Sequence[str]) -> None:
        self.given.append(list(together))
        await self.held.wait()
        for one in together:
            if one in self.refuses:
                raise self.refuses[one]


async def test_what_comes_while_work_is_under_way_is_the_next_piece() -> None:
    work = Work()
    group = Group("test", work, waiting=100, together=10)
    work.held.clear()
    tasks = [asyncio.create_task(group.add(name, 4)) for name in "abcde"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    work.held.set()
    await asyncio.gather(*tasks)
    assert sorted(name for together in work.given for name in together) == list("abcde")
    assert all(len(together) <= 2 for together in work.given)
    assert len(work.given) < 5
    await group.close()


async def test_what_waits_is_bounded() -> None:
    work = Work()
    group = Group("test", work, waiting=10, together=10)
    work.held.clear()
    first = asyncio.create_task(group.add("a", 50))  # alone it may be of any size
    await asyncio.sleep(0)
    with pytest.raises(ApiError) as refused:
        await group.add("b", 1)
    assert (refused.value.status, refused.value.retry_after) == (503, 1)
    work.held.set()
    await first
    await group.add("c", 5)
    await group.close()
    with pytest.raises(ApiError):
        await group.add("d", 1)


@pytest.mark.parametrize("error", [RowRefused("row"), StoreError("too large", 396)])
async def test_what_one_has_brought_costs_no_other(error: Exception) -> None:
    work = Work()
    group = Group("test", work, waiting=100, together=100)
    work.held.clear()
    blocking = asyncio.create_task(group.add("first", 1))
    await asyncio.sleep(0)
    tasks = {name: asyncio.create_task(group.add(name, 1)) for name in ("good", "bad", "fine")}
    await asyncio.sleep(0)
    work.refuses["bad"] = error
    work.held.set()
    results = dict(zip(tasks, await asyncio.gather(*tasks.values(), return_exceptions=True), strict=True))
    assert results == {"good": None, "bad": error, "fine": None}
    await blocking
    await group.close()


async def test_what_is_nobodys_fault_is_told_to_all() -> None:
    work = Work()
    group = Group("test", work, waiting=100, together=100)
    work.refuses["b"] = LogUnavailable("down")
    work.held.clear()
    tasks = [asyncio.create_task(group.add(name, 1)) for name in ("a", "b", "c")]
    await asyncio.sleep(0)
    work.held.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [LogUnavailable] * 3
    assert len(work.given) == 1
    await group.close()


async def test_nobody_waits_for_ever_when_work_fails_by_a_fault() -> None:
    work = Work()
    group = Group("test", work, waiting=100, together=1)
    work.refuses["a"] = ZeroDivisionError("ours")
    work.held.clear()
    tasks = [asyncio.create_task(group.add(name, 1)) for name in ("a", "b")]
    await asyncio.sleep(0)
    work.held.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [ApiError] * 2
    await group.add("c", 1)
    await group.close()
