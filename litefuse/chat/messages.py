"""Any stored input or output as messages: role, text, reasoning, tool calls, results of tools, media.

A value is stored as its SDK sent it, in whichever shape its API has (otel-mapping.md section 8): OpenAI's chat and
Responses, Anthropic, Gemini, Bedrock, the semantic conventions' parts, OpenInference, LangChain, LlamaIndex, Vercel,
Pydantic AI, ADK, or plain text. Nothing here raises, whatever it is given, and nested values are followed only so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from litefuse.chat import reprs
from litefuse.chat.message import TYPES_OF_ROLES, Call, Message, Value, role_of
from litefuse.chat.parts import CALLS, RESULTS, Object, Pieces, add_content, call, dump
from litefuse.json_values import parsed

_JSON = frozenset('[{"')
_DEPTH = 6
#: Entries that a look from the end takes in.
_TAIL = 100
#: What makes a message more than its role and its text.
_MORE = frozenset(
    (
        *(
            "tool_calls",
            "toolCalls",
            "tool_call_id",
            "toolCallId",
            "toolName",
            "function_call",
            "name",
            "args",
            "arguments",
        ),
        *(
            "message",
            "delta",
            "data",
            "kwargs",
            "additional_kwargs",
            "parts",
            "reasoning",
            "reasoning_content",
            "thinking",
        ),
    )
)
#: Names that messages are under, in order, and the role of a bare text there; empty for the role that was asked for.
_HOLDERS = (
    ("messages", ""),
    ("items", ""),  # LiveKit
    ("contents", "user"),
    ("choices", "assistant"),
    ("candidates", "assistant"),
    ("generations", "assistant"),
    ("update", ""),  # LangGraph: what a node changes
    ("output", "assistant"),
    ("input", "user"),
    ("prompt", "user"),
    ("texts", "user"),
    ("query", "user"),
    ("args", "user"),
)
_SYSTEM = ("system", "instructions", "system_instruction", "system_instructions", "systemInstruction")
_PART_ROLES = {"system-prompt": "system", "user-prompt": "user", "tool-return": "tool", "retry-prompt": "user"}


def messages(text: str, role: str = "user") -> list[Message]:
    """The messages of a stored value; `role` is whose a bare text is: `user` for inputs, `assistant` for outputs. JSON that
    holds no message gives none."""
    if not text:
        return []
    if text[0] not in _JSON:
        return [_plain(text, role)]
    value = parsed(text)
    return [_plain(text, role)] if value is None else of_value(value, role)


def conversation(sent: str, answered: str) -> tuple[list[Message], list[Message]]:
    """The messages of an input and those of its output. OpenAI's Responses repeat the instructions with the answer: they
    stand first when the input, of which some SDKs keep the messages only, has none."""
    asked, answers = messages(sent), messages(answered, "assistant")
    if answered[:1] == "{" and '"instructions"' in answered and not any(m.role == "system" for m in asked):
        asked = _system(parsed(answered)) + asked
    return asked, answers


def tools(text: str) -> list[Object]:
    """The definitions of tools in a stored input, each as it was sent; those that are JSON text are decoded."""
    value = parsed(text) if text[:1] == "{" else None
    found = value.get("tools") if isinstance(value, dict) else None
    entries = [parsed(e) if isinstance(e, str) else e for e in found] if isinstance(found, list) else []
    return [entry for entry in entries if isinstance(entry, dict)]


def of_value(value: Value, role: str = "user") -> list[Message]:
    """The same of a parsed value."""
    of_items, items = located(value, role)
    found = [message for item in items for message in of_item(item, of_items)]
    if isinstance(value, dict) and (not found or found[0].role != "system"):
        return _system(value) + found if of_items != "assistant" else found
    return found


def backwards(value: Value, role: str = "user") -> Iterator[Message]:
    """The last messages of a parsed value, the last one first, each read only when it is asked for."""
    of_items, items = located(value, role, tail=True)
    for item in reversed(items[-_TAIL:]):
        yield from reversed(of_item(item, of_items))


def located(value: Value, role: str, depth: int = 0, tail: bool = False) -> tuple[str, Sequence[Value]]:
    """Where the messages of a value are: the list of them, and the role of bare text in it. Looks only at the top of the
    value, and `tail` only at the end of lists of lists, so that of a long history no more is read than wanted."""
    if isinstance(value, str):
        return role, [value] if value else []
    if isinstance(value, list):
        if value and isinstance(value[0], list):  # LangChain: a list of messages for each prompt
            lists = value[-_TAIL:] if tail else value
            return role, [entry for inner in lists if isinstance(inner, list) for entry in inner]
        if len(value) == 1 and isinstance(value[0], dict) and depth < _DEPTH and not _is_message(value[0]):
            return located(value[0], role, depth + 1, tail)
        return role, value
    if not isinstance(value, dict) or depth > _DEPTH:
        return role, []
    if "messages" not in value and _is_message(value):
        return role, [value]
    for name, of_name in _HOLDERS:
        inner = value.get(name)
        if not inner:
            continue
        if isinstance(inner, str) and name == "messages":
            inner = parsed(inner) if inner[:1] == "[" else None
        if isinstance(inner, (str, list, dict)):
            found = located(inner, of_name or role, depth + 1, tail)
            if any(_may_be_message(item) for item in found[1][-3:]):
                return found
    return role, []


def _may_be_message(item: Value) -> bool:
    return isinstance(item, str) or (isinstance(item, dict) and _is_message(item))


def _is_message(value: Object) -> bool:
    kind = value.get("type")
    if isinstance(value.get("role"), str) or "lc" in value:
        return True
    if isinstance(kind, str) and (kind in CALLS or kind in RESULTS or kind == "reasoning"):
        return True
    if isinstance(kind, str) and kind in TYPES_OF_ROLES and ("data" in value or "content" in value):
        return True
    if isinstance(value.get("content"), (str, list)) and "messages" not in value:
        return True
    if isinstance(value.get("parts"), list) or isinstance(value.get("message"), (dict, str)):
        return True
    if any(isinstance(value.get(name), dict) for name in ("content", "delta", "functionCall", "toolUse", "kwargs")):
        return "messages" not in value and "input" not in value and "args" not in value
    if isinstance(value.get("text"), str) and (
        "finish_reason" in value or "generation_info" in value or len(value) == 1
    ):
        return True
    return (
        "tool_calls" in value or "toolCalls" in value or ("toolName" in value and ("args" in value or "input" in value))
    )


def of_item(item: Value, role: str, depth: int = 0) -> list[Message]:
    """The messages of one entry: most often one; the results of several tools are several."""
    if isinstance(item, str):
        return [_plain(item, role)]
    if not isinstance(item, dict) or depth > _DEPTH:
        return []
    word, content = item.get("role"), item.get("content")
    is_text = isinstance(content, str) and content[:2] != "[{"
    if is_text and isinstance(word, str) and word != "tool" and _MORE.isdisjoint(item):
        return [Message(role_of(word), str(content))]
    inner = _unwrapped(item)
    if inner is not None:
        within = _word(item) or role
        if isinstance(inner, str):  # events carry a message as JSON, or as its text
            sent = parsed(inner) if inner[:1] == "{" else None
            inner = sent if isinstance(sent, dict) and _is_message(sent) else {"content": inner}
        found = of_item(inner, within if within != "user" or item.get("role") else "assistant", depth + 1)
        return found or ([_plain(item["text"], role)] if isinstance(item.get("text"), str) and item["text"] else [])
    if not _is_message(item):
        of_inner, items = located(item, role, depth + 1)
        return [message for entry in items for message in of_item(entry, of_inner, depth + 1)]
    return _message(item, role)


def _unwrapped(item: Object) -> Object | str | None:
    """The message that an entry is only the wrapping of; None when it is the message itself."""
    kind = item.get("type")
    for name in ("message", "delta"):
        inner = item.get(name)
        if isinstance(inner, dict) or (isinstance(inner, str) and inner and "content" not in item):
            return inner
    inner = item.get("data")
    if isinstance(inner, dict) and isinstance(kind, str):
        return inner if "type" in inner else inner | {"type": kind}
    inner = item.get("kwargs")
    if isinstance(inner, dict) and ("lc" in item or kind == "constructor" or len(item) == 1):
        if "type" in inner or "role" in inner:
            return inner
        path = item.get("id")
        return inner | {"type": path[-1]} if isinstance(path, list) and path and isinstance(path[-1], str) else inner
    inner = item.get("content")
    if isinstance(inner, dict) and isinstance(inner.get("parts"), list) and "role" not in item:
        return inner
    return None


def _word(item: Object) -> str:
    """The role an entry says, in our words; empty for none."""
    role = item.get("role")
    if isinstance(role, dict):  # LlamaIndex, as JSON
        role = role.get("value")
    if isinstance(role, str) and role:
        return role_of(role)
    kind = item.get("type")
    if isinstance(kind, str):
        if kind in TYPES_OF_ROLES:
            return role_of(kind)
        if kind in RESULTS:
            return "tool"
        if kind in CALLS or kind == "reasoning":
            return "assistant"
    event = item.get("event.name")
    if isinstance(event, str):
        return role_of(event.removeprefix("gen_ai.").removesuffix(".message"))
    if item.get("kind") == "response" or any(
        name in item for name in ("tool_calls", "toolCalls", "toolName", "functionCall", "toolUse")
    ):
        return "assistant"
    return ""


def _message(item: Object, role: str) -> list[Message]:
    role = _word(item) or role
    kind = item.get("type")
    pieces = Pieces()
    if isinstance(kind, str) and (kind in CALLS or kind in RESULTS or kind == "reasoning"):
        add_content([item], pieces)
    elif "toolName" in item or ("name" in item and "content" not in item and ("args" in item or "arguments" in item)):
        pieces.calls += _calls([item])
    elif any(isinstance(item.get(name), dict) for name in ("functionCall", "toolUse")):
        add_content([item], pieces)
    else:
        parts = item.get("parts")
        if isinstance(parts, list) and parts and isinstance(parts[0], dict) and "part_kind" in parts[0]:
            return _pydantic(parts)
        _add_message(item, pieces)
    name = item.get("name")
    return _made(role, pieces, item, name if isinstance(name, str) and not pieces.calls else "")


def _add_message(item: Object, pieces: Pieces) -> None:
    """What an ordinary message holds."""
    for name in ("content", "contents", "parts", "blocks", "text"):
        content = item.get(name)
        if content:
            add_content(content, pieces)
            break
    for name in ("reasoning_content", "reasoning", "thinking"):
        thought = item.get(name)
        if isinstance(thought, str) and thought:
            pieces.reasoning.append(thought)
            break
    extra = item.get("additional_kwargs")
    for holder in (item, extra if isinstance(extra, dict) else {}):
        for name in ("tool_calls", "toolCalls"):
            entries = holder.get(name)
            entries = parsed(entries) if isinstance(entries, str) else entries
            known = {c.id for c in pieces.calls if c.id}
            pieces.calls += [c for c in _calls(entries) if c.id not in known]
        old = call(holder.get("function_call"))
        if old is not None and not pieces.calls:
            pieces.calls.append(old)


def _made(role: str, pieces: Pieces, item: Object, name: str) -> list[Message]:
    """The message of these pieces. Results are messages of their own, as Anthropic and Bedrock put them into a user's."""
    text, thought = "\n".join(pieces.texts), "\n".join(pieces.reasoning)
    found = list(pieces.results)
    if role == "tool":
        called = next((item[k] for k in ("tool_call_id", "toolCallId", "id") if isinstance(item.get(k), str)), "")
        if found:
            return found
        return [Message(role, text, thought, tuple(pieces.calls), tuple(pieces.media), called, name)]
    if text or thought or pieces.calls or pieces.media or not found:
        found.append(Message(role, text, thought, tuple(pieces.calls), tuple(pieces.media), "", name))
    return found


