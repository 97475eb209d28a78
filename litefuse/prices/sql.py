"""A price as SQL over the columns of `spans`, to the last digit what litefuse.prices.price makes of it in Python.

Pure functions from prices to text. `assignments` and `changed` are what re-pricing stored rows takes: an expression for
each column that depends on prices, and whether any of them differs from what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from litefuse.clickhouse.sql import literal
from litefuse.prices.kinds import (
    INPUT,
    INPUT_NAMES,
    INPUT_PLACES,
    NONE,
    OUTPUT,
    OUTPUT_NAMES,
    PLACE_OF,
    PLACES,
    REPEATED,
    REQUESTS,
    TOKENS_END,
    TOTAL_NAMES,
    UNKNOWN,
)
from litefuse.prices.price import ALWAYS, DAY_NS, IN_PART, MAX_PICODOLLARS, Period, Price, Tier, Timeline

_NS = "toUnixTimestamp64Nano(start_time)"
_COST = "Map(LowCardinality(String), Decimal(18, 12))"
#: Nothing is known of the cost: kinds, their picodollars, total, source, price.
_NOTHING = "(CAST([], 'Array(String)'), CAST([], 'Array(Int64)'), toInt64(0), '', '')"


def assignments(timeline: Timeline) -> dict[str, str]:
    """Column → its value for a row with this model's prices. A row whose cost is not known gets none."""
    found = _priced(timeline)
    return {
        "cost": f"CAST(mapFromArrays(({found}).1, {_decimals(f'({found}).2')}), '{_COST}')",
        "input_cost": _of("input", found),
        "output_cost": _of("output", found),
        "total_cost": f"if(empty(({found}).1), NULL, {_decimal(f'({found}).3')})",
        "cost_source": f"({found}).4",
        "price": f"({found}).5",
    }


def changed(timeline: Timeline) -> str:
    """Whether a row has another cost, source or name of the price than `assignments` would give it."""
    found = _priced(timeline)
    now = (
        "(CAST(mapKeys(cost), 'Array(String)'), arrayMap(x -> reinterpretAsInt64(x), mapValues(cost)), "
        "CAST(cost_source, 'String'), CAST(price, 'String'))"
    )
    return _let("f", found, f"(f.1, f.2, f.4, f.5) != {now}")


def _priced(timeline: Timeline) -> str:
    """A tuple as _NOTHING: kinds of the cost with `total` last, their picodollars, the total, source and name."""
    bad = f"arrayExists((p, c) -> p < {TOKENS_END} AND c > 0 AND t.1[p + 1] < 0, places, counts)"
    in_part = (
        f"arrayExists((p, c) -> p >= {TOKENS_END} AND p != {REPEATED} AND c > 0 AND t.1[p + 1] < 0, places, counts)"
    )
    only_total = f"empty(own) AND ({_no_total()} OR t.1[{INPUT + 1}] < 0 OR t.1[{OUTPUT + 1}] > 0)"
    request = PLACES[REQUESTS] + 1
    parts = f"if(t.1[{request}] < 0, own, arrayPushBack(own, ({_text(REQUESTS)}, toInt256(t.1[{request}]))))"
    sum_of = f"if(empty(own), {_total()} * t.1[{INPUT + 1}], toInt256(0)) + arraySum(x -> x.2, parts)"
    done = (
        "(arrayPushBack(arrayMap(x -> x.1, parts), 'total'), "
        "arrayPushBack(arrayMap(x -> toInt64(x.2), parts), toInt64(sum)), "
        f"toInt64(sum), t.2, if({in_part}, concat(t.3, {_text(IN_PART)}), t.3))"
    )
    inner = _let("parts", parts, _let("sum", sum_of, f"if(sum > {MAX_PICODOLLARS}, {_NOTHING}, {done})"))
    own = (
        "arrayFilter(x -> x.2 >= 0, arrayMap((k, p, c) -> (k, if(t.1[p + 1] < 0, toInt256(-1), c * t.1[p + 1])), "
        "kinds, places, counts))"
    )
    body = _let("own", own, f"if(empty(t.1) OR ({bad}) OR ({only_total}), {_NOTHING}, {inner})")
    with_tier = _let("t", _tier_of(timeline), body)
    with_size = _let("size", _size(), with_tier)
    with_places = _let("places", f"arrayMap(k -> {_place('k')}, kinds)", with_size)
    with_counts = _let("counts", "arrayMap(x -> toInt256(x), mapValues(usage))", with_places)
    return _let("kinds", "CAST(mapKeys(usage), 'Array(String)')", with_counts)


