"""Tool calls in the answer of a model, in whichever of its many shapes (otel-mapping.md section 14.2, WB-26)."""

from __future__ import annotations

from typing import Any

from worker.map.conventions.livekit import FUNCTION_CALLS
from worker.map.conventions.openinference import OUTPUT_MESSAGES
from worker.map.deep import json_text
from worker.map.indexed import rebuild
from worker.map.mapped import ToolCall
from worker.map.span import Span
from worker.map.values import Value, filled, first, first_text, parsed, without_nul

Object = dict[str, Any]
_CALL_TYPES = frozenset(("function", "function_call", "tool_call", "tool-call", "tool_use", "custom_tool_call"))
_PART_TYPES = frozenset(("function_call", "tool_call", "tool-call", "tool_use"))
_MESSAGE_KEYS = ("role", "content", "tool_calls", "additional_kwargs")
#: Objects within objects are followed this far.
_DEPTH = 8


def tool_calls(span: Span, output: Value) -> list[ToolCall]:
    """The tool calls of an output, in order, each once. `output` is its text, or the list or object it was made of. An
    output without any leaves OpenInference's messages and LiveKit's list of calls to be asked."""
    found = calls_in(_read(span, output) if isinstance(output, str) else output)
    if not found and "lk" in span.families:
        found = calls_in(parsed(first(span.attributes, FUNCTION_CALLS)))
    if not found and "llm" in span.families:
        for key in span.attributes:
            if key.startswith(OUTPUT_MESSAGES) and ("call" in key or key == OUTPUT_MESSAGES):
                found = calls_in(parsed(rebuild(span.attributes, OUTPUT_MESSAGES)))
                break
    return found


def _read(span: Span, text: str) -> Value:
    """The value behind an output, parsed once for all who ask; None for text that cannot hold a call: every call is in
    an object or a list, and has a name."""
    if not text or text[0] not in "[{ \n\r\t":
        return None
    if not ('ame"' in text or 'ame\\"' in text):
        return None
    if not ("all" in text or "ool" in text or "unction" in text or "rgum" in text):
        return None
    for key, sent in span.attributes.items():
        if sent is text:
            return span.json(key)
    return parsed(text)


def calls_in(value: Value) -> list[ToolCall]:
    """The tool calls of a parsed output."""
    found: dict[tuple[str, str, str], ToolCall] = {}
    if isinstance(value, dict):
        _of_answer(value, found)
    elif isinstance(value, list):
        for entry in value:
            if isinstance(entry, dict):
                _of_object(entry, found, 0)
    return list(found.values())


_Found = dict[tuple[str, str, str], ToolCall]


def _of_answer(answer: Object, found: _Found) -> None:
    """An object that is the whole output: one message, or the response of an API with messages in it."""
    _of_object(answer, found, 0)
    for name in ("choices", "candidates"):
        for entry in _objects(answer.get(name)):
            _of_object(entry, found, 0)
    output = answer.get("output")  # a list in OpenAI's Responses, an object in Bedrock's Converse
    for entry in [output] if isinstance(output, dict) else _objects(output):
        _of_object(entry, found, 0)
    for generation in _list(answer.get("generations")):  # LangChain: a list of answers for each prompt
        for entry in _objects(generation):
            message = entry.get("message")
            if isinstance(message, dict):
                _of_object(message, found, 0)
                kwargs = message.get("kwargs")
                if isinstance(kwargs, dict):
                    _of_object(kwargs, found, 0)


def _of_object(value: Object, found: _Found, depth: int) -> None:
    """A call, or a message that may hold some."""
    if depth > _DEPTH:
        return
    if _is_call(value) and not any(key in value for key in _MESSAGE_KEYS):
        _add(value, found)
        return
    for name in ("tool_calls", "toolCalls"):
        if name in value:
            for entry in _objects(parsed(value[name])):
                _add(entry, found)
    _of_holder(value, found)
    extra = value.get("additional_kwargs")
    if isinstance(extra, dict):
        _of_object(extra, found, depth + 1)
    for name in ("content", "parts"):
        inner = value.get(name)
        if isinstance(inner, list):
            for part in inner:
                if isinstance(part, dict):
                    _of_part(part, found)
        elif isinstance(inner, dict):  # Gemini: {parts, role}
            _of_object(inner, found, depth + 1)
    message = value.get("message")
    if message is not None:
        _of_message(message, found, depth + 1)


def _of_message(message: Value, found: _Found, depth: int) -> None:
    """What is called `message`: an object, or the JSON text of one or of its parts, as events carry them."""
    if isinstance(message, str):
        message = parsed(message) if message[:1] in ("[", "{") else None
    for entry in [message] if isinstance(message, dict) else _objects(message):
        _of_object(entry, found, depth)


def _of_part(part: Object, found: _Found) -> None:
    """A part of a message that is a call, or holds one as Gemini's and Bedrock's do."""
    kind = part.get("type")
    if isinstance(kind, str) and kind in _PART_TYPES:
        _add(part, found)
    _of_holder(part, found)


def _of_holder(holder: Object, found: _Found) -> None:
    """What holds one call under a name of its own; `function_call` is also how OpenAI's messages had it once."""
    for name in ("functionCall", "function_call", "toolUse"):
        call = holder.get(name)
        if isinstance(call, dict):
            _add(call, found)


def _is_call(value: Object) -> bool:
    kind = value.get("type")
    if kind == "tool-result":
        return False
    function = value.get("function")
    if isinstance(function, dict) and filled(function.get("name")) and "arguments" in function:
        return True
    if filled(value.get("toolName")):
        return kind == "tool-call" or "input" in value or "args" in value
    if not filled(value.get("name")):
        return False
    if kind == "tool_use" and "input" in value:
        return True
    if "arguments" not in value:
        return False
    return "call_id" in value or "id" in value or "index" in value or (isinstance(kind, str) and kind in _CALL_TYPES)


def _add(call: Object, found: _Found) -> None:
    """A call by its id, else by name and arguments; nothing without a name."""
    inner = call.get("tool_call")  # OpenInference: [{tool_call: {id, function}}]
    if isinstance(inner, dict):
        call = inner
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    name = next((n for n in (function.get("name"), call.get("name"), call.get("toolName")) if filled(n)), None)
    if not isinstance(name, str):
        return
    id_ = first_text(call, ("call_id", "id", "toolCallId", "toolUseId"))
    arguments = function.get("arguments")
    if not filled(arguments):
        arguments = first(call, ("arguments", "args", "input"))
    text = "{}" if arguments is None else arguments if isinstance(arguments, str) else json_text(arguments)
    kind, index = call.get("type"), call.get("index")
    known = (id_, "", "") if id_ else ("", name, text)
    if known not in found:
        found[known] = ToolCall(
            id=without_nul(id_),
            name=without_nul(name),
            arguments=without_nul(text),
            type=without_nul(kind) if isinstance(kind, str) else "",
            index=index if type(index) is int and 0 <= index < 1 << 32 else 0,
        )


def _list(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


def _objects(value: Value) -> list[Object]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
