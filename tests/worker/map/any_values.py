"""Spans with random subsets of all attribute names the mapping knows, and values of any type: seeded, so that a failure
can be had again. Values are as AnyValues decode: None is in lists and maps only."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from schemas import conventions, metadata_names, usage_names
from worker.map.gate import NAMES, PREFIXES
from worker.map.span import Event, Span

START_NS = 1_764_000_000_000_000_000

SCOPES = (
    "", "ai", "genkit-tracer", "@flue/opentelemetry", "gcp.vertex.agent", "livekit-agents", "pydantic-ai", "langfuse-sdk",
    "mlflow.tracing.provider", "gen_ai", "openinference.instrumentation.openai", "strands.telemetry.tracer", "litellm",
)  # fmt: skip
EVENTS = (
    "gen_ai.client.inference.operation.details", "gen_ai.system.message", "gen_ai.user.message", "gen_ai.assistant.message",
    "gen_ai.tool.message", "gen_ai.choice", "gen_ai.content.prompt", "gen_ai.content.completion", "exception", "other",
)  # fmt: skip
RESOURCE_NAMES = (
    "service.name", "service.version", "telemetry.sdk.name", "telemetry.sdk.language", "deployment.environment",
    "langfuse.environment", "langfuse.release", "langfuse.trace.metadata", "langfuse.metadata", "langfuse.metadata.team",
)  # fmt: skip
SPAN_NAMES = ("", "chat", "agent_turn", "function_tool", "tts_node", "user_speaking", "ai.generateText", "é" * 300)

#: Keys that carry an index or a name of the user's.
OPEN_KEYS = (
    "gen_ai.prompt.{n}.content", "gen_ai.prompt.{n}.role", "gen_ai.completion.{n}.tool_calls.{n}.name", "gen_ai.prompt.{n}",
    "gen_ai.completion.{n}.tool_calls.{n}.arguments", "gen_ai.prompt_tokens", "gen_ai.completion..{n}", "gen_ai.prompt.",
    "llm.input_messages.{n}.message.role", "llm.input_messages.{n}.message.content", "llm.input_messages.99999999999.a",
    "llm.input_messages.{n}.message.contents.{n}.message_content.text", "llm.input_messages.{n}.__proto__.a",
    "llm.output_messages.{n}.message.tool_calls.{n}.tool_call.function.name", "llm.output_messages.{n}.message",
    "llm.output_messages.{n}.message.tool_calls.{n}.tool_call.function.arguments", "llm.output_messages.9999.message.role",
    "llm.tools.{n}.tool.json_schema", "llm.tools.x.tool.json_schema", "gen_ai.request.{w}", "llm.invocation_parameters.{w}",
    "langfuse.trace.metadata.{w}", "langfuse.observation.metadata.{w}", "langfuse.metadata.{w}", "ai.telemetry.metadata.{w}",
    "traceloop.association.properties.{w}", "mlflow.traceTag.{w}", "langfuse.experiment.metadata.{w}", "gen_ai.usage.{w}",
    "gen_ai.usage.details.{w}", "llm.token_count.{w}", "retrieval.documents.{n}.document.content", "user.own.{w}", "{w}",
)  # fmt: skip
WORDS = (
    "a",
    "b.c",
    "tools",
    "tags",
    "metadata",
    "scope",
    "attributes",
    "resourceAttributes",
    "0",
    "",
    "é",
    "__proto__",
    "model",
)


def known_names() -> list[str]:
    """Every attribute name in the tables of schemas/, and what is known by a prefix, with something behind it."""
    texts = {text for module in (conventions, metadata_names, usage_names) for text in _texts_of(module)}
    found = {text for text in texts if "." in text or ":" in text} | NAMES
    return sorted(found | {prefix + word for prefix in PREFIXES for word in ("x", "0.y")})


def _texts_of(module: ModuleType) -> Iterator[str]:
    for name, value in vars(module).items():
        if name.isupper():
            yield from _texts(value)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if value:
            yield value
    elif isinstance(value, Mapping):
        yield from _texts(tuple(value.keys()))
        yield from _texts(tuple(value.values()))
    elif isinstance(value, tuple | list | set | frozenset):
        for entry in value:
            yield from _texts(entry)


_CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"q": 1}'}, "index": 0}
_TOOL = {"type": "function", "function": {"name": "look", "description": "d", "parameters": {"type": "object"}}}
#: What honest instrumentations send, to be made dishonest.
DOCUMENTS: tuple[Any, ...] = (
    [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "u"}]}],
    [{"role": "assistant", "parts": [{"type": "tool_call", "id": "1", "name": "look", "arguments": {"q": 1}}]}],
    {"role": "assistant", "content": None, "tool_calls": [_CALL]},
    {"choices": [{"message": {"role": "assistant", "content": "a", "tool_calls": [_CALL]}, "finish_reason": "stop"}]},
    {"messages": [{"role": "user", "content": "u"}], "tools": [_TOOL], "model": "m", "temperature": 0.1, "config": {"topK": 1}},
    [_TOOL, {"name": "plain", "parameters": {}}],
    {"message": {"role": "model", "content": [{"text": "a"}]}, "usage": {"inputTokens": 5, "outputTokens": 3},
     "request": {"config": {"temperature": 1}}},
    {"function_tools": [{"name": "look", "parameters_json_schema": {}}], "output_mode": "text"},
    {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8, "prompt_tokens_details": {"cached_tokens": 2}},
    {"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 1, "cache_creation_input_tokens": 1},
    {"input": 0.1, "output": 0.2, "input_cost": 0.1, "output_cost": "0.2", "total_cost": 0.3},
    {"openai": {"cachedPromptTokens": 1, "reasoningTokens": 1, "serviceTier": "flex"},
     "anthropic": {"usage": {"cache_creation_input_tokens": 3, "cache_creation": {"ephemeral_5m_input_tokens": 1}}},
     "bedrock": {"usage": {"cacheReadInputTokens": 2}}},
    {"usage_metadata": {"cached_content_token_count": 2}, "content": {"parts": [{"functionCall": {"name": "f", "args": {}}}]}},
    [{"name": "prompt", "version": "3"}],
    {"name": "prompt", "version": 3, "isFallback": False},
    [{"event.name": "gen_ai.user.message", "content": "u"}, {"event.name": "gen_ai.choice", "message": {"content": "a"}}],
    {"completion": None, "rawRequest": {"trace": {"environment": "langfuse-llm-as-a-judge"}}},
    {"generations": [[{"message": {"kwargs": {"tool_calls": [{"id": "1", "name": "f", "args": {}}]}}}]]},
    {"output": [{"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"}]},
    {"team": "red", "a": {"b": {"c": [1, {"d": None}]}}},
    ["a", "b", "", 3],
)  # fmt: skip

#: Words that some step takes for a value it knows.
KNOWN_WORDS = (
    "GENERATION", "generation", "LLM", "CHAIN", "chat", "invoke_agent", "execute_tool", "model", "true", "false", "error", "10",
    "ai.generateText.doGenerate", "ai.toolCall", "workflow", "2024-01-01T00:00:00.123Z", '"2024-01-01T00:00:00Z"', "a,,b",
    "575", "-1", "1e400", "1_000", "langfuse-langfuse_prod", "v1", "None", "user-1",
)  # fmt: skip

SCALARS = (
    True, False, 0, 1, -1, 3, 10, 40, 575, (1 << 63) - 1, -(1 << 63), 0.0, 0.5, -0.0, 1e308, 5e-324, float("nan"),
    float("inf"), float("-inf"),
)  # fmt: skip
TEXTS = (
    "", " ", "\n", "{}", "[]", "null", "true", "5", "NaN", '"quoted"', '"\\"twice\\""', "{broken", "[1,", '{"a":', "\ufffd",
    "é\U0001f600", "[" * 3000 + "]" * 3000, '{"a":' * 500 + "1" + "}" * 500, "x" * 10, "x" * 300_000, "9" * 5000, "1" * 19,
    "data:a/b;base64,", base64.b64encode(b"bytes").decode(), '"\\u0000"', '{"\\u0000": "\\u0000"}', "\\ud800", '["\\ud800"]',
)  # fmt: skip


class Maker:
    """Values and spans from one seed."""

    def __init__(self, seed: int, names: list[str]) -> None:
        self.random = random.Random(seed)
        self.names = names

    def span(self) -> Span:
        rnd = self.random
        return Span(
            name=rnd.choice(SPAN_NAMES),
            attributes={self.key(): self.value() for _ in range(rnd.choice((0, 1, 3, 8, 20, 60)))},
            resource={rnd.choice((*RESOURCE_NAMES, self.key())): self.value() for _ in range(rnd.randrange(4))},
            scope_name=rnd.choice(SCOPES),
            scope_version=rnd.choice(("", "3.2.1", "5.0.0", "x", "3", "999999999999.1")),
            scope_attributes={self.key(): self.value() for _ in range(rnd.randrange(2))},
            events=[
                Event(rnd.choice(EVENTS), {self.event_key(): self.value() for _ in range(rnd.randrange(4))}, START_NS)
                for _ in range(rnd.choice((0, 0, 1, 4)))
            ],
            parent_span_id=rnd.choice(("", "00000000000000aa")),
            kind=rnd.choice(("INTERNAL", "CLIENT")),
            status_code=rnd.choice(("UNSET", "OK", "ERROR")),
            status_message=rnd.choice(("", "it broke")),
            start_ns=START_NS,
            end_ns=START_NS + rnd.choice((0, 1, 10**6, 10**10)),
        )

    def key(self) -> str:
        rnd = self.random
        if rnd.random() < 0.6:
            return rnd.choice(self.names)
        return rnd.choice(OPEN_KEYS).replace("{n}", str(rnd.choice((0, 1, 2, 7)))).replace("{w}", rnd.choice(WORDS))

    def event_key(self) -> str:
        own = (
            "role",
            "content",
            "message",
            "id",
            "index",
            "event.name",
            "exception.type",
            "exception.message",
            "gen_ai.prompt",
        )
        return self.random.choice((*own, self.key()))

    def value(self) -> Any:
        """An attribute's value; an empty AnyValue is no attribute, so it is never None."""
        made: Callable[[], Any] = self.random.choice(
            (
                self.scalar,
                self.text,
                self.text,
                self.document_text,
                self.document_text,
                self.document,
                self.list,
                self.deep,
            )
        )
        found = made()
        return "" if found is None else found

    def scalar(self) -> Any:
        rnd = self.random
        return rnd.choice((*SCALARS, rnd.randrange(1 << 40), rnd.random() * 1e6))

    def text(self) -> str:
        rnd = self.random
        return rnd.choice((*TEXTS, rnd.choice(KNOWN_WORDS), rnd.choice(KNOWN_WORDS), rnd.choice(KNOWN_WORDS)))

    def document(self) -> Any:
        """A document of DOCUMENTS, or one in which something is of another type than it should be."""
        found = self.random.choice(DOCUMENTS)
        return self.lied(found) if self.random.random() < 0.7 else found

    def document_text(self) -> str:
        found = json.dumps(self.document())
        if self.random.random() < 0.2:  # attributes never hold NUL, but JSON in them may spell it
            found = found.replace("lie", "n\\u0000l").replace("look", "l\\u0000k").replace('"a"', '"\\u0000"')
        if self.random.random() < 0.1:
            found = json.dumps(found)
        return found if self.random.random() < 0.9 else found[: self.random.randrange(len(found))]

    def lied(self, value: Any) -> Any:
        """A copy with one or more places replaced."""
        rnd = self.random
        if rnd.random() < 0.15:
            return rnd.choice(
                (None, True, -3, 2.5, "", "lie", [], {}, [[]], {"a": []}, [None], "{}", [1, "a"], 1 << 62)
            )
        if isinstance(value, dict):
            return {key: self.lied(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self.lied(entry) for entry in value] * rnd.choice((1, 1, 2))
        return value

    def list(self) -> list[Any]:
        return [self.random.choice((self.scalar, self.text, self.document))() for _ in range(self.random.randrange(4))]

    def deep(self) -> Any:
        """As deep as standard protobuf parsers take it: a level of a map is three messages, one of a list is two."""
        rnd = self.random
        found: Any = self.scalar()
        left = rnd.randrange(90)
        while left > 0:
            is_list = rnd.random() < 0.5
            found = [found] if is_list else {rnd.choice(("a", "content", "message", "tools")): found}
            left -= 2 if is_list else 3
        return found
