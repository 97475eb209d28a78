"""Parts of a message's content, as the APIs and SDKs write them: text, reasoning, calls, results of calls, media.

OpenAI and Anthropic tell parts apart by `type`; Gemini and Bedrock by the name a part has its value under; the semantic
conventions for GenAI have `type` and put text under `content`; OpenInference wraps each part in `message_content`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from litefuse.chat.message import Call, Media, Message, Value
from litefuse.json_values import parsed

Object = dict[str, Value]
#: Parts within parts (results of tools) are followed this far.
_DEPTH = 6

_TEXTS = frozenset(("text", "output_text", "input_text", "summary_text", "refusal", ""))
_REASONING = frozenset(("reasoning", "thinking", "reasoning_text", "redacted_thinking"))
CALLS = frozenset(
    ("tool_call", "tool-call", "tool_use", "function_call", "server_tool_use", "custom_tool_call", "mcp_tool_use")
)
RESULTS = frozenset(
    (
        "tool_result",
        "tool-result",
        "tool_call_response",
        "function_call_output",
        "tool-return",
        "custom_tool_call_output",
    )
)
_HOLDS_CALL = ("functionCall", "function_call", "toolUse", "toolRequest", "tool_call")
_HOLDS_RESULT = ("toolResult", "toolResponse", "functionResponse", "function_response")
_HOLDS_MEDIA = {
    "inlineData": "file",
    "inline_data": "file",
    "fileData": "file",
    "file_data": "file",
    "image_url": "image",
    "input_audio": "audio",
    "image": "image",
    "audio": "audio",
    "document": "file",
    "video": "video",
    "file": "file",
}


@dataclass(slots=True)
class Pieces:
    """What the parts of one message come to."""

    texts: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    results: list[Message] = field(default_factory=list)
    media: list[Media] = field(default_factory=list)


def add_content(content: Value, into: Pieces, depth: int = 0) -> None:
    """The content of a message: text, a part, or a list of those."""
    if isinstance(content, str):
        parts = parts_in_text(content)
        if parts is None:
            if content:
                into.texts.append(content)
            return
        content = parts
    if isinstance(content, list):
        for part in content:
            if isinstance(part, dict):
                _add_part(part, into, depth)
            elif isinstance(part, str):
                into.texts.append(part)
            elif part is not None:
                into.texts.append(dump(part))
    elif isinstance(content, dict):
        if isinstance(content.get("parts"), list):  # Gemini's content: {parts, role}
            add_content(content["parts"], into, depth + 1)
        else:
            _add_part(content, into, depth)
    elif content is not None:
        into.texts.append(dump(content))


def parts_in_text(text: str) -> list[Value] | None:
    """The parts that text is the JSON of, as events carry them (Strands: `[{"text": "Hello"}]`); None for text that is only
    text. Every entry must be a part as the APIs write them, for a user may well ask about a list of objects."""
    if text[:2] != "[{" or text[-2:] != "}]":
        return None
    value = parsed(text)
    return value if isinstance(value, list) and all(isinstance(p, dict) and _is_known(p) for p in value) else None


def _is_known(part: Object) -> bool:
    kind = part.get("type")
    if isinstance(kind, str):
        return kind in _TEXTS or kind in _REASONING or kind in CALLS or kind in RESULTS
    return len(part) == 1 and next(iter(part)) in _ALONE


_ALONE = frozenset(("text", "reasoningContent", *_HOLDS_CALL, *_HOLDS_RESULT, *_HOLDS_MEDIA))


def _add_part(part: Object, into: Pieces, depth: int) -> None:
    if depth > _DEPTH:
        return
    kind = part.get("type") or part.get("part_kind") or ""
    if not isinstance(kind, str):
        kind = ""
    if kind in _TEXTS:
        text = part.get("text")
        if text is None:
            text = part.get("content", part.get("refusal"))
        if isinstance(text, str):
            (into.reasoning if part.get("thought") is True else into.texts).append(text)
            return
        if isinstance(text, dict) and isinstance(text.get("value"), str):  # OpenAI's Assistants
            into.texts.append(text["value"])
            return
    elif kind in CALLS:
        _add_call(part, into)
        return
    elif kind in RESULTS:
        _add_result(part, into, depth)
        return
    elif kind in _REASONING:
        into.reasoning += reasoning(part)
        return
    _add_held(part, kind, into, depth)


def _add_held(part: Object, kind: str, into: Pieces, depth: int) -> None:
    """A part whose value is under a name of its own, or one that is not known."""
    inner = part.get("message_content")
    if isinstance(inner, dict):
        _add_part(inner, into, depth + 1)
        return
    for name in _HOLDS_CALL:
        if isinstance(part.get(name), dict):
            _add_call(part[name], into)
            return
    for name in _HOLDS_RESULT:
        if isinstance(part.get(name), dict):
            _add_result(part[name], into, depth)
            return
    inner = part.get("reasoningContent")
    if isinstance(inner, dict):
        into.reasoning += reasoning(inner)
        return
    found = media(part, kind)
    if found is not None:
        into.media.append(found)
    elif isinstance(part.get("content"), str):
        into.texts.append(part["content"])
    elif kind:
        into.media.append(Media(kind))
    elif part:
        into.texts.append(dump(part))


def reasoning(part: Object) -> list[str]:
    """The texts of a part that is reasoning; of one that is encrypted, none."""
    for name in ("thinking", "text", "content", "summary", "reasoningText", "reasoning_text"):
        value = part.get(name)
        if isinstance(value, str) and value:
            return [value]
        if isinstance(value, dict) and isinstance(value.get("text"), str):
            return [value["text"]]
        if isinstance(value, list):
            texts = [entry["text"] for entry in value if isinstance(entry, dict) and isinstance(entry.get("text"), str)]
            if texts:
                return texts
    return []


def call(entry: Value) -> Call | None:
    """A tool call in any of its shapes; None for what has no name."""
    if not isinstance(entry, dict):
        return None
    inner = entry.get("tool_call")  # OpenInference
    if isinstance(inner, dict):
        entry = inner
    function = entry.get("function")
    function = function if isinstance(function, dict) else entry
    name = next(
        (n for n in (function.get("name"), entry.get("name"), entry.get("toolName"), entry.get("tool_name")) if n), ""
    )
    if not isinstance(name, str) or not name:
        return None
    arguments: Value = None
    for holder, key in ((function, "arguments"), (entry, "args"), (entry, "input"), (entry, "arguments")):
        arguments = holder.get(key)
        if arguments is not None:
            break
    text = (
        "{}" if arguments is None or arguments == "" else arguments if isinstance(arguments, str) else dump(arguments)
    )
    return Call(_id(entry), name, text)


def _add_call(entry: Object, into: Pieces) -> None:
    found = call(entry)
    if found is not None:
        into.calls.append(found)


def _id(entry: Object) -> str:
    for name in ("call_id", "id", "toolCallId", "toolUseId", "tool_call_id", "tool_use_id", "ref"):
        value = entry.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def _add_result(entry: Object, into: Pieces, depth: int) -> None:
    """The result of a call. Vercel wraps it in `{type, value}`, Gemini in `{result}` or `{output}`."""
    value: Value = None
    for name in ("output", "result", "response", "content"):
        value = entry.get(name)
        if value is not None:
            break
    if isinstance(value, dict):
        if "type" in value and "value" in value:
            value = value["value"]
        elif len(value) == 1 and next(iter(value)) in ("result", "output", "content"):
            value = next(iter(value.values()))
    inner = Pieces()
    if isinstance(value, str):
        inner.texts.append(value)
    elif isinstance(value, list) and value and all(isinstance(p, dict) and _is_known(p) for p in value):
        add_content(value, inner, depth + 1)
    elif value is not None:
        inner.texts.append(dump(value))
    into.media += inner.media
    called = next((c for c in (entry.get("tool_use_id"), entry.get("tool_call_id")) if isinstance(c, str)), "") or _id(
        entry
    )
    name = next(
        (n for n in (entry.get("toolName"), entry.get("tool_name"), entry.get("name")) if isinstance(n, str)), ""
    )
    into.results.append(Message("tool", "\n".join(inner.texts), call_id=called, name=name))


def media(part: Object, kind: str) -> Media | None:
    """A part that is no text; None for one that says nothing of the kind."""
    for name, of_kind in _HOLDS_MEDIA.items():
        inner = part.get(name)
        if inner is not None and inner != "":
            holder = inner if isinstance(inner, dict) else {"url": inner}
            return _media(holder, kind if kind in ("image", "audio", "video", "file") else of_kind, part)
    if kind in ("blob", "uri", "media", "base64") or "mime_type" in part or "media_type" in part or "mediaType" in part:
        return _media(part, "file", part)
    if isinstance(part.get("source"), dict):
        return _media(part["source"], kind or "file", part)
    return None


def _media(holder: Object, kind: str, part: Object) -> Media:
    mime = ""
    for of in (holder, part):
        for name in ("mime_type", "mimeType", "media_type", "mediaType"):
            value = of.get(name)
            if not mime and isinstance(value, str):
                mime = value
    url = next(
        (holder[k] for k in ("url", "uri", "file_uri", "fileUri", "file_id") if isinstance(holder.get(k), str)), ""
    )
    inner = holder.get("image")
    if not url and isinstance(inner, dict) and isinstance(inner.get("url"), str):  # OpenInference: image.image.url
        url = inner["url"]
    if url.startswith("data:"):
        mime = mime or url[5:100].partition(";")[0].partition(",")[0]
        url = ""
    first = mime.partition("/")[0]
    return Media(first if kind == "file" and first in ("image", "audio", "video") else kind, mime, url)


def dump(value: Value) -> str:
    """Compact JSON; empty for what JSON has not."""
    try:
        return orjson.dumps(value).decode("utf-8")
    except (TypeError, ValueError, RecursionError):
        return ""
