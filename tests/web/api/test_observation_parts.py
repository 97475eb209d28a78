"""Prices told from costs, and parameters of models, as both versions of an observation have them."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import orjson
import pytest

from litefuse.prices.kinds import NAMES, NONE, PLACES
from litefuse.prices.price import Period, Price, Priced, Tier, priced
from web.api.observation_parts import as_text, model_parameters, prices

PICODOLLARS = 10**12


def row(rates: dict[str, int], usage: dict[str, int]) -> dict[str, Any]:
    """What the worker stores of a call that is priced at these picodollars a unit."""
    tier = Tier(-1, tuple(rates.get(name, NONE) for name in NAMES), "test")
    found = priced(Price("prices", "test", (Period((tier,)),)), usage, 0)
    assert isinstance(found, Priced)
    cost = {kind: Decimal(spent).scaleb(-12) for kind, spent in found.cost.items()}
    return {"usage": usage, "cost": cost, "cost_source": found.source}


def test_a_price_is_exactly_what_was_asked() -> None:
    chance = random.Random(4)
    for _ in range(500):
        ask = {name: chance.choice([0, 1, chance.randint(1, 10**9)]) for name in ("input", "output", "cache_read")}
        usage = {"input": chance.randint(0, 10**8), "output": chance.randint(0, 10**6), "input_cached_tokens": 3}
        found = prices(row(ask, usage))
        for name, told in (("input", found.input), ("output", found.output)):
            assert told == (Decimal(ask[name]) / PICODOLLARS if usage[name] else None)
        assert found.total is None


def test_the_price_of_a_total_is_told_where_nothing_else_is_counted() -> None:
    rates = {"input": 20_000, "requests": 5_000_000_000}
    found = prices(row(rates, {"total": 7_001}))
    assert found == (None, None, Decimal("0.00000002"))
    assert PLACES.keys() >= rates.keys()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (Decimal(0), "0"),
        (Decimal("100"), "100"),
        (Decimal("1E+2"), "100"),
        (Decimal("0.0000000000010"), "0.000000000001"),
        (Decimal("1.50"), "1.5"),
    ],
)
def test_a_price_as_text_has_no_exponent(value: Decimal | None, text: str | None) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5", 0.5),
        ("12345678901234567890123", 12345678901234567890123),
        ("true", True),
        ("null", None),
        ("auto", "auto"),
        ("", ""),
        ("NaN", "NaN"),
        ('["END", "STOP"]', ["END", "STOP"]),
        ("[]", []),
        ("[1]", "[1]"),
        ("[broken", "[broken"),
        (' {"type": "json_object"}', ' {"type": "json_object"}'),
    ],
)
def test_a_parameter_is_a_scalar_or_a_list_of_texts(text: str, value: Any) -> None:
    shown = model_parameters({"model_parameters": {"p": text}})
    assert (
        orjson.dumps(shown)
        == (f'{{"p":{text}}}' if text[:3] == "123" else orjson.dumps({"p": value}).decode()).encode()
    )
    assert model_parameters({"model_parameters": {}}) is None
