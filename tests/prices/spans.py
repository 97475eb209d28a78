"""Usages and a table like `spans`, as far as prices go."""

from __future__ import annotations

import random

from litefuse.prices.kinds import PLACE_OF

#: Columns of `spans` that pricing reads and writes, and a number to find a row again.
TABLE = """CREATE TABLE spans (
    id UInt32, project_id LowCardinality(String), provider LowCardinality(String), model LowCardinality(String),
    start_time DateTime64(9, 'UTC'), usage Map(LowCardinality(String), UInt64),
    cost Map(LowCardinality(String), Decimal(18, 12)), input_cost Nullable(Decimal(18, 12)),
    output_cost Nullable(Decimal(18, 12)), total_cost Nullable(Decimal(18, 12)),
    cost_source LowCardinality(String), price LowCardinality(String)
) ENGINE = MergeTree ORDER BY id"""

_ODD = ("input_foo", "output_foo", "search_units", "it's", "requests", "прочее", "output_accepted_prediction_tokens")
#: Around the sizes at which tiers begin, and beyond what a cost may be.
_COUNTS = (0, 1, 7, 127_999, 128_000, 128_001, 199_999, 200_000, 200_001, 272_001, 10**9, 10**15, (1 << 63) - 1)


def usage(chance: random.Random) -> dict[str, int]:
    """Some kinds with some counts; mostly ordinary ones."""
    kinds = [*PLACE_OF, *_ODD]
    if chance.random() < 0.6:
        kinds = ["input", "output", "total", "input_cached_tokens", "output_reasoning_tokens", "input_cache_creation"]
    some = chance.sample(kinds, chance.randint(0, 5))
    counts = _COUNTS if chance.random() < 0.2 else _COUNTS[:-3]
    return {kind: chance.choice(counts) if chance.random() < 0.5 else chance.randrange(400_000) for kind in some}
