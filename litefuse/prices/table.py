"""The table `prices`: the projects' own prices, read and written (schemas/migrations/0004_prices.sql)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from litefuse.clickhouse.asking import Rows, Store
from litefuse.clickhouse.sql import literal
from litefuse.prices.catalogue import picodollars
from litefuse.prices.kinds import MILLION, REQUESTS
from litefuse.prices.overrides import Override

_READ = """SELECT project_id, model, provider, toUnixTimestamp64Nano(start_time),
       toJSONString(CAST(usd_per_million, 'Map(String, String)')),
       toJSONString(arrayMap(t -> (t.1, CAST(t.2, 'Map(String, String)')), tiers))
FROM prices FINAL
WHERE NOT deleted
ORDER BY project_id, model, provider, start_time"""
#: The version has to grow also when clocks differ, or within a microsecond.
_NOW = "greatest(now64(6, 'UTC'), (SELECT max(updated_at) + toIntervalMicrosecond(1) FROM prices))"
_TIMEOUT_S = 10.0
_WRITE = {"async_insert": "0", "max_query_size": str(16 << 20)}


async def read(store: Rows) -> tuple[Override, ...]:
    """All prices of projects. Raises StoreError."""
    return tuple(_override(row) for row in await store.rows(_READ, timeout=_TIMEOUT_S))


async def write(store: Store, overrides: Sequence[Override], *, deleted: bool = False) -> None:
    """Store these prices, all or none, or mark them as removed. Raises StoreError."""
    if not overrides:
        return
    rows = " UNION ALL ".join(
        f"SELECT {_text(o.project_id)}, {_text(o.match)}, {_text(o.provider)}, "
        f"fromUnixTimestamp64Nano(toInt64({o.start_ns}), 'UTC'), {_map(o.tiers[0][1])}, {_tiers(o)}, {_NOW}, "
        f"{str(deleted).lower()}"
        for o in overrides
    )
    await store.command(
        "INSERT INTO prices (project_id, model, provider, start_time, usd_per_million, tiers, updated_at, deleted) "
        + rows,
        settings=_WRITE,
        timeout=_TIMEOUT_S,
    )


def usd(rate: str, cost: int) -> Decimal:
    """Picodollars a unit as USD per million tokens (of requests: per thousand)."""
    return Decimal(cost) * _units(rate) / 10**12


def _override(row: tuple[Any, ...]) -> Override:
    project_id, model, provider, start_ns, base, tiers = row
    found = [(-1, _rates(json.loads(base)))]
    for tier in json.loads(tiers):
        above, rates = tier.values() if isinstance(tier, dict) else tier
        found.append((int(above), _rates(rates)))
    return Override(str(project_id), str(model), str(provider), int(start_ns), tuple(found))


def _rates(sent: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((rate, picodollars(Decimal(cost), _units(rate))) for rate, cost in sent.items()))


def _units(rate: str) -> int:
    return 1_000 if rate == REQUESTS else MILLION


def _text(text: str) -> str:
    return literal(text).decode("utf-8", "replace")


def _map(rates: Sequence[tuple[str, int]]) -> str:
    pairs = ", ".join(f"{_text(rate)}, toDecimal64('{usd(rate, cost):f}', 6)" for rate, cost in rates)
    return f"CAST(map({pairs}), 'Map(LowCardinality(String), Decimal(18, 6))')"


def _tiers(override: Override) -> str:
    tiers = ", ".join(f"({above}, {_map(rates)})" for above, rates in override.tiers[1:])
    return f"CAST([{tiers}], 'Array(Tuple(above UInt64, usd_per_million Map(LowCardinality(String), Decimal(18, 6))))')"