def _let(name: str, value: str, body: str) -> str:
    """`body` in which `name` is `value`, written once."""
    return f"arrayMap({name} -> {body}, [{value}])[1]"


def _place(kind: str) -> str:
    """litefuse.prices.kinds.place."""
    seconds = []
    for names in (INPUT_NAMES, OUTPUT_NAMES):
        for at, name in enumerate(names):
            if at:
                seconds.append(f"{kind} = {_text(name)} AND hasAny(kinds, {_texts(names[:at])}), {REPEATED}")
    by_name = (
        f"transform({kind}, {_texts(PLACE_OF)}, {list(PLACE_OF.values())}, "
        f"multiIf(startsWith({kind}, 'input_'), {INPUT}, startsWith({kind}, 'output_'), {OUTPUT}, {UNKNOWN}))"
    )
    return f"toUInt16(multiIf({', '.join(seconds)}, {by_name}))"


def _size() -> str:
    """litefuse.prices.price.input_tokens."""
    places = sorted(INPUT_PLACES)
    return (
        f"if(arrayExists(p -> p IN {tuple(places)}, places), "
        f"arraySum((p, c) -> if(p IN {tuple(places)}, c, toInt256(0)), places, counts), {_total()})"
    )


def _total() -> str:
    found = ", ".join(f"has(kinds, {_text(n)}), toInt256(usage[{_text(n)}])" for n in TOTAL_NAMES)
    return f"multiIf({found}, toInt256(0))"


def _no_total() -> str:
    return f"NOT hasAny(kinds, {_texts(TOTAL_NAMES)})"


def _tier_of(timeline: Timeline) -> str:
    """(rates by place, those of UNKNOWN and REPEATED behind them; source; name); no rates where there is no price."""
    *later, first = [*zip(timeline.starts, timeline.prices, strict=True)][::-1]
    conditions = [(f"{_NS} >= {start}", _price(price)) for start, price in later]
    return _case(conditions, _price(first[1]))


def _price(price: Price | None) -> str:
    if price is None:
        return "(CAST([], 'Array(Int64)'), '', '')"
    periods = price.periods
    conditions: list[tuple[str, str]] = []
    for period in reversed(periods):
        if period.start_ns == ALWAYS and period.daily is None:
            return _case(conditions, _tiers(period.tiers, price.source))
        conditions.append((_holds(period), _tiers(period.tiers, price.source)))
    return _case(conditions, _tiers(periods[0].tiers, price.source))


def _holds(period: Period) -> str:
    found = [f"{_NS} >= {period.start_ns}"] if period.start_ns != ALWAYS else []
    if period.daily is not None:
        begin, end = (second * 10**9 for second in period.daily)
        of_day = f"positiveModulo({_NS}, {DAY_NS})"
        join = "AND" if begin <= end else "OR"
        found.append(f"({of_day} >= {begin} {join} {of_day} < {end})")
    return " AND ".join(found)


def _tiers(tiers: Sequence[Tier], source: str) -> str:
    *larger, base = [(f"size > {tier.above}", _leaf(tier, source)) for tier in reversed(tiers)]
    return _case(larger, base[1])


def _leaf(tier: Tier, source: str) -> str:
    rates = ", ".join(str(rate) for rate in (*tier.rates, NONE, NONE))
    return f"(CAST([{rates}], 'Array(Int64)'), {_text(source)}, {_text(tier.name)})"


def _case(conditions: Sequence[tuple[str, str]], otherwise: str) -> str:
    if not conditions:
        return otherwise
    return f"multiIf({', '.join(f'{condition}, {value}' for condition, value in conditions)}, {otherwise})"


def _of(word: str, found: str) -> str:
    """The sum of the kinds with this word in their name, null for none."""
    named = f"arrayFilter((c, k) -> position(k, '{word}') > 0, f.2, f.1)"
    of = f"if(empty({named}), NULL, {_decimal(f'arraySum({named})')})"
    return _let("f", found, of)


def _decimal(picodollars: str) -> str:
    return f"reinterpret(toInt64({picodollars}), 'Decimal(18, 12)')"


def _decimals(picodollars: str) -> str:
    return f"arrayMap(x -> {_decimal('x')}, {picodollars})"


def _text(text: str) -> str:
    return literal(text).decode("utf-8", "replace")


def _texts(texts: Iterable[str]) -> str:
    return f"[{', '.join(_text(text) for text in texts)}]"
