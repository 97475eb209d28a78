"""One line of what went in and one of what came out, for lists: the user's last words, and the answer.

Bounded: of a long history only the end is looked at, and of a long text only the beginning is folded.
"""

from __future__ import annotations

from collections.abc import Iterable

from litefuse.chat.message import Call, Message
from litefuse.chat.messages import backwards
from worker.map.mapped import Mapped, ToolCall
from worker.map.values import Value, dump, parsed, without_nul

#: Characters of a preview.
LENGTH = 200
#: Characters that are folded to make one: what is blank in a text is seldom more than this.
_LOOK = 2_000
#: Messages looked at from the end before any text is good enough.
_MESSAGES = 60
#: Steps into an object that says little else.
_DEPTH = 5
#: What objects that are no chat have their gist under, in order.
_TELLING = (
    "question",
    "query",
    "query_str",
    "input",
    "prompt",
    "task",
    "text",
    "answer",
    "output",
    "result",
    "response",
    "content",
    "page_content",
    "message",
    "args",
    "kwargs",
)


def previews(
    sent: str, answered: str, mapped: Mapped, sent_value: Value = None, answered_value: Value = None
) -> tuple[str, str]:
    """The previews of an input and an output as stored: at most 200 characters of one line each, empty for none.

    `sent_value` and `answered_value` are what the texts were parsed to, if they were. The calls of an answer that has no
    text are `mapped.tool_calls`; where a failed span says nothing, the line is its error.
    """
    asked = _input(sent, _value(sent, sent_value))
    answer = _output(answered, _value(answered, answered_value), mapped.tool_calls)
    if not answer and mapped.level == "ERROR":
        answer = folded(mapped.level_message)
    return without_nul(asked), without_nul(answer)


def folded(text: str) -> str:
    """The beginning of a text as one line."""
    line = " ".join(text[:_LOOK].split())
    if not line and len(text) > _LOOK:
        line = " ".join(text.lstrip()[:_LOOK].split())
    return line if len(line) <= LENGTH else line[: LENGTH - 1] + "…"


def _value(text: str, value: Value) -> Value:
    if value is not None or not text:
        return value
    return parsed(text) if text[0] in '[{"' else None


def _input(text: str, value: Value) -> str:
    if not isinstance(value, (dict, list)):
        return folded(value if isinstance(value, str) and value else text)
    other = ""
    for seen, message in enumerate(backwards(value)):
        if message.role == "user" and (message.text or message.media):
            return folded(_unquoted(message.text)) or _media(message)
        if not other and message.text and message.role != "system":
            other = message.text
        if seen >= _MESSAGES:
            break
    return folded(other or _gist(text, value))


def _output(text: str, value: Value, calls: list[ToolCall]) -> str:
    if not isinstance(value, (dict, list)):
        if not text and calls:
            return folded(_called(calls))
        text = value if isinstance(value, str) and value else text
        return folded(text[11:] if text.startswith("assistant: ") else text)  # LlamaIndex
    is_chat = False
    for seen, message in enumerate(backwards(value, "assistant")):
        if message.text:
            return folded(message.text)
        if message.tool_calls:
            return folded(_called(message.tool_calls))
        if message.media:
            return _media(message)
        is_chat = True
        if seen >= _MESSAGES:
            break
    if calls:
        return folded(_called(calls))
    return "" if is_chat or _is_vectors(value) else folded(_gist(text, value))


def _unquoted(text: str) -> str:
    """The string that JSON text is, as the AI SDK lists what it embeds; any other text as it is."""
    found = parsed(text) if text[:1] == '"' and text[-1:] == '"' else None
    return found if isinstance(found, str) else text


def _is_vectors(value: Value) -> bool:
    """Whether this is the answer to a request for embeddings: numbers that tell nobody anything."""
    data = value.get("data") if isinstance(value, dict) else None
    return isinstance(data, list) and bool(data) and isinstance(data[0], dict) and "embedding" in data[0]


def _media(message: Message) -> str:
    return " ".join(f"[{media.mime_type or media.kind}]" for media in message.media[:10])


def _called(calls: Iterable[Call | ToolCall]) -> str:
    """`get_weather(city=Paris) get_time(city=Paris)`, as far as it shows."""
    line = ""
    for call in calls:
        line += f"{call.name}({_arguments(call.arguments)}) "
        if len(line) > LENGTH:
            break
    return line


def _arguments(text: str) -> str:
    value = parsed(text) if text[:1] == "{" else None
    if not isinstance(value, dict):
        return text[:LENGTH]
    parts: list[str] = []
    for name, inner in value.items():
        parts.append(f"{name}={(inner if isinstance(inner, str) else dump(inner))[:LENGTH]}")
        if len(parts) > 20:
            break
    return ", ".join(parts)


def _gist(text: str, value: Value) -> str:
    """What an object says that is no chat: its only field or the most telling one, else the text itself."""
    whole = value
    for _ in range(_DEPTH):
        if isinstance(value, list):
            if len(value) != 1:
                break
            value = value[0]
        elif isinstance(value, dict):
            told = [key for key, inner in value.items() if inner not in (None, "", [], {})] if len(value) < 20 else []
            name = (
                told[0] if len(told) == 1 else next((k for k in _TELLING if value.get(k) not in (None, "", [], {})), "")
            )
            if not name or not (name in _TELLING or isinstance(value[name], (str, list, dict))):
                break  # `{"temperature": 20}` says more than `20`
            value = value[name]
        else:
            break
    if value is whole:
        return text or dump(value)
    return value if isinstance(value, str) else dump(value)
