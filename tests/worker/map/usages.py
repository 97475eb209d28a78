"""Usage of a span by hand."""

from __future__ import annotations

import json
from typing import Any

from worker.map.span import Span
from worker.map.usage import usage


def used(attributes: dict[str, Any], scope: str = "", kind: str = "GENERATION") -> dict[str, int]:
    return usage(Span(attributes=attributes, scope_name=scope), kind)


def details(value: Any) -> dict[str, int]:
    return used({"langfuse.observation.usage_details": value if isinstance(value, str) else json.dumps(value)})


GENERIC = {"gen_ai.usage.input_tokens": 26, "gen_ai.usage.output_tokens": 6}
