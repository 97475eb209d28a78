"""A price as SQL gives what Python gives, to the last digit."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from chdb.session import Session

from litefuse.clickhouse.sql import literal
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
from tests.prices.spans import TABLE, usage

DAY = 86_400 * 10**9
T0 = 1_764_000_000 * 10**9


@pytest.fixture(scope="module")
def database() -> Iterator[Session]:
    session = Session()
    session.query(TABLE)
    yield session
    session.close()


def _rows(database: Session, sql: str) -> list[dict[str, Any]]:
    answer = database.query(sql, "JSONEachRow")
    return [json.loads(line) for line in str(answer).splitlines()]


def _text(text: str) -> str:
    return literal(text).decode()


def _insert(database: Session, rows: list[tuple[dict[str, int], int]]) -> None:
    database.query("TRUNCATE TABLE spans")
    values = ", ".join(
        f"({number}, fromUnixTimestamp64Nano({at}, 'UTC'), "
        f"CAST(([{', '.join(map(_text, counts))}], [{', '.join(map(str, counts.values()))}]), "
        "'Map(LowCardinality(String), UInt64)'))"
        for number, (counts, at) in enumerate(rows)
    )
    database.query(f"INSERT INTO spans (id, start_time, usage) VALUES {values}")


def _expected(timeline: Timeline, counts: dict[str, int], at: int) -> dict[str, Any]:
    price = timeline.at(at)
    found = None if price is None else priced(price, counts, at)
    if not isinstance(found, Priced):
        return {"cost": {}, "columns": [None, None, None], "cost_source": "", "price": ""}
    return {
        "cost": found.cost,
        "columns": list(cost_columns(found.cost)),
        "cost_source": found.source,
        "price": found.price,
    }


_READ = f"""SELECT mapKeys(cost) AS kinds, arrayMap(x -> reinterpretAsInt64(x), mapValues(cost)) AS costs,
    [{", ".join(f"reinterpretAsInt64({c})" for c in ("input_cost", "output_cost", "total_cost"))}] AS columns,
    cost_source, price FROM spans ORDER BY id SETTINGS output_format_json_quote_64bit_integers = 0"""


def _same(database: Session, timeline: Timeline, rows: list[tuple[dict[str, int], int]]) -> None:
    _insert(database, rows)
    columns = ", ".join(f"{column} = {value}" for column, value in assignments(timeline).items())
    database.query(f"ALTER TABLE spans UPDATE {columns} WHERE {changed(timeline)} SETTINGS mutations_sync = 2")
    found = _rows(database, _READ)
    for (counts, at), row in zip(rows, found, strict=True):
        row["cost"] = dict(zip(row.pop("kinds"), row.pop("costs"), strict=True))
        assert row == _expected(timeline, counts, at), (counts, at)
    # A second run finds nothing to do.
    assert _rows(database, f"SELECT countIf({changed(timeline)}) AS left FROM spans")[0]["left"] in (0, "0")


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


@pytest.mark.parametrize("seed", range(12))
def test_sql_equals_python_for_random_prices_usages_and_times(database: Session, seed: int) -> None:
    chance = random.Random(seed)
    starts = (ALWAYS, *sorted({T0 + chance.randint(-2, 2) * DAY for _ in range(chance.randint(0, 2))}))
    prices = tuple(None if chance.random() < 0.15 else _random_price(chance) for _ in starts)
    edges = [T0 + days * DAY + ns for days in range(-3, 4) for ns in (-1, 0, 1)]
    rows = [
        (usage(chance), chance.choice(edges) if chance.random() < 0.4 else T0 + chance.randrange(-4 * DAY, 4 * DAY))
        for _ in range(250)
    ]
    _same(database, Timeline(starts, prices), rows)


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
def test_sql_equals_python_for_prices_of_the_catalogue(database: Session, provider: str, model: str) -> None:
    chance = random.Random(model)
    rows = [(usage(chance), T0 + chance.randrange(-400 * DAY, 400 * DAY)) for _ in range(150)]
    rows += [({"total": 5}, T0), ({"input": 0}, T0), ({"input": 5, "input_tokens": 5, "prompt_tokens": 5}, T0)]
    _same(database, Book(catalogue()).timeline("", provider, model), rows)


def test_sql_equals_python_for_a_project_s_price_over_the_catalogue(database: Session) -> None:
    override = Override("p", "gpt-4o*", "", T0, ((-1, (("input", 1), ("output", 3))), (100, (("input", 2),))))
    timeline = Book(catalogue(), [override]).timeline("p", "openai", "gpt-4o")
    chance = random.Random(5)
    _same(database, timeline, [(usage(chance), T0 + chance.choice((-1, 0, 1))) for _ in range(150)])


def test_an_amount_at_the_edge_of_the_columns_is_kept_and_one_above_it_is_none(database: Session) -> None:
    rates = (10**6, *[NONE] * (len(NAMES) - 1))
    timeline = Timeline((ALWAYS,), (Price("prices", "m", (Period((Tier(-1, rates, "m"),)),)),))
    edge = MAX_PICODOLLARS // 10**6
    _same(database, timeline, [({"input": edge}, T0), ({"input": edge + 1}, T0), ({"input": (1 << 63) - 1}, T0)])
    assert [row["total_cost"] for row in _rows(database, "SELECT total_cost FROM spans ORDER BY id")][1:] == [
        None,
        None,
    ]
