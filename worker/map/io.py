"""Input and output of a span: which convention is asked first (otel-mapping.md section 8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from worker.map.conventions import (
    adk,
    bare,
    claude_code,
    flue,
    genai,
    genkit,
    haystack,
    laminar,
    langfuse,
    livekit,
    logfire,
    mlflow,
    openinference,
    pydantic_ai,
    traceloop,
    vercel,
)
from worker.map.deep import json_text
from worker.map.span import Span
from worker.map.values import Value, without_nul

_CONTENT_EVENTS = ("gen_ai.content.prompt", "gen_ai.content.completion")


class Step(NamedTuple):
    """A convention, asked when the scope is its scope (if it names one) and the span has an attribute of these families
    (`Span.families`) or, when `of_events`, an event of these names."""

    families: frozenset[str]
    run: Callable[[Span], tuple[Value, Value]]
    scope: str = ""
    of_events: bool = False


def input_output(span: Span) -> tuple[Value, Value]:
    """Input and output as sent: text, or a list or an object where the convention has no text; None for none.

    Each side is what the first convention that has it says (WB-12)."""
    families, scope = span.families, span.scope_name
    events = frozenset([event.name for event in span.events]) if span.events else None
    given: Value = None
    output: Value = None
    for needs, run, of_scope, of_events in STEPS:
        if of_events:
            if events is None or events.isdisjoint(needs):
                continue
        elif families.isdisjoint(needs) or (of_scope and of_scope != scope):
            continue
        a, b = run(span)
        if given is None and a is not None and a != "":
            given = a
        if output is None and b is not None and b != "":
            output = b
        if given is not None and output is not None:
            break
    return given, output


def stored(value: Value) -> str:
    """What the columns hold (section 8.5): text as sent, else compact JSON, with no JSON text inside decoded; empty for
    none. References to media (section 18) are text like any other. Text out of JSON may hold NUL, which is kept out of the
    columns (section 21); in JSON it is escaped."""
    if isinstance(value, str):
        return without_nul(value)
    return "" if value is None else json_text(value)


def _content_events(span: Span) -> tuple[Value, Value]:
    """Events that hold a prompt or an answer, written by OpenLIT, early Semantic Kernel and Spring AI (step 7): whatever
    convention their attributes follow, else the attributes themselves; None for a side without any (WB-15)."""
    sides: list[Value] = [None, None]
    for event in span.events:
        if event.name in _CONTENT_EVENTS and event.attributes:
            side = _CONTENT_EVENTS.index(event.name)
            if sides[side] is None:
                found = input_output(replace(span, attributes=event.attributes, events=()))[side]
                sides[side] = dict(event.attributes) if found is None else found
    return sides[0], sides[1]


def _step(families: str, run: Callable[[Span], tuple[Value, Value]], scope: str = "") -> Step:
    return Step(frozenset(families.split()), run, scope)


def _event_step(names: frozenset[str], run: Callable[[Span], tuple[Value, Value]]) -> Step:
    return Step(names, run, of_events=True)


def _attributes(span: Span) -> tuple[Value, Value]:
    return genai.input_output(span.attributes)


_GENKIT = "genkit:input genkit:output"
_PYDANTIC_AGENT = "pydantic_ai final_result"

#: In the order of section 8.1, step by step.
STEPS: tuple[Step, ...] = (
    _step("langfuse", langfuse.input_output),
    _step(_GENKIT, genkit.input_output, genkit.SCOPE),
    _step("ai gen_ai", vercel.input_output, vercel.SCOPE),
    _step("flue", flue.input_output, flue.SCOPE),
    _event_step(genai.DETAILS_EVENTS, genai.details_event),
    _event_step(genai.MESSAGE_EVENTS, genai.message_events),
    _event_step(frozenset(_CONTENT_EVENTS), _content_events),
    _step("gcp", adk.input_output),
    _step("prompt all_messages_events", logfire.agent),
    _step("lk", livekit.input_output),
    _step("events", logfire.events),
    _step("mlflow", mlflow.input_output),
    _step("traceloop", traceloop.input_output),
    _step("input output", openinference.input_output),
    _step("input output", bare.input_output),
    _step(_PYDANTIC_AGENT, pydantic_ai.agent, pydantic_ai.SCOPE),
    _step("tool_arguments tool_response", pydantic_ai.tool),
    _step("gen_ai", genai.indexed),
    _step("llm", openinference.messages),
    _step("gen_ai", _attributes),
    # Content whose scope another library has renamed is not lost with it (WB-14).
    _step(_GENKIT, genkit.input_output),
    _step("ai", vercel.input_output),
    _step("flue", flue.input_output),
    _step(_PYDANTIC_AGENT, pydantic_ai.agent),
    _step("user_prompt new_context response", claude_code.input_output),
    _step("lmnr", laminar.input_output),
    _step("gen_ai", genai.late),
    _step("ai", vercel.rerank),
    _step("haystack", haystack.input_output),
)
