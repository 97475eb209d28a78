"""What a model costs, and what a call of it does: whole picodollars, so that sums are exact.

A price has periods; of those that hold at the time of a call the last counts, and when none holds the first. A period has
tiers: the last one that the call's input tokens exceed is for all of its tokens.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from litefuse.prices.kinds import (
    INPUT,
    INPUT_PLACES,
    NAMES,
    NONE,
    OUTPUT,
    PLACE_OF,
    PLACES,
    REPEATED,
    REQUESTS,
    TOKENS_END,
    TOTAL_NAMES,
    place,
)

#: The columns are Decimal(18, 12), less than a million dollars; a cost above is none (a count that lies).
MAX_PICODOLLARS = 900_000 * 10**12
DAY_NS = 86_400 * 10**9
#: Before any time.
ALWAYS = -(1 << 63)
#: Ends a price's name when kinds of the usage are not in the cost.
IN_PART = " in part"

Source = Literal["prices", "project"]
_NO_RATES = (NONE, NONE)  # of UNKNOWN and REPEATED, behind the others
_REQUESTS = PLACES[REQUESTS]


class Priced(NamedTuple):
    """A call's cost: picodollars by kind of usage, and their `total`; where the price is from, and which."""

    cost: dict[str, int]
    source: Source
    price: str


class Unpriced(NamedTuple):
    """Why a call has no cost: `kinds` has tokens without a price, or no kind has one; `amount` is beyond the columns."""

    reason: Literal["kinds", "amount"]


@dataclass(frozen=True, slots=True)
class Tier:
    """Picodollars a unit by place, for calls of more than `above` input tokens (-1 for all). `name` is what
    `spans.price` shows."""

    above: int
    rates: tuple[int, ...]
    name: str

    def __post_init__(self) -> None:
        if len(self.rates) != len(NAMES):
            raise ValueError(f"{len(self.rates)} rates for {len(NAMES)} places")


@dataclass(frozen=True, slots=True)
class Period:
    """Holds from `start_ns` on, of each day (UTC) only in [daily[0], daily[1]) seconds, over midnight if the end is less.
    `tiers` begin with the one above -1."""

    tiers: tuple[Tier, ...]
    start_ns: int = ALWAYS
    daily: tuple[int, int] | None = None

    def holds(self, at_ns: int) -> bool:
        if at_ns < self.start_ns:
            return False
        if self.daily is None:
            return True
        begin, end = self.daily[0] * 10**9, self.daily[1] * 10**9
        of_day = at_ns % DAY_NS
        return begin <= of_day < end if begin <= end else of_day >= begin or of_day < end


@dataclass(frozen=True, slots=True)
class Price:
    source: Source
    name: str
    periods: tuple[Period, ...]

    def period(self, at_ns: int) -> Period:
        for period in reversed(self.periods):
            if period.holds(at_ns):
                return period
        return self.periods[0]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The prices of a model by time: each of `prices` holds from its entry in `starts` (ascending, the first ALWAYS) until
    the next. None: no price then."""

    starts: tuple[int, ...]
    prices: tuple[Price | None, ...]

    def at(self, at_ns: int) -> Price | None:
        if len(self.starts) == 1:
            return self.prices[0]
        return self.prices[max(0, bisect_right(self.starts, at_ns) - 1)]


def priced(price: Price, usage: Mapping[str, int], at_ns: int) -> Priced | Unpriced:
    """The cost of a call with this usage. Kinds without a rate: tokens leave no cost at all, since the total would be
    wrong by a whole kind of them; other units are left out, and the price's name ends in IN_PART."""
    period = price.period(at_ns)
    places = [PLACE_OF.get(kind) for kind in usage]
    if (
        None in places
        or "input_tokens" in usage
        or "output_tokens" in usage
        or "prompt_tokens" in usage
        or "completion_tokens" in usage
    ):
        places = [place(kind, usage) for kind in usage]
    tier = period.tiers[0]
    if len(period.tiers) > 1:
        tier = _tier(period.tiers, usage, places)
    rates = (*tier.rates, *_NO_RATES)
    cost: dict[str, int] = {}
    total = 0
    name = tier.name
    for (kind, count), where in zip(usage.items(), places, strict=True):
        assert where is not None
        rate = rates[where]
        if rate >= 0:
            cost[kind] = count * rate
            total += count * rate
        elif count and where < TOKENS_END:
            return Unpriced("kinds")
        elif count and where != REPEATED and name is tier.name:
            name = tier.name + IN_PART
    if not cost:
        count_of_all = _only_total(usage, tier)
        if count_of_all is None:
            return Unpriced("kinds")
        total = count_of_all * rates[INPUT]
    if rates[_REQUESTS] >= 0:
        cost[REQUESTS] = rates[_REQUESTS]
        total += rates[_REQUESTS]
    if total > MAX_PICODOLLARS:
        return Unpriced("amount")
    cost["total"] = total
    return Priced(cost, price.source, name)


def cost_columns(cost: Mapping[str, int]) -> tuple[int | None, int | None, int | None]:
    """The columns input_cost, output_cost and total_cost: the sums of the kinds with `input` and with `output` in their
    name, and the total; None where there is no such kind."""
    into = [value for kind, value in cost.items() if "input" in kind]
    out = [value for kind, value in cost.items() if "output" in kind]
    return (sum(into) if into else None), (sum(out) if out else None), cost.get("total")


def input_tokens(usage: Mapping[str, int]) -> int:
    """All tokens that went in, as tiers count them; the total where nothing else is known."""
    found = [count for kind, count in usage.items() if place(kind, usage) in INPUT_PLACES]
    if found:
        return sum(found)
    return next((usage[name] for name in TOTAL_NAMES if name in usage), 0)


def _tier(tiers: tuple[Tier, ...], usage: Mapping[str, int], places: list[int | None]) -> Tier:
    found = [count for count, where in zip(usage.values(), places, strict=True) if where in INPUT_PLACES]
    size = sum(found) if found else next((usage[name] for name in TOTAL_NAMES if name in usage), 0)
    for tier in reversed(tiers):
        if size > tier.above:
            return tier
    return tiers[0]


def _only_total(usage: Mapping[str, int], tier: Tier) -> int | None:
    """The total, when it is all that is known and all of it can only be input."""
    if tier.rates[INPUT] < 0 or tier.rates[OUTPUT] > 0:
        return None
    return next((usage[name] for name in TOTAL_NAMES if name in usage), None)
