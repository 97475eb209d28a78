"""One span by hand as its row in the table `spans`, and what is asked of it."""

from __future__ import annotations

from typing import Any

from tests.worker.map.support import NoPrices, mapped, resource_spans, span

ASKED = [{"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]}]
CALL = {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Paris"}}
ANSWER = [{"role": "assistant", "parts": [CALL], "finish_reason": "tool_call"}]


def row(attributes: dict[str, Any], scope: str = "", **fields: Any) -> dict[str, Any]:
    """The span's row, maps as dicts."""
    found = mapped(resource_spans([span(0, attributes, **fields)], scope=scope), prices=NoPrices())
    made: dict[str, Any] = found.to_pylist()[0]
    assert made["mapping_error"] == ""
    return {
        name: dict(value) if value and isinstance(value, list) and isinstance(value[0], tuple) else value
        for name, value in made.items()
    }


def previews(found: dict[str, Any]) -> tuple[str, str]:
    return found["input_preview"], found["output_preview"]


def counts(found: dict[str, Any]) -> tuple[int, int, int, int, int]:
    return tuple(found[f"{kind}_tokens"] for kind in ("input", "output", "total", "cached", "reasoning"))
