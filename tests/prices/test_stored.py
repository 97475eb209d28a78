"""Prices of projects in their table, the book that follows them, and the cost of stored spans worked out anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from litefuse.clickhouse.client import Store
from litefuse.errors import StoreUnavailable
from litefuse.prices import Book, Prices
from litefuse.prices.catalogue import catalogue
from litefuse.prices.given import BadPrice, from_file, override
from litefuse.prices.reprice import Which, models, reprice
from litefuse.prices.table import read, write
from tests.prices.spans import DAY, T0, Row, insert

FILE = """[
  {"model": "gpt-4o*", "input": 1.25, "output": 5, "cached": 0.6, "start": "2026-03-01"},
  {"model": "our-llama", "provider": "vllm", "input": "0.1", "output": 0.2,
   "tiers": [{"above": 200000, "input": 0.2}]},
  {"model": "search", "requests": 5}
]"""


async def test_prices_come_back_as_they_were_written(store: Store) -> None:
    given = [*from_file(FILE, "p"), override("p'2", "it's \\ * ü", {"input": "0.000001"}, provider="a'b")]
    await write(store, given)
    assert set(await read(store)) == set(given)
    rows = await store.rows("SELECT usd_per_million['cache_read'], tiers FROM prices WHERE model = 'gpt-4o*'")
    assert [(str(usd), tiers) for usd, tiers in rows] == [("0.600000", [])]


async def test_a_newer_price_replaces_one_of_the_same_start_and_can_be_removed(store: Store) -> None:
    for usd in range(5):
        await write(store, [override("p", "m", {"input": usd})])
    assert [o.tiers for o in await read(store)] == [((-1, (("input", 4_000_000),)),)]
    await write(store, await read(store), deleted=True)
    assert await read(store) == ()
    await write(store, [override("p", "m", {"input": 9})])
    assert len(await read(store)) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ("{}", "not a list"),
        ("[1]", "price 1: not an object"),
        ('[{"model": "m", "input": 1, "colour": 2}]', "price 1: knows no colour"),
        ('[{"input": 1}]', "price 1: no name of a model"),
        ('[{"model": "*", "input": 1}]', "no name of a model"),
        ('[{"model": 5, "input": 1}]', "no name of a model"),
        ('[{"model": "m"}]', "no price of anything"),
        ('[{"model": "m", "input": -1}]', "not between 0 and"),
        ('[{"model": "m", "input": true}]', "not a number"),
        ('[{"model": "m", "input": NaN}]', "not a number"),
        ('[{"model": "m", "input": "abc"}]', "not a number"),
        ('[{"model": "m", "input": 0.0000001}]', "more than 6 digits"),
        ('[{"model": "m", "input": 1, "start": "yesterday"}]', "start is a day"),
        ('[{"model": "m", "input": 1, "start": 5}]', "start is a day"),
        ('[{"model": "m", "input": 1, "start": "9999-01-01"}]', "start is a day"),
        ('[{"model": "m", "input": 1, "cached": 1, "cache_read": 1}]', "given twice"),
        ('[{"model": "m", "input": 1, "tiers": [{"input": 2}]}]', "above a number of input tokens"),
        ('[{"model": "m", "input": 1, "tiers": [5]}]', "list of objects"),
        ('[{"model": "m", "input": 1}, {"model": "m", "input": 2}]', "price 2: m is there before"),
    ],
)
def test_a_file_that_cannot_be_one_says_where_and_why(text: str, reason: str) -> None:
    with pytest.raises(BadPrice, match=reason):
        from_file(text, "p")


async def test_the_book_follows_the_table(store: Store) -> None:
    prices = Prices(store, every_s=0.05)
    assert prices.ready() != []
    with pytest.raises(RuntimeError):
        _ = prices.book
    await prices.start()
    assert prices.ready() == []
    try:
        first = prices.book
        await asyncio.sleep(0.2)
        assert prices.book is first  # nothing has changed: what it remembers stays
        await write(store, [override("p", "our-model", {"input": 1})])
        async with asyncio.timeout(10):
            while prices.book.cost("p", "", "our-model", {"input": 1}, T0) is None:
                await asyncio.sleep(0.02)
        assert first.cost("p", "", "our-model", {"input": 1}, T0) is None
    finally:
        await prices.close()
        await prices.close()


class Away:
    """A store that does not answer its first calls, and none from `until` on."""

    def __init__(self, store: Store, first: int) -> None:
        self.store, self.left, self.calls = store, first, 0

    async def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float | None = None
    ) -> list[tuple[Any, ...]]:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise StoreUnavailable("away")
        return await self.store.rows(sql, parameters, timeout=timeout)


async def test_the_first_reading_is_tried_until_it_succeeds_and_later_failures_keep_the_book(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("litefuse.prices.refresh._AGAIN_S", 0.02)
    away = Away(store, 2)
    prices = Prices(away, every_s=0.02)
    starting = asyncio.create_task(prices.start())
    await asyncio.sleep(0.01)
    assert "prices" in prices.ready()[0]
    await asyncio.wait_for(starting, 10)
    try:
        away.left, away.calls, book = 1_000_000, 0, prices.book
        async with asyncio.timeout(10):
            while away.calls < 3:
                await asyncio.sleep(0.02)
        assert prices.book is book
        assert prices.ready() == []
    finally:
        await prices.close()


async def _costs(store: Store) -> list[tuple[Any, ...]]:
    rows = await store.rows("SELECT toString(total_cost), cost_source, price FROM spans ORDER BY span_id")
    return rows


_ALL = Which()


async def _reprice(store: Store, which: Which = _ALL, **options: Any) -> int:
    book = Book(catalogue(), await read(store))
    return sum([step.rows async for step in reprice(store, book, which, **options)])


async def test_repricing_changes_what_has_to_change_and_nothing_twice(store: Store) -> None:
    usage = {"input": 1000, "output": 100, "total": 1100}
    await insert(
        store,
        [
            Row(usage, model="gpt-4o", provider="openai"),
            Row(usage, model="gpt-4o", provider="openai", cost_source="stated", total_cost="7", cost={"total": "7"}),
            Row(usage, model="gone", cost_source="prices", total_cost="5", cost={"total": "5"}),
            Row(usage, model="gpt-4o", provider="openai", at_ns=T0 - 30 * DAY),
            Row({}, model="gpt-4o", provider="openai"),
            Row(usage, model="", provider="openai"),
            Row(usage, model="it's", provider="\\"),
        ],
    )
    assert await _reprice(store, dry_run=True) == 3
    assert (await _costs(store))[2][0] == "5"
    assert await _reprice(store) == 3
    found = await _costs(store)
    assert found == [
        ("0.0035", "prices", "openai/gpt-4o"),
        ("7", "stated", ""),
        (None, "", ""),
        ("0.0035", "prices", "openai/gpt-4o"),
        (None, "", ""),
        (None, "", ""),
        (None, "", ""),
    ]
    assert await _reprice(store) == 0
    assert await _costs(store) == found
    await write(store, [override("p", "gpt-4o", {"input": 1, "output": 1}, start="2025-11-20")])
    assert await _reprice(store) == 1
    assert (await _costs(store))[0] == ("0.0011", "project", "gpt-4o from 2025-11-20")
    assert (await _costs(store))[3] == ("0.0035", "prices", "openai/gpt-4o")


async def test_repricing_of_a_project_a_model_and_a_time(store: Store) -> None:
    usage = {"input": 1}
    rows = [
        Row(usage, model=model, project_id=project, at_ns=at)
        for model in ("gpt-4o", "gpt-4o-mini")
        for project in ("p", "q")
        for at in (T0, T0 + 20 * DAY)
    ]
    await insert(store, rows)
    assert await _reprice(store, Which("p", "gpt-4o", None, T0 + DAY), dry_run=True) == 1
    assert await _reprice(store, Which("p", None, T0 + DAY, None), dry_run=True) == 2
    assert await _reprice(store, Which(None, "gpt-4o"), dry_run=True) == 4
    assert await _reprice(store, Which("p", "gpt-4o", None, T0 + DAY)) == 1
    assert await _reprice(store) == 7


async def test_m7_repricing_takes_the_patterns_of_set(store: Store) -> None:
    names = ("gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-mini", "o3")
    await insert(store, [Row({"input": 1}, model=model) for model in names])
    for pattern, expected in (("gpt-4o*", 3), ("gpt-4o", 2), ("GPT-4o-2024-08-06", 1), ("*mini", 1), ("nothing", 0)):
        assert await _reprice(store, Which(None, pattern), dry_run=True) == expected, pattern
    assert await models(store, Which(None, "nothing")) == []
    assert await _reprice(store, Which(None, "gpt-4o")) == 2
    assert [row[2] for row in await _costs(store)] == ["openai/gpt-4o", "openai/gpt-4o", "", ""]


async def test_l4_repricing_names_only_models_of_which_rows_change(store: Store) -> None:
    """Both have the same price; of one all rows have their cost, of the other only in another partition."""
    await insert(store, [Row({"input": 1}, model="gpt-4o"), Row({"input": 1}, model="gpt-4o-2024-08-06")])
    await _reprice(store)
    await insert(store, [Row({"input": 1}, model="gpt-4o", at_ns=T0 + n * 30 * DAY) for n in (1, 2)])
    await insert(store, [Row({"input": 1}, model="gpt-4o-2024-08-06", at_ns=T0 + 60 * DAY)])
    book = Book(catalogue())
    steps = [step async for step in reprice(store, book, Which())]
    named = [([model for _, _, model in step.keys], step.rows) for step in steps]
    assert named == [(["gpt-4o"], 1), (["gpt-4o", "gpt-4o-2024-08-06"], 2)]


async def test_what_the_worker_would_store_is_what_repricing_leaves(store: Store) -> None:
    """The cost map as one of Python is in the table: a first repricing of new rows changes nothing."""
    book = Book(catalogue())
    usage = {"input": 1000, "output": 100, "output_reasoning_tokens": 7, "total": 1107}
    found = book.cost("p", "openai", "gpt-5", usage, T0)
    assert found is not None
    cost = {kind: f"{spent / 10**12:.12f}" for kind, spent in found.cost.items()}
    await insert(store, [Row(usage, model="gpt-5", provider="openai", cost=cost, cost_source=found.source)])
    await store.command(
        f"ALTER TABLE spans UPDATE price = '{found.price}' WHERE true", settings={"mutations_sync": "2"}
    )
    assert await _reprice(store, dry_run=True) == 0


def test_the_documented_file_is_one() -> None:
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "prices.md").read_text("utf-8")
    file = text.split("```json\n", 1)[1].split("```", 1)[0]
    assert json.loads(file)
    assert from_file(file, "p")
