"""What JSON text stands for, where it may be no JSON at all."""

from __future__ import annotations

from typing import Any

import orjson


def parsed(value: Any) -> Any:
    """The value behind JSON text; None where it is text but no JSON (or JSON `null`). Other values are themselves."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except (ValueError, RecursionError):
        return None
