"""What a message of a chat is, whichever API or SDK it came through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Text | int | float | bool | None | list | dict, as decoded from JSON.
Value = Any


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that the model asks for; `arguments` is JSON text as sent, or made of the object that was sent."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Media:
    """Where something is that is no text: its kind (image, audio, video, file, or the type of a part that is not known)
    and MIME type, and its `url` when it has one that is not the data itself; of data within the message the url is empty."""

    kind: str
    mime_type: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """`role` is system, user, assistant, tool, or another word as it was sent. A message of role tool is the result of
    one tool call: `call_id` says of which, `name` of which tool, as far as the sender did."""

    role: str
    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[Call, ...] = ()
    media: tuple[Media, ...] = ()
    call_id: str = ""
    name: str = ""


#: Words for roles → ours. `tool-call` and `tool-response` are smolagents', which gives them to the model as what stands here.
_ROLES = {
    "ai": "assistant",
    "aimessage": "assistant",
    "aimessagechunk": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
    "choice": "assistant",
    "developer": "system",
    "function": "tool",
    "functionmessage": "tool",
    "human": "user",
    "humanmessage": "user",
    "humanmessagechunk": "user",
    "ipython": "tool",
    "model": "assistant",
    "systemmessage": "system",
    "systemmessagechunk": "system",
    "tool-call": "assistant",
    "tool-response": "user",
    "toolmessage": "tool",
}
#: Values of `type` that say a role, where LangChain has them.
TYPES_OF_ROLES = frozenset(
    (
        "human",
        "ai",
        "system",
        "tool",
        "function",
        "HumanMessage",
        "AIMessage",
        "AIMessageChunk",
        "SystemMessage",
        "ToolMessage",
    )
)


def role_of(word: str) -> str:
    """Our word for a role."""
    low = word.lower()
    return _ROLES.get(low, low)
