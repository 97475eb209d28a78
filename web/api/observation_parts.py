"""What both shapes of an observation are made of: pure functions of a row of web/queries/observations.py.

A row has the names of `SMALL` and `LARGE` there; each function says in its tuple of names which of them it reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import orjson
from typing_extensions import TypedDict

from litefuse.observation import observation_metadata
from litefuse.prices.kinds import INPUT_NAMES, OUTPUT_NAMES, REQUESTS, TOTAL_NAMES
from web.api.values import decoded, metadata, seconds

Row = Mapping[str, Any]

END = ("end_ns", "end_time_unix_nano")
DURATIONS = ("start_ns", "completion_start_ns", *END)
PRICES = ("usage", "cost", "cost_source")
TOOLS = ("tool_call_ids", "tool_call_names", "tool_call_arguments", "tool_call_types", "tool_call_indexes")
METADATA = (
    *(f"attributes_{kind}" for kind in ("string", "int", "float", "bool", "json")),
    *(f"resource_{kind}" for kind in ("string", "int", "float", "bool", "json")),
    *("scope_name", "scope_version", "scope_attributes", "scope_attribute_types", "metadata", "tool_definitions"),
)


def end_ns(row: Row) -> int | None:
    """None for one that was never ended: the column then has the start."""
    return row["end_ns"] if row["end_time_unix_nano"] else None


def latency(row: Row) -> float | None:
    """Seconds from start to end."""
    end = end_ns(row)
    return None if end is None else seconds(end - row["start_ns"])


def time_to_first_token(row: Row) -> float | None:
    """Seconds."""
    first = row["completion_start_ns"]
    return None if first is None else seconds(first - row["start_ns"])


def whole_metadata(row: Row) -> dict[str, Any]:
    """Attributes, resource and scope as sent, and the user's own names, whose values are decoded once."""
    return metadata(observation_metadata(row))


def model_parameters(row: Row) -> dict[str, Any] | None:
    """Their values decoded; a list of anything but text, or an object, stays text: SDK 2 raises on it."""
    stored = row["model_parameters"]
    return {name: _scalar(text) for name, text in stored.items()} if stored else None


def usage_details(row: Row) -> dict[str, int]:
    return {kind: int(count) for kind, count in row["usage"].items()}


def cost_details(row: Row) -> dict[str, float]:
    """USD."""
    return {kind: float(cost) for kind, cost in row["cost"].items()}


def tool_definitions(row: Row) -> dict[str, Any]:
    """Name → {description, parameters}."""
    return {name: decoded(text) for name, text in row["tool_definitions"].items()}


class ToolCall(TypedDict):
    """`arguments` is JSON text."""

    id: str
    name: str
    arguments: str
    type: str
    index: int


def tool_calls(row: Row) -> list[ToolCall]:
    """Calls of tools that the output asks for."""
    return [
        {"id": id_, "name": name, "arguments": arguments, "type": type_, "index": index}
        for id_, name, arguments, type_, index in zip(*(row[name] for name in TOOLS), strict=True)
    ]


class Prices(NamedTuple):
    """USD for one unit."""

    input: Decimal | None
    output: Decimal | None
    total: Decimal | None


NO_PRICES = Prices(None, None, None)


def prices(row: Row) -> Prices:
    """What the price that was used asks for a token. A cost is the count times it, all digits kept, so that it is what the cost
    divided by the count is; None where nothing was counted, or where the span itself stated the cost."""
    if row["cost_source"] not in ("prices", "project"):
        return NO_PRICES
    usage, cost = row["usage"], row["cost"]

    def of(names: tuple[str, ...]) -> Decimal | None:
        return next((cost[name] / usage[name] for name in names if name in cost and usage.get(name)), None)

    found = Prices(of(INPUT_NAMES), of(OUTPUT_NAMES), None)
    if cost.keys() - {"total", REQUESTS}:
        return found
    # The total was all that was known.
    count = next((usage[name] for name in TOTAL_NAMES if usage.get(name)), 0)
    spent = cost.get("total", Decimal(0)) - cost.get(REQUESTS, Decimal(0))
    return found._replace(total=spent / count if count else None)


def as_text(value: Decimal | None) -> str | None:
    """A decimal with all its digits, without an exponent."""
    if value is None:
        return None
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _scalar(text: str) -> Any:
    begin = text.lstrip()[:1]
    if begin == "{":
        return text
    if begin == "[":
        try:
            entries = orjson.loads(text)
        except (ValueError, RecursionError):
            return text
        return entries if all(isinstance(entry, str) for entry in entries) else text
    return decoded(text) if text else ""
