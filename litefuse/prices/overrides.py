"""A project's own prices: which of them holds for a model, and from when.

Of the prices that match a model and have begun, the most exact counts: the model's very name before its name without a
date, both before a pattern with `*`, a longer pattern before a shorter one, one for a provider before one for all; of equal
ones the latest start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from litefuse.prices.kinds import completed
from litefuse.prices.names import undated
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

    def fit(self, provider: str, model: str) -> int | None:
        """How well it fits a model: see `fit`. None also for another provider."""
        if self.provider and self.provider.lower() != provider.strip().lower():
            return None
        return fit(self.match, model)

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


#: How well a pattern fits a name, the best last.
STAR, UNDATED, EXACT = 0, 1, 2


def fit(pattern: str, model: str) -> int | None:
    """EXACT: it is the model's name; UNDATED: the name without the date at its end; STAR: a pattern with `*` that fits; else
    None. Upper and lower case are the same."""
    pattern, name = pattern.strip().lower(), model.strip().lower()
    if "*" in pattern:
        return STAR if fits(pattern, name) else None
    if pattern == name:
        return EXACT
    return UNDATED if pattern and pattern == undated(name) else None


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


def timeline(
    overrides: Iterable[Override],
    provider: str,
    model: str,
    catalogue: Price | None,
    find: Callable[[str, str], Price | None] = lambda provider, model: None,
) -> Timeline:
    """Prices of a model by time: the project's from their start on, before it the catalogue's. `find` looks another name up
    in the catalogue: a dated name that it lists at a price of its own is another model than the one without the date."""
    found = [(well, override) for override in overrides if (well := override.fit(provider, model)) is not None]
    if catalogue is not None and any(well == UNDATED for well, _ in found):
        plain = find(provider, undated(model.strip().lower()))
        if plain is not None and plain.name != catalogue.name:
            found = [(well, override) for well, override in found if well != UNDATED]
    starts = sorted({ALWAYS, *(_start(override) for _, override in found)})
    prices: list[Price | None] = []
    for start in starts:
        begun = [(well, override) for well, override in found if _start(override) <= start]
        prices.append(max(begun, key=_exactness)[1].price() if begun else catalogue)
    return Timeline(tuple(starts), tuple(prices))


def _exactness(found: tuple[int, Override]) -> tuple[int, int, bool, int]:
    well, override = found
    return well, len(override.match), bool(override.provider), override.start_ns


def _start(override: Override) -> int:
    return override.start_ns or ALWAYS