def _pydantic(parts: list[Value]) -> list[Message]:
    """Pydantic AI's own messages: a request has parts of several roles."""
    found: list[Message] = []
    answer = Pieces()
    for part in parts:
        if not isinstance(part, dict):
            continue
        kind = part.get("part_kind")
        role = _PART_ROLES.get(kind) if isinstance(kind, str) else None
        if role is None:
            entry = part | {"type": {"tool-call": "tool-call", "thinking": "thinking"}.get(str(kind), "text")}
            add_content([entry], answer)
            continue
        inner = Pieces()
        add_content(part.get("content"), inner)
        called, name = part.get("tool_call_id"), part.get("tool_name")
        found += _made(role, inner, {"tool_call_id": called}, name if isinstance(name, str) else "")
    if answer.texts or answer.reasoning or answer.calls or answer.media:
        found += _made("assistant", answer, {}, "")
    return found


def _calls(entries: Value) -> list[Call]:
    found = [call(entry) for entry in entries] if isinstance(entries, list) else []
    return [c for c in found if c is not None]


def _system(value: Value) -> list[Message]:
    """The instructions that a request has apart from its messages."""
    if not isinstance(value, dict):
        return []
    config = value.get("config")  # ADK
    for holder in (value, config if isinstance(config, dict) else {}):
        for name in _SYSTEM:
            content = holder.get(name)
            if content:
                pieces = Pieces()
                add_content(content, pieces)
                if pieces.texts:
                    return [Message("system", "\n".join(pieces.texts))]
    return []


def _plain(text: str, role: str) -> Message:
    """Bare text, which may be that of a Python object, or of LlamaIndex's answer: `assistant: Paris.`"""
    found = reprs.message(text)
    if found is not None:
        return found
    return Message(role, text[11:] if role == "assistant" and text.startswith("assistant: ") else text)


__all__ = ["Message", "backwards", "conversation", "dump", "messages", "of_item", "of_value", "parsed", "tools"]
