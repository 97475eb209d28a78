"""Words of the mapping as functions (otel-mapping.md section 1): filled, meaningful, to text, JSON text.

A value is what an attribute decodes to: text, integer, number, boolean, list or object; bytes are base64 text, and an
empty AnyValue is absent. None of these functions raises, whatever it is given.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from litefuse import json_values
from litefuse.otlp.values import float_text

#: Text | int | float | bool | list | dict, as decoded from an AnyValue.
Value = Any
Attributes = Mapping[str, Value]

#: Texts longer than this are not parsed where only a few fields of them are wanted (bounded work for each span).
PARSED_BYTES = 16 << 20


def filled(value: Value) -> bool:
    """Present and not `""` (WB-3)."""
    return value is not None and value != ""


def meaningful(value: Value) -> bool:
    """Present, not `""`, not `[]`, not `{}`; `0` and `false` are meaningful."""
    return value is not None and value != "" and value != [] and value != {}


def as_text(value: Value) -> str:
    """Text unchanged, anything else as compact JSON."""
    if isinstance(value, str):
        return value
    return dump(value)


def first(attributes: Attributes, names: Iterable[str]) -> Value:
    """The first filled value among these names; None when there is none."""
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "":
            return value
    return None


def first_text(attributes: Attributes, names: Iterable[str]) -> str:
    """The same as text; empty for none."""
    value = first(attributes, names)
    return "" if value is None else as_text(value)


def parsed(value: Value) -> Value:
    """The value behind JSON text; None where it is text but no JSON (or JSON `null`). Other values are themselves."""
    if isinstance(value, str) and len(value) > PARSED_BYTES:
        return None
    return json_values.parsed(value)


def json_object(value: Value) -> dict[str, Value] | None:
    """An object, or the object behind JSON text; None for all else."""
    found = parsed(value)
    return found if isinstance(found, dict) else None


def json_list(value: Value) -> list[Value] | None:
    """A list, or the list behind JSON text; None for all else."""
    found = parsed(value)
    return found if isinstance(found, list) else None


def without_nul(text: str) -> str:
    """JSON may spell NUL, which is kept out of the columns (section 21)."""
    return text.replace("\0", "\ufffd")


def dump(value: Value) -> str:
    """Compact JSON. NaN and infinities, which JSON has not, become their names; so does nothing else change."""
    if isinstance(value, float) and not math.isfinite(value):
        return float_text(value)
    try:
        return orjson.dumps(value).decode("utf-8")
    except (TypeError, ValueError, RecursionError):  # integers beyond 64 bits, lone surrogates, nesting
        return _dump_anyhow(value)


def _dump_anyhow(value: Value) -> str:
    import json

    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return ""
    return text.encode("utf-8", "replace").decode("utf-8")


def number(value: Value) -> float | int | None:
    """A finite number, or the one a text spells; None for all else, booleans too."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if not text or len(text) > 40 or not text.isascii() or "_" in text:  # Python reads 1_000
            return None
        try:
            value = int(text) if text.lstrip("+-").isdigit() else float(text)
        except ValueError:
            return None
    if isinstance(value, int):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else None


def count(value: Value) -> int | None:
    """A non-negative whole number below 2⁶³, also spelt as text or as `5.0`; None for all else (booleans too)."""
    found = number(value)
    if found is None or found < 0 or found >= 1 << 63 or found != int(found):
        return None
    return int(found)
