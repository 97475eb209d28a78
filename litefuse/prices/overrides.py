"""A project's own prices: which of them holds for a model, and from when.

Of the prices that match a model and have begun, the most exact counts: a name without `*` before a pattern, a longer
pattern before a shorter one, one for a provider before one for all; of equal ones the latest start.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from litefuse.prices.kinds import completed
from litefuse.prices.price import ALWAYS, Period, Price, Tier, Timeline


@dataclass(frozen=True, slots=True)
class Override:
    """A price of a project. `match` is a model's name, `*` in it stands for any text; `provider` is as spans say it, empty
    for all; `start_ns` is Unix ns, 0 = always. `tiers`: (above so many input tokens, rate → picodollars a token), the
    first above -1."""

    project_id: str
    match: str
    provider: str
    start_ns: int
    tiers: tuple[tuple[int, tuple[tuple[str, int], ...]], ...]

    def matches(self, provider: str, model: str) -> bool:
        return (not self.provider or self.provider.lower() == provider.strip().lower()) and fits(
            self.match.lower(), model.strip().lower()
        )

    def price(self, name: str = "") -> Price:
        shown = name or self.name
        tiers = tuple(
            Tier(above, completed(dict(rates)), shown if above < 0 else f"{shown} above {above}")
            for above, rates in self.tiers
        )
        return Price("project", shown, (Period(tiers),))

    @property
    def name(self) -> str:
        from litefuse.prices.dates import day

        of = f"{self.provider}/{self.match}" if self.provider else self.match
        return f"{of} from {day(self.start_ns)}" if self.start_ns else of

    def exactness(self) -> tuple[bool, int, bool, int]:
        return "*" not in self.match, len(self.match), bool(self.provider), self.start_ns


def fits(pattern: str, text: str) -> bool:
    """Whether the text is the pattern, in which `*` stands for any text. Linear in the text for each part."""
    first, *parts = pattern.split("*")
    if not parts:
        return text == first
    *middle, last = parts
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def timeline(overrides: Iterable[Override], provider: str, model: str, catalogue: Price | None) -> Timeline:
    """Prices of a model by time: the project's from their start on, before it the catalogue's."""
    found = [override for override in overrides if override.matches(provider, model)]
    starts = sorted({ALWAYS, *(_start(override) for override in found)})
    prices: list[Price | None] = []
    for start in starts:
        begun = [override for override in found if _start(override) <= start]
        prices.append(max(begun, key=Override.exactness).price() if begun else catalogue)
    return Timeline(tuple(starts), tuple(prices))


def _start(override: Override) -> int:
    return override.start_ns or ALWAYS
