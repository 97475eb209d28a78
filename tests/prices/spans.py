"""Usages, and spans that have them in the table `spans`."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from litefuse.clickhouse.client import Store
from litefuse.clickhouse.sql import literal
from litefuse.prices.kinds import PLACE_OF

T0 = 1_764_000_000 * 10**9
DAY = 86_400 * 10**9

_ODD = ("input_foo", "output_foo", "search_units", "it's", "requests", "прочее", "output_accepted_prediction_tokens")
#: Around the sizes at which tiers begin, and beyond what a cost may be.
_COUNTS = (0, 1, 7, 127_999, 128_000, 128_001, 199_999, 200_000, 200_001, 272_001, 10**9, 10**15, (1 << 63) - 1)


@dataclass(frozen=True)
class Row:
    usage: Mapping[str, int]
    at_ns: int = T0
    model: str = "m"
    provider: str = ""
    project_id: str = "p"
    cost_source: str = ""
    total_cost: str = ""
    cost: Mapping[str, str] = field(default_factory=dict)


def usage(chance: random.Random) -> dict[str, int]:
    """Some kinds with some counts; mostly ordinary ones."""
    kinds = [*PLACE_OF, *_ODD]
    if chance.random() < 0.6:
        kinds = ["input", "output", "total", "input_cached_tokens", "output_reasoning_tokens", "input_cache_creation"]
    some = chance.sample(kinds, chance.randint(0, 5))
    counts = _COUNTS if chance.random() < 0.2 else _COUNTS[:-3]
    return {kind: chance.choice(counts) if chance.random() < 0.5 else chance.randrange(400_000) for kind in some}


async def insert(store: Store, rows: Sequence[Row]) -> None:
    """Spans whose ids are their places, from 0."""
    await store.command(
        "INSERT INTO spans (project_id, trace_id, span_id, name, start_time, end_time, received_at, retention_days, model, "
        "provider, usage, cost_source, cost, total_cost) VALUES "
        + ", ".join(_values(number, row) for number, row in enumerate(rows))
    )


def _values(number: int, row: Row) -> str:
    at = f"fromUnixTimestamp64Nano({row.at_ns}, 'UTC')"
    return (
        f"({_text(row.project_id)}, '{1:032x}', '{number:016x}', 'call', {at}, {at}, {at}, 0, {_text(row.model)}, "
        f"{_text(row.provider)}, {_map(row.usage, 'UInt64')}, {_text(row.cost_source)}, {_map(row.cost, 'Decimal(18, 12)')}, "
        f"{row.total_cost or 'NULL'})"
    )


def _map(of: Mapping[str, object], value: str) -> str:
    keys, values = ", ".join(map(_text, of)), ", ".join(map(str, of.values()))
    return f"CAST(([{keys}], [{values}]), 'Map(LowCardinality(String), {value})')"


def _text(text: str) -> str:
    return literal(text).decode()
