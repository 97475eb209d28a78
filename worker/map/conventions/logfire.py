"""Pydantic Logfire: an agent's `prompt` and `all_messages_events`, and `events`, a list of messages."""

from __future__ import annotations

from worker.map.span import Span
from worker.map.values import Value

_CHOICE = "gen_ai.choice"


def agent(span: Span) -> tuple[Value, Value]:
    """Prompt and messages of a run of an agent (otel-mapping.md section 8.1 step 9)."""
    return span.attributes.get("prompt"), span.attributes.get("all_messages_events")


def events(span: Span) -> tuple[Value, Value]:
    """The attribute `events`, a list or the JSON of one (step 11): the first choice is the answer, all others are what
    was asked. Any other value says nothing (WB-2)."""
    found = span.json("events")
    if not isinstance(found, list):
        return None, None
    choices = [entry for entry in found if _is_choice(entry)]
    asked = [entry for entry in found if entry is not None and not _is_choice(entry)]
    return asked or None, choices[0] if choices else None


def _is_choice(entry: Value) -> bool:
    return isinstance(entry, dict) and entry.get("event.name") == _CHOICE
