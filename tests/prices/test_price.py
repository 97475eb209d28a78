"""What a call costs: kinds, what stands in for a missing price, tiers, dates, and what is not known."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from litefuse.prices import Book, cost_columns
from litefuse.prices.catalogue import catalogue, data_date, data_version, picodollars
from litefuse.prices.kinds import completed
from litefuse.prices.overrides import Override, fits
from litefuse.prices.price import Period, Price, Priced, Tier, Unpriced, priced
from tests.prices.spans import DAY, T0


def price(**rates: int) -> Price:
    return Price("prices", "m", (Period((Tier(-1, completed(rates), "m"),)),))


def cost(of: Price, **usage: int) -> dict[str, int]:
    found = priced(of, usage, T0)
    assert isinstance(found, Priced)
    return found.cost


def test_each_kind_has_its_own_price_and_the_total_is_their_sum() -> None:
    of = price(
        input=100, output=1000, cache_read=10, cache_write=125, cache_write_1h=200, input_audio=7, output_audio=9
    )
    assert cost(
        of,
        input=2,
        output=3,
        input_cached_tokens=5,
        input_cache_creation=1,
        input_cache_creation_5m=1,
        input_cache_creation_1h=1,
        input_audio_tokens=1,
        output_audio_tokens=1,
        output_reasoning_tokens=4,
        total=17,
    ) == {
        "input": 200,
        "output": 3000,
        "input_cached_tokens": 50,
        "input_cache_creation": 125,
        "input_cache_creation_5m": 125,
        "input_cache_creation_1h": 200,
        "input_audio_tokens": 7,
        "output_audio_tokens": 9,
        "output_reasoning_tokens": 4000,
        "total": 7716,
    }


@pytest.mark.parametrize(
    ("kind", "as_kind"),
    [
        ("input_cached_tokens", "input"),
        ("input_cache_read", "input"),
        ("input_cache_write", "input"),
        ("input_cache_creation_1h", "input"),
        ("input_audio_tokens", "input"),
        ("input_anything_else", "input"),
        ("input_tokens", "input"),
        ("prompt_tokens", "input"),
        ("output_tokens", "output"),
        ("output_reasoning_tokens", "output"),
        ("output_audio_tokens", "output"),
        ("output_accepted_prediction_tokens", "output"),
    ],
)
def test_a_kind_without_a_price_of_its_own_costs_as_input_or_output(kind: str, as_kind: str) -> None:
    rate = {"input": 100, "output": 1000}[as_kind]
    assert cost(price(input=100, output=1000), **{kind: 3}) == {kind: 3 * rate, "total": 3 * rate}


def test_an_hour_s_cache_without_a_price_of_its_own_costs_as_any_cache_write() -> None:
    assert cost(price(input=100, cache_write=125), input_cache_creation_1h=1)["total"] == 125


def test_reasoning_and_audio_have_their_own_price_where_there_is_one() -> None:
    of = price(output=1000, output_reasoning=400, output_audio=7)
    assert cost(of, output_reasoning_tokens=1, output_audio_tokens=1)["total"] == 407


def test_the_total_is_never_priced_beside_parts() -> None:
    assert cost(price(input=100, output=1000), input=1, total=99) == {"input": 100, "total": 100}


def test_a_total_alone_is_priced_when_nothing_that_comes_out_costs() -> None:
    assert cost(price(input=100), total=3) == {"total": 300}
    assert priced(price(input=100, output=1000), {"total": 3}, T0) == Unpriced("kinds")


def test_two_names_of_one_count_cost_once() -> None:
    assert cost(price(input=100), input=1, input_tokens=1, prompt_tokens=1) == {"input": 100, "total": 100}


def test_tokens_without_a_price_leave_no_cost_at_all() -> None:
    assert priced(price(input=100), {"input": 5, "output": 1}, T0) == Unpriced("kinds")
    assert cost(price(input=100), input=5, output=0) == {"input": 500, "total": 500}


def test_other_units_without_a_price_are_left_out_and_the_price_says_in_part() -> None:
    found = priced(price(input=100, output=1000), {"input": 5, "search_units": 2}, T0)
    assert found == Priced({"input": 500, "total": 500}, "prices", "m in part")
    assert priced(price(input=100), {"input": 5, "search_units": 0}, T0) == Priced(
        {"input": 500, "total": 500}, "prices", "m"
    )


def test_counts_that_repeat_others_cost_nothing_and_are_not_missed() -> None:
    found = priced(price(input=100, output=1), {"input": 5, "accepted_prediction_tokens": 2}, T0)
    assert found == Priced({"input": 500, "total": 500}, "prices", "m")


def test_only_units_that_nobody_prices_have_no_cost() -> None:
    assert priced(price(input=100), {"search_units": 2}, T0) == Unpriced("kinds")
    assert priced(price(input=100), {}, T0) == Unpriced("kinds")


def test_units_that_have_a_price_and_calls() -> None:
    assert cost(price(input=100, web_searches=7, requests=5), input=1, web_searches=2) == {
        "input": 100,
        "web_searches": 14,
        "requests": 5,
        "total": 119,
    }


def test_a_price_of_zero_is_a_cost_of_zero() -> None:
    assert cost(price(input=0, output=0), input=5, output=5) == {"input": 0, "output": 0, "total": 0}


def test_an_amount_beyond_the_columns_is_not_known() -> None:
    assert priced(price(input=10**6), {"input": 1 << 62}, T0) == Unpriced("amount")


def test_a_tier_holds_for_all_tokens_when_the_input_exceeds_it() -> None:
    tiers = (
        Tier(-1, completed({"input": 1, "output": 2}), "m"),
        Tier(100, completed({"input": 10, "output": 20}), "m above 100"),
    )
    of = Price("prices", "m", (Period(tiers),))
    assert priced(of, {"input": 60, "input_cached_tokens": 40, "output": 1}, T0) == Priced(
        {"input": 60, "input_cached_tokens": 40, "output": 2, "total": 102}, "prices", "m"
    )
    assert priced(of, {"input": 61, "input_cached_tokens": 40, "output": 1}, T0) == Priced(
        {"input": 610, "input_cached_tokens": 400, "output": 20, "total": 1030}, "prices", "m above 100"
    )


def test_a_catalogue_s_tier_and_kinds_to_the_digit() -> None:
    book = Book(catalogue())
    found = book.cost("p", "google", "gemini-2.5-pro", {"input": 200_001, "output": 1}, T0)
    assert found is not None
    assert found.cost == {"input": 200_001 * 2_500_000, "output": 15_000_000, "total": 200_001 * 2_500_000 + 15_000_000}
    assert found.price == "google/gemini-2.5-pro above 200000"


def test_costs_are_those_of_genai_prices_itself() -> None:
    from genai_prices import Usage, calc_price

    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    ns = int(at.timestamp()) * 10**9
    book = Book(catalogue())
    for provider, model in [
        ("openai", "gpt-5"),
        ("openai", "gpt-4o-mini"),
        ("anthropic", "claude-sonnet-4-5"),
        ("google", "gemini-2.5-pro"),
        ("aws", "anthropic.claude-3-5-sonnet-20241022-v2:0"),
        ("deepseek", "deepseek-chat"),
        ("mistral", "mistral-large-latest"),
        ("groq", "llama-3.3-70b-versatile"),
        ("x-ai", "grok-4"),
    ]:
        for cached in (0, 1000, 250_000):
            theirs = calc_price(
                Usage(input_tokens=1234 + cached, cache_read_tokens=cached, output_tokens=567),
                model,
                provider_id=provider,
                genai_request_timestamp=at,
            )
            usage = {"input": 1234, "input_cached_tokens": cached, "output": 500, "output_reasoning_tokens": 67}
            ours = book.cost("p", provider, model, usage, ns)
            assert ours is not None
            assert Decimal(ours.cost["total"]) / 10**12 == theirs.total_price, (provider, model, cached)


def test_a_price_with_a_start_and_one_of_some_hours() -> None:
    def of(name: str) -> tuple[Tier, ...]:
        return (Tier(-1, completed({"input": len(name)}), name),)

    midnight = T0 // DAY * DAY
    periods = (
        Period(of("old")),
        Period(of("day 2"), midnight + DAY),
        Period(of("nightly"), daily=(22 * 3600, 2 * 3600)),
    )
    price = Price("prices", "m", periods)

    def name(at: int) -> str:
        return price.period(at).tiers[0].name

    hour = 3600 * 10**9
    assert name(midnight + 3 * hour) == "old"
    assert name(midnight + 22 * hour - 1) == "old"
    assert name(midnight + 22 * hour) == "nightly"
    assert name(midnight + DAY) == "nightly"
    assert name(midnight + DAY + 2 * hour) == "day 2"


def test_a_project_s_price_beats_the_catalogue_from_its_start_until_a_later_one() -> None:
    overrides = [
        Override("p", "gpt-4o", "", T0, ((-1, (("input", 1),)),)),
        Override("p", "gpt-4o", "", T0 + DAY, ((-1, (("input", 2),)),)),
    ]
    book = Book(catalogue(), overrides)

    def at(ns: int, project: str = "p") -> tuple[int, str]:
        found = book.cost(project, "openai", "gpt-4o", {"input": 1}, ns)
        assert found is not None
        return found.cost["total"], found.source

    assert at(T0 - 1) == (2_500_000, "prices")
    assert at(T0) == (1, "project")
    assert at(T0 + DAY - 1) == (1, "project")
    assert at(T0 + DAY) == (2, "project")
    assert at(T0, "another project") == (2_500_000, "prices")


def test_of_a_project_s_prices_the_most_exact_counts() -> None:
    def override(match: str, provider: str, input: int) -> Override:
        return Override("p", match, provider, 0, ((-1, (("input", input),)),))

    book = Book(
        catalogue(),
        [
            override("gpt*", "", 1),
            override("gpt-4o*", "", 2),
            override("gpt-4o*", "azure", 3),
            override("GPT-4o-mini", "", 4),
        ],
    )

    def cost(provider: str, model: str) -> int:
        found = book.cost("p", provider, model, {"input": 1}, T0)
        assert found is not None
        return found.cost["total"]

    assert cost("openai", "gpt-3.5-turbo") == 1
    assert cost("openai", "gpt-4o-2024-08-06") == 2
    assert cost("Azure", "gpt-4o-2024-08-06") == 3
    assert cost("azure", "gpt-4o-mini") == 4
    assert cost("ollama", "gpt-oss:20b") == 1


def test_m6_a_project_s_price_holds_for_dated_names_too_and_an_exact_one_wins() -> None:
    def override(match: str, input: int, provider: str = "", start_ns: int = 0) -> Override:
        return Override("p", match, provider, start_ns, ((-1, (("input", input),)),))

    overrides = [override("gpt-4o", 1), override("gpt-4o-2024-11-20", 2), override("GPT*", 3), override("ours", 4)]
    book = Book(catalogue(), overrides)

    def cost(model: str, of: Book = book, at: int = T0) -> tuple[int, str]:
        found = of.cost("p", "openai", model, {"input": 1}, at)
        assert found is not None
        return found.cost["total"], found.price

    assert cost("gpt-4o") == cost("gpt-4o-2024-08-06") == cost("GPT-4o-latest") == (1, "gpt-4o")
    assert cost("gpt-4o-2024-11-20") == (2, "gpt-4o-2024-11-20")
    assert cost("gpt-4o-mini") == cost("gpt-4o-mini-2024-07-18") == (3, "GPT*")
    # a model that the catalogue does not know
    assert cost("ours-20260101") == (4, "ours")
    # The catalogue lists this one at a price of its own: it is another model.
    assert Book(catalogue(), overrides[:1]).cost("p", "openai", "gpt-4o-2024-05-13", {"input": 1}, T0) == Priced(
        {"input": 5_000_000, "total": 5_000_000}, "prices", "openai/gpt-4o-2024-05-13"
    )
    assert cost("gpt-4o-2024-05-13")[1] == "GPT*"
    # An exact one that has not begun yet does not win yet.
    later = Book(catalogue(), [override("gpt-4o", 1), override("gpt-4o-2024-08-06", 2, start_ns=T0)])
    assert cost("gpt-4o-2024-08-06", later, T0 - 1)[0] == 1
    assert cost("gpt-4o-2024-08-06", later)[0] == 2


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o*", "gpt-4o", True),
        ("*mini", "gpt-4o-mini", True),
        ("gpt*mini*2024", "gpt-4o-mini-2024", True),
        ("a*a", "a", False),
        ("a*b*b", "ab", False),
        ("*", "", True),
        ("a**b", "ab", True),
        ("a.c", "abc", False),
    ],
)
def test_a_star_stands_for_any_text(pattern: str, text: str, expected: bool) -> None:
    assert fits(pattern, text) is expected


def test_picodollars_are_rounded_half_to_even() -> None:
    assert picodollars(Decimal("2.5")) == 2_500_000
    assert picodollars(Decimal("0.0000005")) == 0
    assert picodollars(Decimal("0.0000015")) == 2
    assert picodollars(Decimal("0.36"), 3600) == 100_000_000


def test_cost_columns() -> None:
    assert cost_columns({"input": 1, "input_cached_tokens": 2, "output": 4, "requests": 8, "total": 15}) == (3, 4, 15)
    assert cost_columns({"total": 5}) == (None, None, 5)
    assert cost_columns({}) == (None, None, None)


def test_the_data_has_a_version_and_a_day() -> None:
    assert data_version().startswith("0.2.")
    assert data_date() >= "2026-01-01"


def test_nothing_is_ever_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    catalogue.cache_clear()
    assert Book(catalogue()).cost("p", "openai", "gpt-4o", {"input": 1}, T0) is not None


def test_importing_prices_does_not_import_the_data() -> None:
    import subprocess
    import sys

    code = "import sys, litefuse.prices, litefuse.cli.prices; print([n for n in sys.modules if n.startswith('genai')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
