"""A price as SQL gives what Python gives, to the last digit, in the real table."""

from __future__ import annotations

import random
from typing import Any

import pytest

from litefuse.clickhouse.client import Store
from litefuse.prices.book import Book
from litefuse.prices.catalogue import catalogue
from litefuse.prices.kinds import NAMES, NONE
from litefuse.prices.overrides import Override
from litefuse.prices.price import (
    ALWAYS,
    MAX_PICODOLLARS,
    Period,
    Price,
    Priced,
    Tier,
    Timeline,
    cost_columns,
    priced,
)
from litefuse.prices.sql import assignments, changed
from tests.prices.spans import DAY, T0, Row, insert, usage

_COLUMNS = ", ".join(
    f"if(isNull({c}), NULL, reinterpretAsInt64(assumeNotNull({c})))"
    for c in ("input_cost", "output_cost", "total_cost")
)
_READ = f"""SELECT mapKeys(cost), arrayMap(x -> reinterpretAsInt64(x), mapValues(cost)), [{_COLUMNS}], cost_source, price
    FROM spans ORDER BY span_id"""


def _expected(timeline: Timeline, row: Row) -> tuple[Any, ...]:
    price = timeline.at(row.at_ns)
    found = None if price is None else priced(price, row.usage, row.at_ns)
    if not isinstance(found, Priced):
        return {}, [None, None, None], "", ""
    return found.cost, list(cost_columns(found.cost)), found.source, found.price


async def _same(store: Store, timeline: Timeline, rows: list[Row]) -> None:
    await insert(store, rows)
    columns = ", ".join(f"{column} = {value}" for column, value in assignments(timeline).items())
    settings = {"mutations_sync": "2", "max_query_size": str(16 << 20), "max_ast_elements": "1000000"}
    await store.command(f"ALTER TABLE spans UPDATE {columns} WHERE {changed(timeline)}", settings=settings)
    for row, (kinds, costs, *others) in zip(rows, await store.rows(_READ), strict=True):
        assert (dict(zip(kinds, costs, strict=True)), *others) == _expected(timeline, row), row
    # A second run finds nothing to do.
    assert await store.rows(f"SELECT countIf({changed(timeline)}) FROM spans", settings=settings) == [(0,)]


def _random_price(chance: random.Random) -> Price:
    def tier(above: int, name: str) -> Tier:
        dense = chance.random()
        rates = tuple(chance.randrange(10**8) if chance.random() < dense else NONE for _ in NAMES)
        return Tier(above, rates, name if above < 0 else f"{name} above {above}")

    def period(name: str) -> Period:
        sizes = sorted(chance.sample((128_000, 199_999, 200_000, 272_000), chance.randint(0, 2)))
        daily = None
        if chance.random() < 0.3:
            daily = (chance.randrange(86_400), chance.randrange(86_400))
        start = ALWAYS if chance.random() < 0.4 else T0 + chance.randint(-3, 3) * DAY
        return Period(tuple(tier(size, name) for size in (-1, *sizes)), start, daily)

    return Price("prices", "p/m", tuple(period(f"p/m's {n}") for n in range(chance.randint(1, 3))))


@pytest.mark.parametrize("seed", range(8))
async def test_sql_equals_python_for_random_prices_usages_and_times(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    starts = (ALWAYS, *sorted({T0 + chance.randint(-2, 2) * DAY for _ in range(chance.randint(0, 2))}))
    prices = tuple(None if chance.random() < 0.15 else _random_price(chance) for _ in starts)
    edges = [T0 + days * DAY + ns for days in range(-3, 4) for ns in (-1, 0, 1)]
    rows = [
        Row(usage(chance), chance.choice(edges) if chance.random() < 0.4 else T0 + chance.randrange(-4 * DAY, 4 * DAY))
        for _ in range(250)
    ]
    await _same(store, Timeline(starts, prices), rows)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o"),
        ("google", "gemini-2.5-pro"),
        ("anthropic", "claude-sonnet-4-5"),
        ("deepseek", "deepseek-chat"),
        ("openai", "text-embedding-3-small"),
        ("perplexity", "sonar-pro"),
        ("nobody", "a model without a price"),
    ],
)
async def test_sql_equals_python_for_prices_of_the_catalogue(store: Store, provider: str, model: str) -> None:
    chance = random.Random(model)
    rows = [Row(usage(chance), T0 + chance.randrange(-30 * DAY, 30 * DAY)) for _ in range(150)]
    rows += [Row({"total": 5}), Row({"input": 0}), Row({"input": 5, "input_tokens": 5, "prompt_tokens": 5})]
    await _same(store, Book(catalogue()).timeline("", provider, model), rows)


async def test_sql_equals_python_for_a_project_s_price_over_the_catalogue(store: Store) -> None:
    override = Override("p", "gpt-4o*", "", T0, ((-1, (("input", 1), ("output", 3))), (100, (("input", 2),))))
    timeline = Book(catalogue(), [override]).timeline("p", "openai", "gpt-4o")
    chance = random.Random(5)
    await _same(store, timeline, [Row(usage(chance), T0 + chance.choice((-1, 0, 1))) for _ in range(150)])


async def test_an_amount_at_the_edge_of_the_columns_is_kept_and_one_above_it_is_none(store: Store) -> None:
    rates = (10**6, *[NONE] * (len(NAMES) - 1))
    timeline = Timeline((ALWAYS,), (Price("prices", "m", (Period((Tier(-1, rates, "m"),)),)),))
    edge = MAX_PICODOLLARS // 10**6
    await _same(store, timeline, [Row({"input": edge}), Row({"input": edge + 1}), Row({"input": (1 << 63) - 1})])
    known = await store.rows("SELECT isNotNull(total_cost) FROM spans ORDER BY span_id")
    assert [bool(row[0]) for row in known] == [True, False, False]
