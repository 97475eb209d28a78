"""What a trace is made of, in nobody's convention. `dialects` writes it in one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from benchmarks.llm.people import Asker


@dataclass(frozen=True, slots=True)
class Model:
    """`asked` is the name in the request, `name` the one in the answer. Speeds are tokens a second; `price` is USD a million
    tokens, in and out, for SDKs that state a cost."""

    asked: str
    name: str
    provider: str
    speed: float
    price: tuple[float, float]
    reasons: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that a model asks for."""

    id: str
    name: str
    arguments: str


@dataclass(slots=True)
class Message:
    """One message of a conversation. Its JSON is made once: an agent's history repeats it at every turn."""

    role: str
    content: str = ""
    calls: tuple[Call, ...] = ()
    call_id: str = ""
    _chat: str = ""
    _parts: str = ""

    def chat(self) -> str:
        """As OpenAI's chat completions have it."""
        if not self._chat:
            message: dict[str, Any] = {"role": self.role, "content": self.content}
            if self.calls:
                message["tool_calls"] = [
                    {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
                    for c in self.calls
                ]
            if self.call_id:
                message["tool_call_id"] = self.call_id
            self._chat = orjson.dumps(message).decode()
        return self._chat

    def parts(self) -> str:
        """As the GenAI conventions have it."""
        if not self._parts:
            parts: list[dict[str, Any]] = [{"type": "text", "content": self.content}] if self.content else []
            parts += [
                {"type": "tool_call", "id": c.id, "name": c.name, "arguments": orjson.loads(c.arguments)}
                for c in self.calls
            ]
            if self.call_id:
                parts = [{"type": "tool_call_response", "id": self.call_id, "response": self.content}]
            self._parts = orjson.dumps({"role": self.role, "parts": parts}).decode()
        return self._parts


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens; `input` holds the cached ones, `output` those of reasoning."""

    input: int
    output: int = 0
    cached: int = 0
    reasoning: int = 0


@dataclass(slots=True)
class Step:
    """A span to be. Times are Unix ns; `parent` is the place of another step in its trace, −1 for none.

    kind: chat, embedding, tool, agent, retrieval, chain, or of no LLM: server, client, database.
    """

    kind: str
    name: str
    start: int
    end: int
    parent: int
    model: Model | None = None
    messages: tuple[Message, ...] = ()
    answer: Message | None = None
    tools: str = ""
    usage: Usage | None = None
    first_token: int = 0
    temperature: float = 0.7
    input: str = ""
    output: str = ""
    call: Call | None = None
    documents: tuple[str, ...] = ()
    prompt: tuple[str, int] | None = None
    error: tuple[str, str] | None = None


@dataclass(slots=True)
class Trace:
    """Steps in the order of their starts; the first is the root."""

    asker: Asker
    dialect: str
    service: str
    version: str
    name: str
    steps: list[Step] = field(default_factory=list)
