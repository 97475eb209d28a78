"""Counts of tokens and their arithmetic: whole numbers from 0 to MAX_COUNT, never beyond (otel-mapping.md section 11).

A count that is sent and does not fit is dropped; a sum that would not fit is MAX_COUNT, and a difference below zero is
0: sums are worked out by us, and a total that is too small by little says more than none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from worker.map.values import Attributes, Value, count, without_nul

MAX_COUNT = (1 << 63) - 1
#: `'cached_tokens': 8` in the text of a Python dict.
_SPELT = re.compile(r"""['"](\w{1,40})['"]: ?(\d{1,19})\b""")
#: Longer texts are no counts.
_LONGEST = 10_000


def counted(value: Value) -> int | None:
    """A count, also spelt as text; None for what is none. The same as `count`, quicker for integers."""
    if type(value) is int:
        return value if 0 <= value <= MAX_COUNT else None
    return None if value is None else count(value)


def first_count(attributes: Attributes, names: Iterable[str]) -> int | None:
    """The first of these attributes that is a count."""
    for name in names:
        value = attributes.get(name)
        if value is not None and (found := counted(value)) is not None:
            return found
    return None


def added(counts: Iterable[int]) -> int:
    """Their sum, at most MAX_COUNT."""
    return min(sum(counts), MAX_COUNT)


def net(gross: int, *parts: int | None) -> int:
    """What is left of `gross` without these parts, at least 0."""
    return max(gross - sum([part for part in parts if part]), 0)


def spelt(text: Value) -> dict[str, int]:
    """The counts in the text of a Python dict, or of JSON, by name, the first of each name; empty for other values."""
    found: dict[str, int] = {}
    if isinstance(text, str) and len(text) <= _LONGEST:
        for name, digits in _SPELT.findall(text):
            if (tokens := counted(digits)) is not None:
                found.setdefault(name, tokens)
    return found


def only_counts(usage: Mapping[str, Value]) -> dict[str, int]:
    """The entries that are counts, by the names they have."""
    return {without_nul(key): found for key, value in usage.items() if (found := counted(value)) is not None}


def with_total(usage: dict[str, int], *gross: int | None) -> dict[str, int]:
    """`usage` with a `total` if it has none: the sum of the gross input and output that are known, without either the
    sum of all entries (section 11.5, WB-23). Changes and returns `usage`."""
    if "total" not in usage and usage:
        known = [part for part in gross if part is not None]
        usage["total"] = added(known or usage.values())
    return usage


def dig(value: Value, *path: str) -> Value:
    """The value at this path of objects; None where there is none."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
