"""Providers and models as SDKs send them, and which model of the catalogue that is."""

from __future__ import annotations

import pytest

from litefuse.prices.book import MATCHES, Book
from litefuse.prices.catalogue import Catalogue, catalogue
from litefuse.prices.names import undated
from litefuse.prices.price import Price
from litefuse.telemetry import metrics as m

_BEDROCK = "regional.anthropic.claude-3-5-sonnet-20241022-v2:0"


def found(provider: str, model: str) -> str | None:
    match = catalogue().find(provider, model)
    return f"{match[0]}/{match[1].id}" if match else None


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        # the provider's words
        ("openai", "gpt-4o", "openai/gpt-4o"),
        ("OpenAI", " GPT-4o ", "openai/gpt-4o"),
        ("openai.chat", "gpt-4o", "openai/gpt-4o"),
        ("openai.responses", "gpt-4.1-mini", "openai/gpt-4.1-mini"),
        ("ChatOpenAI", "gpt-4o", "openai/gpt-4o"),
        ("anthropic.messages", "claude-opus-4-20250514", "anthropic/claude-opus-4-0"),
        ("google.generative-ai", "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("google_genai", "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("gcp.gemini", "models/gemini-2.0-flash", "google/gemini-2.0-flash"),
        ("gcp.gen_ai", "gemini-2.0-flash-001", "google/gemini-2.0-flash"),
        ("gcp.vertex_ai", "gemini-1.5-pro", "google/gemini-1.5-pro"),
        ("vertex_ai", "gemini-1.5-pro", "google/gemini-1.5-pro"),
        ("vertex_ai", "publishers/google/models/gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("vertex_ai", "claude-3-5-sonnet-v2@20241022", "google/claude-3-5-sonnet"),
        ("x_ai", "grok-4", "x-ai/grok-4-0709"),
        ("mistral_ai", "mistral-large-latest", "mistral/mistral-large"),
        ("groq", "llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile"),
        ("openrouter", "openai/gpt-4o", "openrouter/openai/gpt-4o"),
        ("together_ai", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "together/meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        # Bedrock
        ("aws.bedrock", "us.anthropic.claude-3-5-sonnet-20241022-v2:0", f"aws/{_BEDROCK}"),
        ("bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0", f"aws/{_BEDROCK}"),
        (
            "bedrock",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-5-sonnet-20241022-v2:0",
            f"aws/{_BEDROCK}",
        ),
        (
            "",
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-5-sonnet-20241022-v2:0",
            f"aws/{_BEDROCK}",
        ),
        ("anthropic", "us.anthropic.claude-3-5-sonnet-20241022-v2:0", f"aws/{_BEDROCK}"),
        ("amazon-bedrock", "amazon.nova-pro-v1:0", "aws/amazon.nova-pro-v1:0"),
        ("aws.bedrock", "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", None),
        # a path before the name
        ("", "openai/gpt-4o", "openai/gpt-4o"),
        ("openai", "openai/gpt-4o", "openai/gpt-4o"),
        ("litellm", "vertex_ai/gemini-2.0-flash", "google/gemini-2.0-flash"),
        ("litellm", "bedrock/converse/us.anthropic.claude-3-5-sonnet-20241022-v2:0", f"aws/{_BEDROCK}"),
        ("litellm", "openrouter/openai/gpt-4o", "openrouter/openai/gpt-4o"),
        ("gateway", "anthropic/claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
        # dates
        ("openai", "gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("openai", "gpt-5.2-20251211", "openai/gpt-5.2"),
        ("", "claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5"),
        # fine-tuned: never the cheaper price of what they were made from
        ("openai", "ft:gpt-4o-mini-2024-07-18:org::id", "openai/ft:gpt-4o-mini"),
        ("openai", "ft:gpt-4o-mini:org::id", "openai/ft:gpt-4o-mini"),
        ("", "ft:gpt-4o-mini:org::id", "openai/ft:gpt-4o-mini"),
        ("openai", "ft:no-such-model:org::id", None),
        # no provider
        ("", "gpt-4o", "openai/gpt-4o"),
        ("", "o3-mini", "openai/o3-mini"),
        ("", "text-embedding-3-small", "openai/text-embedding-3-small"),
        ("", "amazon.nova-pro-v1:0", "aws/amazon.nova-pro-v1:0"),
        # the wrong one: clients of OpenAI and Anthropic speak to others too
        ("openai", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
        ("mystery", "gpt-4o", "openai/gpt-4o"),
        # a known service that does not list the model has a price of its own, which nobody knows
        ("groq", "gpt-4o", None),
        ("google", "gpt-4o", None),
        # one's own machine
        ("ollama", "deepseek-r1", None),
        ("litellm", "ollama/llama3", None),
        ("vllm", "gpt-4o", None),
        # nothing
        ("openai", "", None),
        ("openai", "   ", None),
        ("openai", "no-such-model", None),
        ("openai", "gpt-4o" * 1000, None),
        ("///", "///", None),
        (".", "*", None),
        ("openai", "\x00'\"", None),
    ],
)
def test_names_that_sdks_send(provider: str, model: str, expected: str | None) -> None:
    assert found(provider, model) == expected


@pytest.mark.parametrize("provider", ["azure", "az.ai.openai", "az.ai.inference", "azure_openai", "AzureChatOpenAI"])
def test_azure_is_not_openai_but_costs_the_same(provider: str) -> None:
    assert catalogue().provider(provider) == "azure"
    assert found(provider, "gpt-4o") is not None
    assert found(provider, "azure/gpt-4o") is not None


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-5.2-20251211", "gpt-5.2"),
        ("claude-3-5-sonnet@20241022", "claude-3-5-sonnet"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet"),
        ("llama3:latest", "llama3"),
        ("claude-sonnet-4@default", "claude-sonnet-4"),
        ("gpt-4-0613", "gpt-4"),
        ("mistral-large-2411", "mistral-large"),
        ("command-r-08-2024", "command-r"),
        ("gemini-2.5-pro-preview-05-06", "gemini-2.5-pro-preview"),
        ("gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("us.anthropic.claude-3-5-haiku-20241022-v1:0", "us.anthropic.claude-3-5-haiku"),
        # no dates
        ("gpt-4o", ""),
        ("gpt-4o-mini", ""),
        ("gpt-4o-2024-08-06-mini", ""),
        ("gpt-4o-2024-13-06", ""),
        ("llama3-70b-8192", ""),
        ("qwen-72", ""),
        ("gpt-4-32k", ""),
        ("latest", ""),
        ("", ""),
    ],
)
def test_m6_what_is_a_dated_name(model: str, expected: str) -> None:
    assert undated(model) == expected


@pytest.mark.parametrize(
    "dated",
    [
        *("gpt-4o-2024-08-06", "gpt-4-0613", "gpt-3.5-turbo-0125", "mistral-large-2411", "mistral-large-latest"),
        *("grok-4-0709", "command-r-08-2024", "gemini-2.0-flash-001", "claude-3-5-sonnet@20241022"),
        *("claude-3-5-sonnet-latest", "claude-sonnet-4-20250514", "claude-sonnet-4@default"),
    ],
)
def test_m6_the_catalogue_has_the_same_price_for_the_name_without_the_date(dated: str) -> None:
    assert found("", undated(dated)) == found("", dated) is not None


def test_every_model_of_the_catalogue_is_a_price_of_whole_picodollars() -> None:
    from genai_prices.data import providers

    from litefuse.prices.catalogue import _price

    for provider in providers:
        for model in provider.models:
            price = _price(provider.id, model)
            assert price.periods
            for period in price.periods:
                assert period.tiers[0].above == -1
                assert all(isinstance(rate, int) for tier in period.tiers for rate in tier.rates)


class Counted(Catalogue):
    """The catalogue, with the number of times that it was asked."""

    asked = 0

    def match(self, provider: str, model: str) -> Price | None:
        self.asked += 1
        return super().match(provider, model)


def _counted() -> Counted:
    from genai_prices.data import providers

    return Counted(providers)


def test_an_unknown_model_is_looked_for_once_and_counted_each_time() -> None:
    counted = _counted()
    book = Book(counted)
    before = m.UNPRICED.labels(reason="model")._value.get()
    for project in ("a", "b", "a"):
        assert book.cost(project, "openai", "no-such-model", {"input": 5}, 0) is None
    assert counted.asked == 1
    assert m.UNPRICED.labels(reason="model")._value.get() == before + 3


def test_what_is_remembered_is_bounded() -> None:
    book = Book(_counted())
    for number in range(MATCHES + 50):
        book.timeline("p", "ollama", f"model {number}")
    assert len(book._matches) == MATCHES
    size = len(book._matches)
    assert book.cost("p", "openai", "x" * 100_000, {"input": 1}, 0) is None
    assert book.cost("p", "x" * 100_000, "gpt-4o", {"input": 1}, 0) is None
    assert len(book._matches) == size
