"""What a span states that it cost, in picodollars (otel-mapping.md section 12, WB-24).

A cost that is negative, no finite number or above MAX_USD is left out, as if it had not been sent; a total of parts that
would be above is left out too.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from schemas.usage_names import COSTS, COSTS_LATE
from worker.map.conventions import mlflow
from worker.map.scalars import repeats_totals
from worker.map.span import Span
from worker.map.values import Value, json_object, without_nul

#: The columns are Decimal(18, 12): less than a million dollars.
MAX_USD = 900_000
PICODOLLARS = 10**12


def stated_cost(span: Span) -> dict[str, int] | None:
    """Kind of usage → picodollars, with their `total`; None when the span states none, so that a price can be looked up.
    A stated 0 is a cost. None too for spans of agents that repeat the totals of their calls (section 6)."""
    if repeats_totals(span):
        return None
    families = span.families
    if "langfuse" in families:
        found = _costs(json_object(span.attributes.get("langfuse.observation.cost_details")) or {})
        if found:
            return found
    if "gen_ai" in families or "llm" in families:
        for names in COSTS:
            if found := _named(span, names):
                return found
    if "mlflow" in families and (found := _costs(mlflow.costs(span))):
        return found
    if "gen_ai" in families:
        for names in COSTS_LATE:
            if found := _named(span, names):
                return found
    return None


def picodollars(value: Value) -> int | None:
    """USD as a number or as text, in whole picodollars, half-even; None for what is no cost."""
    if isinstance(value, str):
        text = value.strip()
        if not text or len(text) > 64 or "_" in text:
            return None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value <= MAX_USD:  # also NaN; and an int may have more digits than Python spells
            return None
        text = str(value)
    else:
        return None
    try:
        usd = Decimal(text)
    except InvalidOperation:
        return None
    if not usd.is_finite() or not 0 <= usd <= MAX_USD:
        return None
    return int((usd * PICODOLLARS).to_integral_value(ROUND_HALF_EVEN))


def _named(span: Span, names: tuple[str, str, str]) -> dict[str, int]:
    """Costs of these attributes: the total, the input, the output."""
    total, of_input, of_output = (span.attributes.get(name) for name in names)
    return _costs({"input": of_input, "output": of_output, "total": total})


def _costs(sent: Mapping[str, Value]) -> dict[str, int]:
    found = {without_nul(kind): cost for kind, value in sent.items() if (cost := picodollars(value)) is not None}
    if found and "total" not in found:
        total = sum(found.values())
        if total <= MAX_USD * PICODOLLARS:
            found["total"] = total
    return found
