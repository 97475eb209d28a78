"""Prices as text for people: `litefuse prices match` and `list`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from litefuse.prices.dates import day
from litefuse.prices.kinds import MILLION, NAMES, REQUESTS, TOKENS, UNITS
from litefuse.prices.names import undated
from litefuse.prices.overrides import EXACT, UNDATED, Override
from litefuse.prices.price import ALWAYS, Period, Price, Priced, Timeline, Unpriced

_NO = {
    "kinds": "not known: there are tokens without a price, or nothing that has one",
    "amount": "not known: it would be beyond what the columns hold",
}


def dollars(picodollars: int, units: int = 1) -> str:
    """Picodollars for so many units as USD, all digits."""
    text = f"{Decimal(picodollars) * units / 10**12:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def units(rate: str) -> tuple[int, str]:
    """How many units a price is shown for, and what they are called."""
    if rate in TOKENS:
        return MILLION, ""
    if rate == REQUESTS:
        return 1_000, " for 1000 calls"
    return UNITS[rate], f" for {UNITS[rate]}"


def table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows as lines of aligned columns."""
    found = list(rows)
    widths = [max(map(len, column)) for column in zip(*found, strict=True)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in found]


def period(of: Period) -> list[str]:
    """USD of each rate that is not just another's, one column a tier."""
    heads = ["up to" if len(of.tiers) > 1 else "all calls", *(f"above {tier.above}" for tier in of.tiers[1:])]
    if len(of.tiers) > 1:
        heads[0] = f"up to {of.tiers[1].above}"
    rows = [("USD per million tokens", *heads)]
    for at, name in enumerate(NAMES):
        costs = [tier.rates[at] for tier in of.tiers]
        instead = next((other for other in TOKENS.get(name, ()) if _same(of, at, NAMES.index(other))), None)
        if max(costs) < 0 or (instead is not None and name not in ("cache_read", "cache_write")):
            continue
        number, label = units(name)
        note = f" (as {instead})" if instead else ""
        rows.append((f"{name}{label}{note}", *("-" if cost < 0 else dollars(cost, number) for cost in costs)))
    return table(rows)


def why(overrides: Iterable[Override], project_id: str, provider: str, model: str, chosen: Price) -> str:
    """Why a project's price is used for a model."""
    named = {o.fit(provider, model) for o in overrides if o.project_id == project_id and o.name == chosen.name}
    how = f"fits the model {model}"
    if EXACT in named:
        how = "is for a model of this name"
    elif UNDATED in named:
        name = model.strip()
        plain = undated(name.lower())
        how = f"is for {plain}, which is this model's name without {name[len(plain) :]} at its end"
    return f"the project's price {chosen.name} {how}, and a project's prices win"


def passed_over(overrides: Iterable[Override], project_id: str, provider: str, model: str, at_ns: int) -> list[str]:
    """Names of a project's prices that are for the model's name without its date, where a price of the catalogue counts."""
    begun = [o for o in overrides if o.project_id == project_id and o.start_ns <= at_ns]
    return [o.name for o in begun if o.fit(provider, model) == UNDATED]


def when(of: Period) -> str:
    found = "" if of.start_ns == ALWAYS else f"from {day(of.start_ns)}"
    if of.daily is not None:
        begin, end = (f"{second // 3600:02d}:{second % 3600 // 60:02d}" for second in of.daily)
        found = f"{found} daily {begin} to {end} UTC".strip()
    return found or "always"


def other_times(timeline: Timeline, now: Price) -> list[str]:
    """What holds at other times than the price shown, one line each."""
    lines = []
    for start, price in zip(timeline.starts, timeline.prices, strict=True):
        if price is not None and price != now:
            since = "before" if start == ALWAYS else f"from {day(start)}"
            lines.append(f"{since}: {price.name} ({price.source})")
    lines += [f"{when(p)}: {p.tiers[0].name}" for p in now.periods] if len(now.periods) > 1 else []
    return lines


def cost(found: Priced | Unpriced, usage: Mapping[str, int]) -> list[str]:
    if isinstance(found, Unpriced):
        return [_NO[found.reason]]
    rows = [("kind", "count", "USD")]
    for kind, spent in found.cost.items():
        rows.append((kind, str(usage.get(kind, "")), dollars(spent)))
    left = [kind for kind in usage if kind not in found.cost]
    return [*table(rows), f"price: {found.price}", *([f"not in it: {', '.join(left)}"] if left else [])]


def override(of: Override) -> str:
    """The rates of a project's price in one line, as `prices set` takes them."""
    lines = []
    for above, rates in of.tiers:
        text = " ".join(f"{rate}={dollars(spent, units(rate)[0])}" for rate, spent in rates)
        lines.append(text if above < 0 else f"above {above}: {text}")
    return "; ".join(lines)


def _same(of: Period, at: int, other: int) -> bool:
    return all(tier.rates[at] == tier.rates[other] for tier in of.tiers)
