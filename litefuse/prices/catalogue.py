"""The prices of the package genai-prices, as our own. It is data in the package: nothing is fetched, ever.

Importing this is cheap; the first `catalogue()` imports genai-prices, which takes a moment and some memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from litefuse.prices.dates import day, start_of
from litefuse.prices.kinds import MILLION, REQUESTS, UNITS, completed
from litefuse.prices.names import ALIASES, FRONTS, LOCAL, MAKERS, MAX_NAME, in_bedrock_form, tuned, variants, words
from litefuse.prices.price import ALWAYS, Period, Price, Tier

if TYPE_CHECKING:
    from genai_prices import types as t

#: Name of a price in genai-prices → (our rate, units it is for).
_RATES: dict[str, tuple[str, int]] = {
    "input_mtok": ("input", MILLION),
    "output_mtok": ("output", MILLION),
    "cache_read_mtok": ("cache_read", MILLION),
    "cache_write_mtok": ("cache_write", MILLION),
    "cache_write_5m_mtok": ("cache_write_5m", MILLION),
    "cache_write_1h_mtok": ("cache_write_1h", MILLION),
    "input_audio_mtok": ("input_audio", MILLION),
    "output_audio_mtok": ("output_audio", MILLION),
    "cache_audio_read_mtok": ("cache_read_audio", MILLION),
    "input_image_mtok": ("input_image", MILLION),
    "output_image_mtok": ("output_image", MILLION),
    "cache_image_read_mtok": ("cache_read_image", MILLION),
    "input_video_mtok": ("input_video", MILLION),
    "output_video_mtok": ("output_video", MILLION),
    "output_reasoning_mtok": ("output_reasoning", MILLION),
    "output_citation_mtok": ("output_citation", MILLION),
    "web_searches_kcount": ("web_searches", UNITS["web_searches"]),
    "storage_searches_kcount": ("storage_searches", UNITS["storage_searches"]),
    "social_searches_kcount": ("social_searches", UNITS["social_searches"]),
    "code_executions_kcount": ("code_executions", UNITS["code_executions"]),
    "rerank_searches_kcount": ("rerank_searches", UNITS["rerank_searches"]),
    "input_mchars": ("input_characters", UNITS["input_characters"]),
    "input_gpixels": ("input_pixels", UNITS["input_pixels"]),
    "audio_hours": ("audio_seconds", UNITS["audio_seconds"]),
    "input_audio_hours": ("input_audio_seconds", UNITS["input_audio_seconds"]),
    "output_audio_hours": ("output_audio_seconds", UNITS["output_audio_seconds"]),
    "input_document_kpages": ("input_document_pages", UNITS["input_document_pages"]),
    "input_annotated_document_kpages": ("input_annotated_document_pages", UNITS["input_annotated_document_pages"]),
    "input_text_messages_kcount": ("input_text_messages", UNITS["input_text_messages"]),
    "requests_kcount": (REQUESTS, 1_000),
}
PICODOLLARS = 10**12
_CHECKED = re.compile(r"(?:[Cc]hecked(?: on)?|as of) (20\d\d-\d\d-\d\d)")


class Catalogue:
    """The models of genai-prices, found by the names that SDKs send."""

    def __init__(self, providers: list[t.Provider]) -> None:
        self._providers = {provider.id: provider for provider in providers}
        self._models: dict[str, _Models] = {}

    def match(self, provider: str, model: str) -> Price | None:
        """The price of a model, None for one that is not in the catalogue. Not remembered here: see Book."""
        found = self.find(provider, model)
        return None if found is None else _price(*found)

    def find(self, provider: str, model: str) -> tuple[str, t.ModelInfo] | None:
        """(id of the provider whose price it is, model)."""
        name = model.strip().lower()
        if not name or len(name) > MAX_NAME or len(provider) > MAX_NAME:
            return None
        who = self.provider(provider)
        if who == "":
            return None
        if who is not None and (found := self._in(who, name)):
            return found
        if who is not None and who not in FRONTS:
            return None  # it has a price of its own for the model, which is not known
        return self._elsewhere(name)

    def provider(self, said: str) -> str | None:
        """The catalogue's id of a provider; "" for a model's own machine, None for none that is known."""
        for word in words(said):
            if word in LOCAL:
                return ""
            if found := self._id(word):
                return found
        for word in words(said):
            for provider in self._providers.values():
                if provider.provider_match is not None and word and provider.provider_match.is_match(word):
                    return provider.id
        return None

    def _id(self, word: str) -> str | None:
        """Of a word that is a provider's name, and not only has it in it."""
        for spelled in (word, word.replace("-", "_"), word.replace("_", "-")):
            found = ALIASES.get(spelled, spelled)
            if found in self._providers:
                return found
        return None

    def _in(self, provider: str, name: str) -> tuple[str, t.ModelInfo] | None:
        """Among a provider's models; with a path before the name, such as `azure/gpt-4o`, when it is the provider's own."""
        spellings = variants(name)
        head, _, rest = name.partition("/")
        while rest and self._id(head) == provider:
            spellings += variants(rest)
            head, _, rest = rest.partition("/")
        if provider == "aws":  # bedrock/converse/us.anthropic.claude-…, bedrock/us-east-1/…
            spellings += [spelled.rpartition("/")[2] for spelled in spellings]
        for spelled in dict.fromkeys(spellings):
            if found := self._listed(provider, spelled):
                return found
        return None

    def _listed(self, provider: str, name: str) -> tuple[str, t.ModelInfo] | None:
        for place in (provider, *(self._providers[provider].fallback_model_providers or ())):
            if place in self._providers and (model := self._of(place).find(name)):
                return place, model
        return None

    def _elsewhere(self, name: str) -> tuple[str, t.ModelInfo] | None:
        """Without a provider that lists it: the one before a slash, Bedrock for names of its form, else whoever makes models
        of that name."""
        rest = name
        while "/" in rest:
            head, _, rest = rest.partition("/")
            if head in LOCAL:
                return None
            who = self._id(head)
            if who is not None and (found := self._in(who, rest)):
                return found
            if who is not None and who not in FRONTS:
                return None
        for spelled in variants(rest):
            if in_bedrock_form(spelled) and (found := self._listed("aws", spelled)):
                return found
            for provider in self._providers.values():
                if provider.model_match is not None and provider.model_match.is_match(spelled):
                    if found := self._listed(provider.id, spelled):
                        return found
                    break
            for beginning, makers in MAKERS:
                if spelled.startswith(beginning):
                    for maker in makers:
                        if found := self._listed(maker, spelled):
                            return found
        if tuned(rest) is not None:
            return self._in("openai", rest)
        return None

    def _of(self, provider: str) -> _Models:
        found = self._models.get(provider)
        if found is None:
            found = self._models[provider] = _Models(self._providers[provider].models)
        return found


