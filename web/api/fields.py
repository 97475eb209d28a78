"""Groups of fields: the parameter `fields` (public-api.md section 1.7). Pure."""

from __future__ import annotations

from collections.abc import Sequence


def groups(given: str | None, known: Sequence[str], default: Sequence[str]) -> frozenset[str]:
    """Names between commas, and always `core`. Unknown names are ignored; where there is no other, the default counts."""
    named = {name.strip() for name in (given or "").split(",")}
    chosen = named.intersection(known) or set(default)
    return frozenset(chosen | {"core"})
