"""Prices as people give them, as `Override`s: a file of JSON, and the words of `litefuse prices set`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from litefuse.errors import LitefuseError
from litefuse.prices.catalogue import picodollars
from litefuse.prices.dates import parse
from litefuse.prices.kinds import MILLION, REQUESTS, TOKENS
from litefuse.prices.overrides import Override

#: Rates that can be given, and a shorter name of one.
RATES = (*TOKENS, REQUESTS)
_SHORT = {"cached": "cache_read"}
#: USD per million tokens: six digits behind the point, so that a token costs whole picodollars, and so much at most.
_DIGITS = 6
_MOST = 1_000_000
_KEYS = frozenset(("model", "provider", "start", "tiers", *RATES, *_SHORT))


class BadPrice(LitefuseError):
    """A price that cannot be one; the text says where and why."""


def from_file(text: str, project_id: str) -> list[Override]:
    """A list of objects (docs/prices.md, "A file of prices"). Raises BadPrice."""
    try:
        found = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise BadPrice(f"not JSON: {error}") from error
    if not isinstance(found, list):
        raise BadPrice("not a list of prices")
    overrides = [_of_entry(entry, project_id, f"price {number}") for number, entry in enumerate(found, 1)]
    keys = [(o.match, o.provider, o.start_ns) for o in overrides]
    for number, key in enumerate(keys):
        if key in keys[:number]:
            raise BadPrice(f"price {number + 1}: {key[0]} is there before, with the same provider and start")
    return overrides


def override(
    project_id: str,
    match: str,
    rates: Mapping[str, Any],
    *,
    provider: str = "",
    start: str | None = None,
    tiers: Sequence[tuple[Any, Mapping[str, Any]]] = (),
    where: str = "price",
) -> Override:
    """Raises BadPrice. A tier's rates are over the first ones: what it does not name stays."""
    if not isinstance(match, str) or not match.strip("* \t"):
        raise BadPrice(f"{where}: no name of a model")
    if len(match) > 256 or match.count("*") > 8:
        raise BadPrice(f"{where}: the name of the model is longer than 256 characters, or has more than eight *")
    if not isinstance(provider, str):
        raise BadPrice(f"{where}: provider is a text")
    try:
        start_ns = parse(start) if start else 0
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise BadPrice(f"{where}: start is a day such as 2026-03-01: {error}") from error
    base = _rates(rates, where)
    if not base:
        raise BadPrice(f"{where}: no price of anything, such as input and output")
    found = [(-1, base)]
    for above, own in tiers:
        if isinstance(above, bool) or not isinstance(above, int) or not 0 < above < 1 << 62:
            raise BadPrice(f"{where}: a tier is above a number of input tokens")
        found.append((above, {**base, **_rates(own, f"{where}, above {above}")}))
    if len({above for above, _ in found}) < len(found):
        raise BadPrice(f"{where}: two tiers above the same number")
    ordered = tuple((above, tuple(sorted(own.items()))) for above, own in sorted(found, key=lambda tier: tier[0]))
    return Override(project_id, match.strip(), provider.strip(), start_ns, ordered)


def _of_entry(entry: Any, project_id: str, where: str) -> Override:
    if not isinstance(entry, dict):
        raise BadPrice(f"{where}: not an object")
    if unknown := sorted(set(entry) - _KEYS):
        raise BadPrice(f"{where}: knows no {', '.join(unknown)}; there are {', '.join(sorted(_KEYS))}")
    tiers = entry.get("tiers", [])
    if not isinstance(tiers, list) or not all(isinstance(tier, dict) for tier in tiers):
        raise BadPrice(f"{where}: tiers is a list of objects")
    return override(
        project_id,
        entry.get("model", ""),
        {key: value for key, value in entry.items() if key in RATES or key in _SHORT},
        provider=entry.get("provider", ""),
        start=entry.get("start"),
        tiers=[(tier.get("above"), {k: v for k, v in tier.items() if k != "above"}) for tier in tiers],
        where=where,
    )


def _rates(given: Mapping[str, Any], where: str) -> dict[str, int]:
    found = {}
    for name, value in given.items():
        rate = _SHORT.get(name, name)
        if rate not in RATES:
            raise BadPrice(f"{where}: knows no {name}; there are {', '.join(RATES)}")
        if rate in found:
            raise BadPrice(f"{where}: {name} is given twice")
        found[rate] = picodollars(_usd(value, f"{where}, {name}"), 1_000 if rate == REQUESTS else MILLION)
    return found


def _usd(value: Any, where: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise BadPrice(f"{where}: not a number")
    try:
        usd = Decimal(value)
    except InvalidOperation as error:
        raise BadPrice(f"{where}: {value} is not a number") from error
    if not usd.is_finite() or not 0 <= usd <= _MOST:
        raise BadPrice(f"{where}: {value} is not between 0 and {_MOST} USD")
    if usd != round(usd, _DIGITS):
        raise BadPrice(f"{where}: {value} has more than {_DIGITS} digits behind the point")
    return usd
