"""Input and output of spans by hand."""

from __future__ import annotations

from typing import Any

from worker.map.io import input_output, stored
from worker.map.span import Event, Span

Sides = tuple[str, str]


def sides(attributes: dict[str, Any] | None = None, scope: str = "", events: list[Event] | None = None) -> Sides:
    """Input and output as they are stored."""
    found = input_output(Span(attributes=attributes or {}, scope_name=scope, events=events or ()))
    return stored(found[0]), stored(found[1])
