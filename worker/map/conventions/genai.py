"""OpenTelemetry's GenAI conventions, `gen_ai.*`, and the flat counts and parameters that others write like them."""

from __future__ import annotations

from schemas.conventions import FIELDS
from schemas.usage_names import (
    NOT_USAGE,
    PARAMETER_PREFIXES,
    USAGE_ATTRIBUTES,
    USAGE_DETAILS,
    USAGE_INSIDE,
    USAGE_PREFIXES,
    USAGE_SPELLINGS,
)
from worker.map.counts import counted, net, spelt, with_total
from worker.map.indexed import rebuild
from worker.map.span import Span
from worker.map.values import Attributes, Value, as_text, filled, first, json_list

#: Spelling → its kind of usage and its place among the spellings of that kind.
_KIND_OF = {
    spelling: (kind, rank) for kind, spellings in USAGE_SPELLINGS.items() for rank, spelling in enumerate(spellings)
}


def usage(span: Span) -> dict[str, int]:
    """Counts of `gen_ai.usage.*` and `llm.token_count.*` (otel-mapping.md section 11.3, WB-21). Of several spellings of
    a kind the first is taken, a 0 too; parts are taken out of the input and output they are in, if these are known."""
    kinds, others = _pooled(_sent(span))
    for attribute, kind in USAGE_ATTRIBUTES.items():
        if kind not in kinds and (found := counted(span.attributes.get(attribute))) is not None:
            kinds[kind] = found
    gross_input, gross_output = kinds.get("input"), kinds.get("output")
    for whole, parts in USAGE_INSIDE.items():
        if whole in kinds:
            kinds[whole] = net(kinds[whole], *[kinds.get(part) for part in parts])
    return with_total({**others, **kinds}, gross_input, gross_output)


def _sent(span: Span) -> dict[str, int]:
    """The counts by what follows their prefix; the first prefix wins."""
    found: dict[str, int] = {}
    for key, value in span.attributes.items():
        if key.startswith(USAGE_PREFIXES) and (tokens := counted(value)) is not None:
            is_first = key.startswith(USAGE_PREFIXES[0])
            name = key[len(USAGE_PREFIXES[0 if is_first else 1]) :]
            if name and (is_first or name not in found):
                found[name] = tokens
    for name, side in USAGE_DETAILS.items():
        if (text := span.attributes.get(USAGE_PREFIXES[0] + name)) is not None:
            for part, tokens in spelt(text).items():
                if part in _PARTS:  # all others would count tokens twice
                    found.setdefault(f"{side}.{_PARTS[part]}", tokens)
    return found


#: LangChain's name of a part of a count → the one listed.
_PARTS = {"cache_read": "cache_read", "cache_creation": "cache_write", "audio": "audio", "reasoning": "reasoning"}


def _pooled(sent: dict[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Counts by kind, the best spelling of each; and those of no known kind by name, without a leading `details.`. A
    spelling behind `details.` that is not listed with it is that kind too, after all others: nothing counts twice."""
    kinds: dict[str, int] = {}
    ranks: dict[str, int] = {}
    others: dict[str, int] = {}
    for name, tokens in sent.items():
        own = name.removeprefix("details.")
        known = _KIND_OF.get(name) or _KIND_OF.get(own)
        if known is not None:
            kind, rank = known
            if name not in _KIND_OF:
                rank += len(_KIND_OF)
            if kind not in ranks or rank < ranks[kind]:
                kinds[kind], ranks[kind] = tokens, rank
        elif own and own not in NOT_USAGE and (own == name or own not in sent):
            others[own] = tokens
    return kinds, others


def model_parameters(span: Span) -> dict[str, Value]:
    """What follows `gen_ai.request.` and `llm.invocation_parameters.`, except the model (section 9 row 6)."""
    found: dict[str, Value] = {}
    for prefix in reversed(PARAMETER_PREFIXES):
        found |= {name: value for name, value in span.under(prefix).items() if name and filled(value)}
    found.pop("model", None)
    return found


DETAILS_EVENTS = frozenset(("gen_ai.client.inference.operation.details",))
_CHOICE = "gen_ai.choice"
_ROLES = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}
MESSAGE_EVENTS = frozenset((*_ROLES, _CHOICE))


def input_output(attributes: Attributes) -> tuple[Value, Value]:
    """Messages, else arguments and result of a tool (section 8.1 step 20), of a span or of an event."""
    given, output = attributes.get("gen_ai.input.messages"), attributes.get("gen_ai.output.messages")
    if filled(given):
        given = with_instructions(given, attributes.get("gen_ai.system_instructions"))
    elif not filled(output):
        given = attributes.get("gen_ai.tool.call.arguments")
    return given, output if filled(output) else attributes.get("gen_ai.tool.call.result")


def with_instructions(messages: Value, instructions: Value) -> Value:
    """Messages with the system's instructions before them (section 8.4): unchanged when there are none, when a message
    has the role `system` already, or when the messages are no list."""
    if not filled(instructions):
        return messages
    found = json_list(messages)
    if found is None or any(isinstance(m, dict) and m.get("role") == "system" for m in found):
        return messages
    parts = json_list(instructions)
    content = as_text(instructions) if parts is None else "\n".join([_part_text(part) for part in parts])
    return [{"role": "system", "content": content}, *found] if content else messages


def _part_text(part: Value) -> str:
    content = part.get("content") if isinstance(part, dict) else None
    return as_text(part if content is None else content)


def details_event(span: Span) -> tuple[Value, Value]:
    """The same of the first event that has the details of the call and yields anything (step 5)."""
    for event in span.events:
        if event.name in DETAILS_EVENTS:
            given, output = input_output(event.attributes)
            if filled(given) or filled(output):
                return given, output
    return None, None


def message_events(span: Span) -> tuple[Value, Value]:
    """An event a message (step 6): `{role, ...attributes}` in order; the answers are choices, one as it is."""
    messages = [{"role": _ROLES[event.name], **event.attributes} for event in span.events if event.name in _ROLES]
    choices = [dict(event.attributes) for event in span.events if event.name == _CHOICE and event.attributes]
    return messages or None, (choices[0] if len(choices) == 1 else choices) or None


def late(span: Span) -> tuple[Value, Value]:
    """What was looked for and found, and what OpenLIT writes of workflows and tools; asked when nothing else is there."""
    return first(span.attributes, FIELDS["genai_input_late"]), first(span.attributes, FIELDS["genai_output_late"])


def indexed(span: Span) -> tuple[Value, Value]:
    """`gen_ai.prompt.N.…` and `gen_ai.completion.N.…` of earlier OpenLLMetry, or the bare keys (step 18)."""
    return rebuild(span.attributes, "gen_ai.prompt"), rebuild(span.attributes, "gen_ai.completion")
