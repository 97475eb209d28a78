"""All prices at one moment: the catalogue, and the projects' own prices over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from litefuse.prices.names import MAX_NAME
from litefuse.prices.overrides import Override, timeline
from litefuse.prices.price import ALWAYS, Price, Priced, Timeline, Unpriced, priced
from litefuse.telemetry import metrics as m

#: Matches kept; a model's name is whatever a client sends.
MATCHES = 20_000
_NO_PRICE = Timeline((ALWAYS,), (None,))


class Catalogue(Protocol):
    """What is used of litefuse.prices.catalogue.Catalogue."""

    def match(self, provider: str, model: str) -> Price | None: ...


class Book:
    """Immutable, but for the matches it remembers; may be read by several threads. A change of prices is another book."""

    def __init__(self, catalogue: Catalogue, overrides: Iterable[Override] = ()) -> None:
        self.catalogue = catalogue
        self.overrides = tuple(overrides)
        self._of_project: dict[str, tuple[Override, ...]] = {}
        for override in self.overrides:
            self._of_project[override.project_id] = (*self._of_project.get(override.project_id, ()), override)
        self._matches: dict[tuple[str, str, str], Timeline] = {}

    def cost(self, project_id: str, provider: str, model: str, usage: Mapping[str, int], at_ns: int) -> Priced | None:
        """The cost of a call that began at `at_ns` (Unix ns), None when it is not known (and counted)."""
        price = self.timeline(project_id, provider, model).at(at_ns)
        if price is None:
            m.UNPRICED.labels(reason="model").inc()
            return None
        found = priced(price, usage, at_ns)
        if isinstance(found, Unpriced):
            m.UNPRICED.labels(reason=found.reason).inc()
            return None
        return found

    def timeline(self, project_id: str, provider: str, model: str) -> Timeline:
        """The prices of a model by time. One dictionary look-up when it was asked before, also for an unknown model."""
        if len(model) > MAX_NAME or len(provider) > MAX_NAME:  # no model's name, and not to be remembered
            return _NO_PRICE
        # Projects without prices of their own share their matches.
        own = self._of_project.get(project_id)
        key = (project_id if own else "", provider, model)
        found = self._matches.get(key)
        if found is None:
            catalogue = self.catalogue.match(provider, model)
            if own:
                found = timeline(own, provider, model, catalogue, self.catalogue.match)
            else:
                found = Timeline((ALWAYS,), (catalogue,))
            while len(self._matches) >= MATCHES:
                try:
                    self._matches.pop(next(iter(self._matches)), None)
                except (StopIteration, RuntimeError):  # another thread does the same
                    break
            self._matches[key] = found
        return found
