"""Values as they go out (public-api.md section 1.6). Pure functions."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson


def time_text(ns: int) -> str:
    """Unix ns as `YYYY-MM-DDTHH:MM:SS.mmmZ`. Cut, not rounded: a page's times are never after those of its cursor."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03d}Z"


def time_or_none(ns: int | None) -> str | None:
    return None if ns is None else time_text(ns)


def or_none(text: str) -> str | None:
    """Empty text is stored for what is not said."""
    return text or None


def number(value: Decimal | float | None) -> float | None:
    """A cost or another number as JSON has it; None for what JSON has no number for."""
    if value is None:
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def seconds(ns: int | None) -> float | None:
    """A duration in nanoseconds as seconds."""
    return None if ns is None else ns / 1e9


def decoded(text: str) -> Any:
    """A user's JSON, stored as text: the value when it is valid JSON, else the text, None for empty. The value is the text
    itself, put into the answer as it is: integers of any size and the order of keys stay what they were."""
    if not text:
        return None
    try:
        orjson.loads(text)
    except (ValueError, RecursionError):
        return text
    return orjson.Fragment(text)


def metadata(values: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata with each value that is JSON text decoded once."""
    return {
        key: (decoded(value) if value else "") if isinstance(value, str) else value for key, value in values.items()
    }


def dumps(value: Any) -> bytes:
    """JSON, UTF-8. NaN and infinities are null. Text that is no Unicode (lone surrogates) gets U+FFFD, integers beyond 64 bit
    stay exact."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _plain(value: Any) -> Any:
    """For the standard library's encoder, which takes what orjson does not."""
    if isinstance(value, orjson.Fragment):
        return json.loads(bytes(orjson.dumps(value)))
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