class _Models:
    """A provider's models: of those that match a name, the first. Most are found by equality, so in one look-up."""

    def __init__(self, models: list[t.ModelInfo]) -> None:
        self._models = models
        self._equal: dict[str, int] = {}
        self._other: list[tuple[int, Callable[[str], bool]]] = []
        self._ids = {model.id.lower(): place for place, model in enumerate(models)}
        for place, model in enumerate(models):
            for clause in _alternatives(model.match):
                equal = getattr(clause, "equals", None)
                if isinstance(equal, str):
                    self._equal.setdefault(equal.lower(), place)
                else:
                    self._other.append((place, clause.is_match))

    def find(self, name: str) -> t.ModelInfo | None:
        best = self._equal.get(name, len(self._models))
        for place, is_match in self._other:
            if place >= best:
                break
            if is_match(name):
                best = place
        if best == len(self._models):
            best = self._ids.get(tuned(name) or "", best)
        return self._models[best] if best < len(self._models) else None


def _alternatives(match: Any) -> Iterator[Any]:
    either = getattr(match, "or_", None)
    if either is None:
        yield match
    else:
        for clause in either:
            yield from _alternatives(clause)


def _price(provider: str, model: t.ModelInfo) -> Price:
    name = f"{provider}/{model.id}"
    if not isinstance(model.prices, list):
        return Price("prices", name, (Period(_tiers(model.prices, name)),))
    periods = []
    for conditional in model.prices:
        begins, daily, shown = ALWAYS, None, name
        constraint: Any = conditional.constraint
        if hasattr(constraint, "start_date"):
            begins = start_of(constraint.start_date)
            shown = f"{name} from {day(begins)}"
        elif constraint is not None:
            first, last = constraint.start_time, constraint.end_time
            daily = (_seconds(first), _seconds(last))
            shown = f"{name} {first:%H:%M}-{last:%H:%M}"
        periods.append(Period(_tiers(conditional.prices, shown), begins, daily))
    return Price("prices", name, tuple(periods))


def _tiers(price: t.ModelPrice, name: str) -> tuple[Tier, ...]:
    """Every size at which some rate changes begins a tier of all rates."""
    found: dict[str, list[tuple[int, int]]] = {}
    for key, value in vars(price).items():
        if value is None or key not in _RATES:
            continue
        rate, units = _RATES[key]
        steps = (
            [(-1, value)]
            if isinstance(value, Decimal)
            else [(-1, value.base), *((s.start, s.price) for s in value.tiers)]
        )
        found[rate] = [(above, picodollars(usd, units)) for above, usd in steps]
    sizes = sorted({above for steps in found.values() for above, _ in steps} | {-1})
    tiers = []
    for size in sizes:
        rates = {rate: [cost for above, cost in steps if above <= size][-1] for rate, steps in found.items()}
        tiers.append(Tier(size, completed(rates), name if size < 0 else f"{name} above {size}"))
    return tuple(tiers)


def picodollars(usd: Decimal, units: int = MILLION) -> int:
    """USD for so many units as whole picodollars for one, half-even."""
    return int((usd * PICODOLLARS / units).to_integral_value(ROUND_HALF_EVEN))


def _seconds(time: Any) -> int:
    """Second of the day, UTC."""
    shift = time.utcoffset()
    seconds: int = time.hour * 3600 + time.minute * 60 + time.second
    return (seconds - (int(shift.total_seconds()) if shift else 0)) % 86_400


@cache
def catalogue() -> Catalogue:
    """All of genai-prices. The first call imports it."""
    from genai_prices.data import providers

    return Catalogue(providers)


@cache
def data_version() -> str:
    """Version of the package whose data it is."""
    return version("genai-prices")


@cache
def data_date() -> str:
    """The day of the data: the latest on which its makers note that they have checked a price. The package has no other."""
    from genai_prices.data import providers

    notes = [note for p in providers for note in (p.price_comments, *(m.price_comments for m in p.models)) if note]
    return max((found for note in notes for found in _CHECKED.findall(note)), default="not known")
